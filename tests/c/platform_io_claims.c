/* Locks of a directory that JavaScript holds: living ones are in the way, others are not. */
#define _GNU_SOURCE

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"
#include "platform/io.h"
#include "support/io_tables.h"
#include "support/testing.h"

static void own_host(char host[64])
{
    assert_int_equal(gethostname(host, 63), 0);
    host[60] = 0;
    for (char *c = host; *c != 0; c++)
        if (strspn(c, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") == 0)
            *c = '_';
}

/* What locking answers while the directory holds a file of that name, `age_s` seconds old. */
static veer_status lock_beside(const char *name, bool exclusive, int age_s, veer_error *error)
{
    char directory[64], path[512];
    veer_io io;
    test_directory_make(directory);
    (void)snprintf(path, sizeof path, "%s/%s", directory, name);
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    assert_true(fd >= 0);
    struct timespec times[2];
    assert_int_equal(clock_gettime(CLOCK_REALTIME, &times[0]), 0);
    times[0].tv_sec -= age_s;
    times[1] = times[0];
    assert_int_equal(futimens(fd, times), 0);
    assert_int_equal(close(fd), 0);
    assert_int_equal(io_posix_new(memory_default(), directory, false, &io, error), VEER_OK);
    veer_status status = io.lock(io.context, exclusive, error);
    if (status == VEER_OK) {
        io.unlock(io.context);
    } else {
        /* What failed has left nothing behind: it works once the other one is gone. */
        assert_int_equal(unlink(path), 0);
        veer_error ignored;
        assert_int_equal(io.lock(io.context, true, &ignored), VEER_OK);
        io.unlock(io.context);
    }
    io_posix_free(&io);
    test_directory_remove(directory);
    return status;
}

static void test_this_host(void **state)
{
    (void)state;
    char host[64], name[256];
    veer_error error = {0};
    own_host(host);
    /* Who runs: this very process, whose start nobody wrote down. */
    (void)snprintf(name, sizeof name, ".lock.write.%ld.0..%s.0a", (long)getpid(), host);
    assert_int_equal(lock_beside(name, true, 0, &error), VEER_E_BUSY);
    assert_non_null(strstr(error.message, name));
    assert_int_equal(lock_beside(name, false, 0, &error), VEER_E_BUSY);
    (void)snprintf(name, sizeof name, ".lock.read.%ld.0..%s.0a", (long)getpid(), host);
    assert_int_equal(lock_beside(name, true, 0, &error), VEER_E_BUSY);
    assert_int_equal(lock_beside(name, false, 0, &error), VEER_OK);
#ifdef __linux__
    /* A process of that number that began at another time. */
    (void)snprintf(name, sizeof name, ".lock.write.%ld.0.1.%s.0a", (long)getpid(), host);
    assert_int_equal(lock_beside(name, true, 0, &error), VEER_OK);
#endif
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) _exit(0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    (void)snprintf(name, sizeof name, ".lock.write.%ld.0..%s.0a", (long)child, host);
    assert_int_equal(lock_beside(name, true, 0, &error), VEER_OK);
}

static void test_another_host(void **state)
{
    (void)state;
    veer_error error = {0};
    const char *name = ".lock.write.1.0.5.somewhere-else.0a";
    assert_int_equal(lock_beside(name, true, 0, &error), VEER_E_BUSY);
    assert_non_null(strstr(error.message, "somewhere-else"));
    assert_int_equal(lock_beside(name, true, 60, &error), VEER_E_BUSY);
    assert_int_equal(lock_beside(name, true, 300, &error), VEER_OK);
}

static void test_other_names(void **state)
{
    (void)state;
    veer_error error = {0};
    static const char *const names[] = {
        ".lock",
        ".lock.write",
        ".lock.write.1",
        ".lock.write.x.0.5.else.0",
        ".lock.write.1.0.5",
        ".lock.write.-1.0.5.else.0",
        ".lock.own.1.0.5.else.0",
        ".lock.write.99999999999999999999.0.5.else.0",
        ".lock.write.1.0.5.else",
    };
    for (size_t i = 0; i < TEST_COUNT(names); i++)
        assert_int_equal(lock_beside(names[i], true, 0, &error), VEER_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_this_host),
        cmocka_unit_test(test_another_host),
        cmocka_unit_test(test_other_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
