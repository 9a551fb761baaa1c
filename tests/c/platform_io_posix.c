/* What only a directory can show: other processes, permissions, foreign files, real failures. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memory.h"
#include "platform/io.h"
#include "support/io_tables.h"
#include "support/testing.h"

/* In a child process cmocka's assertions are of no use: a check that fails ends it with its line. */
#define CHILD_CHECK(condition)                       \
    do {                                             \
        if (!(condition)) _exit(1 + __LINE__ % 250); \
    } while (0)

static veer_status new_table(const char *path, bool create, veer_io *io, veer_error *error)
{
    return io_posix_new(memory_default(), path, create, io, error);
}

static void expect_exit_0(pid_t child)
{
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fail_msg("child ended with 0x%x (line %d mod 250)", (unsigned)status,
                 WEXITSTATUS(status) - 1);
    }
}

static size_t open_descriptors(void)
{
    size_t count = 0;
    for (int fd = 0; fd < 1024; fd++)
        count += fcntl(fd, F_GETFD) != -1;
    return count;
}

static void in_directory(char path[128], const char *directory, const char *name)
{
    (void)snprintf(path, 128, "%s/%s", directory, name);
}

static void put_file(const char *directory, const char *name, const char *text)
{
    char path[128];
    in_directory(path, directory, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void test_opening(void **state)
{
    char directory[64];
    char path[128];
    veer_io io;
    veer_error error;
    io_kind kind;
    size_t descriptors = open_descriptors();
    (void)state;
    test_directory_make(directory);

    in_directory(path, directory, "new");
    assert_int_equal(io_posix_kind(path, &kind, &error), VEER_OK);
    assert_int_equal(kind, IO_NOTHING);
    assert_int_equal(new_table(path, false, &io, &error), VEER_E_NOTFOUND);
    assert_non_null(strstr(error.message, path));
    assert_null(io.context);
    assert_int_equal(new_table(path, true, &io, &error), VEER_OK);
    assert_int_equal(io.sync_names(io.context, &error), VEER_OK);
    io_posix_free(&io);
    assert_null(io.context);
    io_posix_free(&io);
    io_posix_free(NULL);
    assert_int_equal(new_table(path, true, &io, &error), VEER_OK);
    io_posix_free(&io);
    assert_int_equal(io_posix_kind(path, &kind, &error), VEER_OK);
    assert_int_equal(kind, IO_DIRECTORY);

    in_directory(path, directory, "no/such");
    assert_int_equal(new_table(path, true, &io, &error), VEER_E_NOTFOUND);
    put_file(directory, "file", "x");
    in_directory(path, directory, "file");
    assert_int_equal(new_table(path, true, &io, &error), VEER_E_UNSUPPORTED);
    assert_int_equal(io_posix_kind(path, &kind, &error), VEER_OK);
    assert_int_equal(kind, IO_FILE);
    in_directory(path, directory, "file/below");
    assert_int_not_equal(new_table(path, true, &io, &error), VEER_OK);
    in_directory(path, directory, "pipe");
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(io_posix_kind(path, &kind, &error), VEER_E_UNSUPPORTED);
    assert_int_equal(io_posix_kind("", &kind, &error), VEER_E_INVALID);
    assert_int_equal(new_table("", true, &io, &error), VEER_E_INVALID);
    assert_int_equal(new_table(NULL, true, &io, &error), VEER_E_INVALID);
    test_directory_remove(directory);
    assert_int_equal(open_descriptors(), descriptors);
}

static void add_name(void *argument, const char *name)
{
    strcat(argument, name);
    strcat(argument, " ");
}

static void test_foreign_files(void **state)
{
    char directory[64];
    char path[128];
    char listed[200] = "";
    veer_io io;
    veer_error error;
    void *file;
    (void)state;
    test_directory_make(directory);
    put_file(directory, "secret-outside", "x");
    put_file(directory, "README.md", "x");
    put_file(directory, ".hidden", "x");
    put_file(directory, "seg.1", "data");
    in_directory(path, directory, "pipe");
    assert_int_equal(mkfifo(path, 0600), 0);
    in_directory(path, directory, "folder");
    assert_int_equal(mkdir(path, 0700), 0);
    in_directory(path, directory, "link");
    assert_int_equal(symlink("/etc/passwd", path), 0);
    in_directory(path, directory, "dangling");
    assert_int_equal(symlink("/nonexistent/x", path), 0);

    assert_int_equal(new_table(directory, false, &io, &error), VEER_OK);
    assert_int_equal(io.lock(io.context, true, &error), VEER_OK);
    assert_int_equal(io.list(io.context, add_name, listed, &error), VEER_OK);
    assert_non_null(strstr(listed, "secret-outside "));
    assert_non_null(strstr(listed, "seg.1 "));
    assert_int_equal(strlen(listed), strlen("secret-outside seg.1 "));
    /* None of these is followed, waited for or taken for a stream. */
    static const char *const odd[] = {"pipe", "folder", "link", "dangling"};
    for (size_t i = 0; i < TEST_COUNT(odd); i++) {
        assert_int_equal(io.open(io.context, odd[i], VEER_IO_READ, &file, &error), VEER_E_IO);
        assert_null(file);
        assert_int_equal(io.open(io.context, odd[i], VEER_IO_WRITE, &file, &error), VEER_E_IO);
        assert_int_equal(io.open(io.context, odd[i], VEER_IO_CREATE, &file, &error), VEER_E_EXISTS);
    }
    assert_int_equal(io.open(io.context, "lock", VEER_IO_WRITE, &file, &error), VEER_E_INVALID);
    assert_int_equal(io.remove(io.context, "lock", &error), VEER_E_INVALID);
    assert_int_equal(io.remove(io.context, "folder", &error) == VEER_OK, false);
    io_posix_free(&io);
    test_directory_remove(directory);
}

/* The table holds the directory, not its path. */
static void test_moved_directory(void **state)
{
    char directory[64];
    char moved[80];
    veer_io io;
    veer_error error;
    void *file;
    (void)state;
    test_directory_make(directory);
    assert_int_equal(new_table(directory, false, &io, &error), VEER_OK);
    snprintf(moved, sizeof moved, "%s.moved", directory);
    assert_int_equal(rename(directory, moved), 0);
    assert_int_equal(io.open(io.context, "meta", VEER_IO_CREATE, &file, &error), VEER_OK);
    io.close(io.context, file);
    char path[128];
    in_directory(path, moved, "meta");
    assert_int_equal(access(path, F_OK), 0);
    io_posix_free(&io);
    test_directory_remove(moved);
}

static void test_packed_files(void **state)
{
    char directory[64];
    char path[128];
    veer_io io;
    veer_error error;
    const char *name;
    void *file;
    char data[6] = "";
    (void)state;
    test_directory_make(directory);
    put_file(directory, "My Notes (1).veer", "hello");
    in_directory(path, directory, "My Notes (1).veer");
    assert_int_equal(io_posix_parent(memory_default(), path, &io, &name, &error), VEER_OK);
    assert_string_equal(name, "My Notes (1).veer");
    assert_int_equal(io.open(io.context, name, VEER_IO_READ, &file, &error), VEER_OK);
    assert_int_equal(io.read(io.context, file, 0, data, 5, &error), VEER_OK);
    assert_string_equal(data, "hello");
    io.close(io.context, file);
    assert_int_equal(io.lock(io.context, false, &error), VEER_OK);
    assert_int_equal(io.open(io.context, "a/b", VEER_IO_READ, &file, &error), VEER_E_INVALID);
    assert_int_equal(io.open(io.context, "..", VEER_IO_READ, &file, &error), VEER_E_INVALID);
    io_posix_free(&io);
    in_directory(path, directory, "lock");
    assert_int_equal(access(path, F_OK), -1);

    /* A link to a packed file is what the user named. */
    in_directory(path, directory, "link.veer");
    assert_int_equal(symlink("My Notes (1).veer", path), 0);
    assert_int_equal(io_posix_parent(memory_default(), path, &io, &name, &error), VEER_OK);
    assert_int_equal(io.open(io.context, name, VEER_IO_READ, &file, &error), VEER_OK);
    io.close(io.context, file);
    io_posix_free(&io);

    static const char *const bad[] = {"", "/", ".", "..", "a/", "a/..", "/usr/."};
    for (size_t i = 0; i < TEST_COUNT(bad); i++) {
        assert_int_equal(io_posix_parent(memory_default(), bad[i], &io, &name, &error),
                         VEER_E_INVALID);
        assert_null(name);
        assert_null(io.context);
    }
    assert_int_equal(io_posix_parent(memory_default(), "/no/such/x", &io, &name, &error),
                     VEER_E_NOTFOUND);
    /* In the working directory, and in the root. */
    assert_int_equal(io_posix_parent(memory_default(), "x.veer", &io, &name, &error), VEER_OK);
    assert_string_equal(name, "x.veer");
    io_posix_free(&io);
    assert_int_equal(io_posix_parent(memory_default(), "/x.veer", &io, &name, &error), VEER_OK);
    assert_string_equal(name, "x.veer");
    io_posix_free(&io);
    test_directory_remove(directory);
}

/* ---- locks over processes */

/* A child that takes the lock, says so, and waits to be killed. */
static pid_t start_holder(const char *directory, bool exclusive)
{
    int ready[2];
    char byte;
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        veer_io io;
        veer_error error;
        CHILD_CHECK(new_table(directory, false, &io, &error) == VEER_OK);
        CHILD_CHECK(io.lock(io.context, exclusive, &error) == VEER_OK);
        CHILD_CHECK(write(ready[1], "x", 1) == 1);
        alarm(30); /* if nobody kills it */
        for (;;)
            pause();
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    close(ready[1]);
    return child;
}

static void kill_holder(pid_t child)
{
    int status;
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
}

static void test_lock_of_another_process(void **state)
{
    char directory[64];
    char process[32];
    char host[64] = "";
    veer_io io;
    veer_error error;
    (void)state;
    test_directory_make(directory);
    assert_int_equal(new_table(directory, false, &io, &error), VEER_OK);
    assert_int_equal(gethostname(host, sizeof host - 1), 0);
    for (int round = 0; round < 3; round++) {
        pid_t holder = start_holder(directory, true);
        snprintf(process, sizeof process, "process %ld ", (long)holder);
        for (int exclusive = 0; exclusive < 2; exclusive++) {
            assert_int_equal(io.lock(io.context, exclusive != 0, &error), VEER_E_BUSY);
            assert_non_null(strstr(error.message, process));
            assert_non_null(strstr(error.message, host));
            assert_non_null(strstr(error.message, "for writing"));
            assert_non_null(strstr(error.message, "since 20"));
            assert_null(strstr(error.message, "this one"));
        }
        /* Killed: what it left in the file stands in nobody's way. */
        kill_holder(holder);
        assert_int_equal(io.lock(io.context, round % 2 == 0, &error), VEER_OK);
        io.unlock(io.context);
    }

    /* Readers share, a writer waits for the last of them. */
    pid_t first = start_holder(directory, false);
    pid_t second = start_holder(directory, false);
    assert_int_equal(io.lock(io.context, false, &error), VEER_OK);
    io.unlock(io.context);
    assert_int_equal(io.lock(io.context, true, &error), VEER_E_BUSY);
    assert_non_null(strstr(error.message, "for reading"));
    kill_holder(first);
    assert_int_equal(io.lock(io.context, true, &error), VEER_E_BUSY);
    kill_holder(second);
    assert_int_equal(io.lock(io.context, true, &error), VEER_OK);
    io_posix_free(&io);
    test_directory_remove(directory);
}

static void test_lock_in_this_process(void **state)
{
    char directory[64];
    veer_io first;
    veer_io second;
    veer_error error;
    size_t descriptors = open_descriptors();
    (void)state;
    test_directory_make(directory);
    assert_int_equal(new_table(directory, false, &first, &error), VEER_OK);
    assert_int_equal(new_table(directory, false, &second, &error), VEER_OK);
    assert_int_equal(first.lock(first.context, true, &error), VEER_OK);
    assert_int_equal(second.lock(second.context, true, &error), VEER_E_BUSY);
    assert_non_null(strstr(error.message, "(this one)"));
    assert_int_equal(second.lock(second.context, false, &error), VEER_E_BUSY);
    /* Freeing the table ends its lock; opening and closing others does not. */
    veer_io third;
    assert_int_equal(new_table(directory, false, &third, &error), VEER_OK);
    assert_int_equal(third.lock(third.context, true, &error), VEER_E_BUSY);
    io_posix_free(&third);
    assert_int_equal(second.lock(second.context, true, &error), VEER_E_BUSY);
    io_posix_free(&first);
    assert_int_equal(second.lock(second.context, true, &error), VEER_OK);
    io_posix_free(&second);
    test_directory_remove(directory);
    assert_int_equal(open_descriptors(), descriptors);
}

/* Whatever the lock file holds, it is no obstacle, and no message passes control characters on. */
static void test_strange_lock_files(void **state)
{
    static const char *const contents[] = {
        "",
        "\n",
        "write",
        "write 1",
        "write 99999 2020-01-01T00:00:00.000Z",
        "\x1B[31mred 1 2 3",
        "write 1 2 \xFF\xFE",
        "read 1 2 3 4 5 6 7",
        "%s%n %s %s %s",
        ("write 12345678901234567890123456789012345678901234567890123456789012345678901234567890"
         "1234567890123456789012345678901234567890123456789012345678901234567890 x y")};
    char directory[64];
    char path[128];
    (void)state;
    test_directory_make(directory);
    in_directory(path, directory, "lock");
    for (size_t i = 0; i < TEST_COUNT(contents); i++) {
        veer_io first;
        veer_io second;
        veer_error error;
        put_file(directory, "lock", contents[i]);
        assert_int_equal(new_table(directory, false, &first, &error), VEER_OK);
        assert_int_equal(new_table(directory, false, &second, &error), VEER_OK);
        assert_int_equal(first.lock(first.context, true, &error), VEER_OK);
        put_file(directory, "lock", contents[i]);
        assert_int_equal(second.lock(second.context, true, &error), VEER_E_BUSY);
        for (const char *p = error.message; *p != 0; p++)
            assert_true(*p >= ' ' && *p <= '~');
        io_posix_free(&first);
        io_posix_free(&second);
    }
    /* A link in its place is not followed. */
    veer_io io;
    veer_error error;
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink("elsewhere", path), 0);
    assert_int_equal(new_table(directory, false, &io, &error), VEER_OK);
    assert_int_equal(io.lock(io.context, true, &error), VEER_E_IO);
    in_directory(path, directory, "elsewhere");
    assert_int_equal(access(path, F_OK), -1);
    io_posix_free(&io);
    test_directory_remove(directory);
}

/* ---- permissions */

static void use_without_permission(const char *directory, bool has_lock_file)
{
    veer_io io;
    veer_error error;
    void *file;
    char data[5] = "";
    if (geteuid() == 0) {
        CHILD_CHECK(setgid(65534) == 0);
        CHILD_CHECK(setuid(65534) == 0);
    }
    CHILD_CHECK(new_table(directory, true, &io, &error) == VEER_OK);
    CHILD_CHECK(io.lock(io.context, true, &error) == VEER_E_PERMISSION);
    CHILD_CHECK(io.lock(io.context, false, &error) == VEER_OK);
    CHILD_CHECK(io.open(io.context, "meta", VEER_IO_READ, &file, &error) == VEER_OK);
    CHILD_CHECK(io.read(io.context, file, 0, data, 4, &error) == VEER_OK);
    CHILD_CHECK(memcmp(data, "data", 4) == 0);
    const void *memory;
    CHILD_CHECK(io.map(io.context, file, 4, &memory, &error) == VEER_OK);
    io.unmap(io.context, file, memory, 4);
    io.close(io.context, file);
    CHILD_CHECK(io.open(io.context, "meta", VEER_IO_WRITE, &file, &error) == VEER_E_PERMISSION);
    CHILD_CHECK(strstr(error.message, "open meta: ") == error.message);
    CHILD_CHECK(io.open(io.context, "x", VEER_IO_CREATE, &file, &error) == VEER_E_PERMISSION);
    CHILD_CHECK(io.open(io.context, "hidden", VEER_IO_READ, &file, &error) == VEER_E_PERMISSION);
    CHILD_CHECK(io.remove(io.context, "meta", &error) == VEER_E_PERMISSION);
    /* Where there is a lock file, readers hold it. */
    veer_io other;
    CHILD_CHECK(new_table(directory, false, &other, &error) == VEER_OK);
    CHILD_CHECK(other.lock(other.context, false, &error) == VEER_OK);
    (void)has_lock_file;
    io_posix_free(&other);
    io_posix_free(&io);
    _exit(0);
}

static void test_readonly_directory(void **state)
{
    (void)state;
    for (int has_lock_file = 0; has_lock_file < 2; has_lock_file++) {
        char directory[64];
        char path[128];
        test_directory_make(directory);
        put_file(directory, "meta", "data");
        put_file(directory, "hidden", "data");
        in_directory(path, directory, "meta");
        assert_int_equal(chmod(path, 0444), 0);
        in_directory(path, directory, "hidden");
        assert_int_equal(chmod(path, 0), 0);
        if (has_lock_file) {
            put_file(directory, "lock", "");
            in_directory(path, directory, "lock");
            assert_int_equal(chmod(path, 0444), 0);
        }
        assert_int_equal(chmod(directory, 0555), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) use_without_permission(directory, has_lock_file != 0);
        expect_exit_0(child);
        if (has_lock_file) {
            /* A writer keeps those readers away. */
            veer_io io;
            veer_error error;
            assert_int_equal(new_table(directory, false, &io, &error), VEER_OK);
            if (geteuid() == 0) {
                assert_int_equal(io.lock(io.context, true, &error), VEER_OK);
                child = fork();
                assert_true(child >= 0);
                if (child == 0) {
                    veer_io reader;
                    CHILD_CHECK(setgid(65534) == 0 && setuid(65534) == 0);
                    CHILD_CHECK(new_table(directory, false, &reader, &error) == VEER_OK);
                    CHILD_CHECK(reader.lock(reader.context, false, &error) == VEER_E_BUSY);
                    _exit(0);
                }
                expect_exit_0(child);
            }
            io_posix_free(&io);
        }
        assert_int_equal(chmod(directory, 0755), 0);
        test_directory_remove(directory);
    }
}

static void test_unreadable_directory(void **state)
{
    char directory[64];
    (void)state;
    test_directory_make(directory);
    assert_int_equal(chmod(directory, 0), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        veer_io io;
        veer_error error;
        io_kind kind;
        char path[128];
        if (geteuid() == 0) CHILD_CHECK(setgid(65534) == 0 && setuid(65534) == 0);
        CHILD_CHECK(new_table(directory, true, &io, &error) == VEER_E_PERMISSION);
        CHILD_CHECK(strstr(error.message, directory) != NULL);
        in_directory(path, directory, "below");
        CHILD_CHECK(new_table(path, true, &io, &error) == VEER_E_PERMISSION);
        CHILD_CHECK(io_posix_kind(path, &kind, &error) == VEER_E_PERMISSION);
        _exit(0);
    }
    expect_exit_0(child);
    assert_int_equal(chmod(directory, 0755), 0);
    test_directory_remove(directory);
}

/* A limit on the size of files stands for a full disk: the write stops in the middle. */
static void test_short_writes(void **state)
{
    char directory[64];
    (void)state;
    test_directory_make(directory);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        static char data[100000];
        struct rlimit limit = {50000, 50000};
        veer_io io;
        veer_error error;
        void *file;
        uint64_t size;
        CHILD_CHECK(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
        CHILD_CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
        CHILD_CHECK(new_table(directory, false, &io, &error) == VEER_OK);
        CHILD_CHECK(io.open(io.context, "seg.3", VEER_IO_CREATE, &file, &error) == VEER_OK);
        CHILD_CHECK(io.write(io.context, file, 0, data, sizeof data, &error) == VEER_E_FULL);
        CHILD_CHECK(strcmp(error.message, "write seg.3: File too large") == 0);
        CHILD_CHECK(io.size(io.context, file, &size, &error) == VEER_OK && size == 50000);
        CHILD_CHECK(io.truncate(io.context, file, 60000, &error) == VEER_E_FULL);
        CHILD_CHECK(io.truncate(io.context, file, 10, &error) == VEER_OK);
        CHILD_CHECK(io.write(io.context, file, 10, data, 1000, &error) == VEER_OK);
        io.close(io.context, file);
        io_posix_free(&io);
        _exit(0);
    }
    expect_exit_0(child);
    test_directory_remove(directory);
}

static void on_alarm(int number)
{
    (void)number;
}

/* Signals without SA_RESTART all through big transfers change nothing. */
static void test_signals(void **state)
{
    char directory[64];
    veer_io io;
    veer_error error;
    void *file;
    struct sigaction action = {.sa_handler = on_alarm};
    struct sigaction former;
    struct itimerval timer = {{0, 500}, {0, 500}};
    struct itimerval none = {{0, 0}, {0, 0}};
    size_t bytes = (size_t)8 << 20;
    uint8_t *data = malloc(bytes);
    uint8_t *back = malloc(bytes);
    (void)state;
    assert_non_null(data);
    assert_non_null(back);
    for (size_t i = 0; i < bytes; i++)
        data[i] = (uint8_t)(i * 2654435761u >> 13);
    test_directory_make(directory);
    assert_int_equal(sigaction(SIGALRM, &action, &former), 0);
    assert_int_equal(setitimer(ITIMER_REAL, &timer, NULL), 0);
    assert_int_equal(new_table(directory, false, &io, &error), VEER_OK);
    for (int round = 0; round < 3; round++) {
        assert_int_equal(io.lock(io.context, true, &error), VEER_OK);
        assert_int_equal(io.open(io.context, "big", VEER_IO_CREATE, &file, &error), VEER_OK);
        assert_int_equal(io.write(io.context, file, 0, data, bytes, &error), VEER_OK);
        assert_int_equal(io.sync(io.context, file, &error), VEER_OK);
        assert_int_equal(io.sync_names(io.context, &error), VEER_OK);
        memset(back, 0, bytes);
        assert_int_equal(io.read(io.context, file, 0, back, bytes, &error), VEER_OK);
        assert_memory_equal(back, data, bytes);
        io.close(io.context, file);
        assert_int_equal(io.remove(io.context, "big", &error), VEER_OK);
        io.unlock(io.context);
    }
    assert_int_equal(setitimer(ITIMER_REAL, &none, NULL), 0);
    assert_int_equal(sigaction(SIGALRM, &former, NULL), 0);
    io_posix_free(&io);
    test_directory_remove(directory);
    free(data);
    free(back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_opening),
        cmocka_unit_test(test_foreign_files),
        cmocka_unit_test(test_moved_directory),
        cmocka_unit_test(test_packed_files),
        cmocka_unit_test(test_lock_of_another_process),
        cmocka_unit_test(test_lock_in_this_process),
        cmocka_unit_test(test_strange_lock_files),
        cmocka_unit_test(test_readonly_directory),
        cmocka_unit_test(test_unreadable_directory),
        cmocka_unit_test(test_short_writes),
        cmocka_unit_test(test_signals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
