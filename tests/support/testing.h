/* What every cmocka program includes, in the order that cmocka asks for. */
#ifndef VEER_TESTS_SUPPORT_TESTING_H
#define VEER_TESTS_SUPPORT_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define TEST_COUNT(array) (sizeof(array) / sizeof(array)[0])

#endif
