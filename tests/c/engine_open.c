/* Opening: nothing is made unless it was asked for, and what is no database is named. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "platform/io.h"
#include "support/io_tables.h"
#include "support/testing.h"

static void refused(const char *location, const veer_io *io, const char *options,
                    veer_status wanted, const char *const *parts)
{
    veer_database *database = (veer_database *)1;
    veer_error error = {0};
    veer_status status = veer_open(location, io, options, NULL, &database, &error);
    if (status != wanted) fail_msg("status %d, not %d: %s", status, wanted, error.message);
    assert_null(database);
    for (; *parts; parts++)
        if (!strstr(error.message, *parts)) fail_msg("no '%s' in: %s", *parts, error.message);
}

static void opens(const char *location, const veer_io *io, const char *options)
{
    veer_database *database = NULL;
    veer_error error = {0};
    veer_status status = veer_open(location, io, options, NULL, &database, &error);
    if (status != VEER_OK) fail_msg("%s", error.message);
    assert_int_equal(veer_close(database, &error), VEER_OK);
}

static void test_a_missing_database_is_made_only_when_asked(void **state)
{
    (void)state;
    static const char *const without[] = {NULL, "{}", "{\"create\":false}"};
    static const char readonly[] = "{\"create\":true,\"mode\":\"readonly\"}";
    char directory[64], missing[80];
    struct stat found;
    test_directory_make(directory);
    (void)snprintf(missing, sizeof missing, "%s/none", directory);
    const char *const says[] = {missing, "no database", "\"create\": true", NULL};
    const char *const says_empty[] = {directory, "no database", "\"create\": true", NULL};
    const char *const says_less[] = {missing, "no database", NULL};
    for (size_t i = 0; i < TEST_COUNT(without); i++) {
        refused(missing, NULL, without[i], VEER_E_NOTFOUND, says);
        refused(directory, NULL, without[i], VEER_E_NOTFOUND, says_empty);
    }
    refused(missing, NULL, readonly, VEER_E_NOTFOUND, says_less);
    assert_int_not_equal(stat(missing, &found), 0); /* not even a directory */
    opens(missing, NULL, "{\"create\":true}");
    opens(missing, NULL, NULL); /* now it is there */
    test_directory_remove(missing);
    test_directory_remove(directory);
    opens("memory:", NULL, NULL); /* nothing could be there before */
}

static void test_a_table_is_filled_only_when_asked(void **state)
{
    (void)state;
    static const char *const says[] = {"no database", "\"create\": true", NULL};
    veer_io io = {0};
    veer_error error = {0};
    assert_int_equal(io_memory_new(memory_default(), &io, &error), VEER_OK);
    refused(NULL, &io, NULL, VEER_E_NOTFOUND, says);
    opens(NULL, &io, "{\"create\":true}");
    opens(NULL, &io, NULL);
    io_memory_free(&io);
}

static void test_a_foreign_file_is_named(void **state)
{
    (void)state;
    char directory[64], path[80], page[8192];
    test_directory_make(directory);
    (void)snprintf(path, sizeof path, "%s/letter.txt", directory);
    const char *const says[] = {path, "not a Veer database", NULL};
    memset(page, 'x', sizeof page);
    static const size_t sizes[] = {0, 1, 4095, 4096, 8192};
    for (size_t i = 0; i < TEST_COUNT(sizes); i++) {
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        assert_int_equal(fwrite(page, 1, sizes[i], file), sizes[i]);
        assert_int_equal(fclose(file), 0);
        refused(path, NULL, NULL, VEER_E_FORMAT, says);
        refused(path, NULL, "{\"create\":true}", VEER_E_FORMAT, says);
        struct stat found;
        assert_int_equal(stat(path, &found), 0);
        assert_int_equal((size_t)found.st_size, sizes[i]);
    }
    test_directory_remove(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_missing_database_is_made_only_when_asked),
        cmocka_unit_test(test_a_table_is_filled_only_when_asked),
        cmocka_unit_test(test_a_foreign_file_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
