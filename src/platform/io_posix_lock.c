/* One writer or several readers of a directory, over all processes.
 *
 * The lock is flock() on the file "lock" in the directory, taken without waiting. It belongs to the
 * open file: it ends with the process, however that ends, and it excludes a second opening in the
 * same process as well. What a dead process has left in the file says nothing and stands in
 * nobody's way.
 *
 * The holder writes one line into the file, for the message that others get:
 *
 *     write 1234 2026-11-21T05:51:39.000Z hostname\n
 *
 * padded with spaces to 128 bytes and written at once, so that a reader sees one line or the other.
 * The line is for people: it is written after the lock is taken, so for a moment another process
 * may read the former holder's, and of several readers it names the last to come. Failing to write
 * it (a full disk, a directory that may only be read) is no failure of the lock.
 *
 * Nobody removes the file. If somebody does while the lock is held, the next process would lock a
 * new file of that name; so whoever has taken the lock looks whether the name still means the file
 * that it locked, and tries again if not. (That finds a race with a removal, not a removal long
 * ago: do not delete "lock" of an open database.)
 *
 * Node has no flock: locks that JavaScript holds are files of another kind (io_posix_claims.c), which
 * are looked at after ours is taken.
 *
 * Reading a directory in which no file may be made and where there is no lock file goes on without
 * a lock: no writer can be there either.
 */
#define _DEFAULT_SOURCE
#define _POSIX_C_SOURCE 200809L

#include "platform/io_posix_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/timestamp.h"
#include "platform/clock.h"
#include "platform/io_posix_claims.h"
#include "platform/io_posix_error.h"

#define LINE_BYTES 128
#define HOST_BYTES 64
#define TRIES 8 /* arbitrary: removals of the lock file in a row */

void posix_lock_init(posix_lock *lock)
{
    lock->fd = -1;
    lock->holders = 0;
    lock->exclusive = false;
}

/* This machine's name in printable ASCII without spaces. */
static void host_name(char name[HOST_BYTES])
{
    memset(name, 0, HOST_BYTES);
    if (gethostname(name, HOST_BYTES - 1) != 0) name[0] = 0;
    for (size_t i = 0; i < HOST_BYTES && name[i] != 0; i++) {
        if (name[i] <= ' ' || name[i] > '~') name[i] = '?';
    }
    if (name[0] == 0) memcpy(name, "?", 2);
}

static void write_line(int fd, bool exclusive)
{
    char line[LINE_BYTES + 1];
    char host[HOST_BYTES];
    char since[40];
    host_name(host);
    (void)timestamp_format(clock_wall_ms(), since);
    int length = snprintf(line, sizeof line, "%s %ld %s %s", exclusive ? "write" : "read",
                          (long)getpid(), since, host);
    if (length < 0 || length >= LINE_BYTES) return;
    memset(line + length, ' ', sizeof line - (size_t)length);
    line[LINE_BYTES - 1] = '\n';
    ssize_t ignored = pwrite(fd, line, LINE_BYTES, 0);
    (void)ignored;
}

static void clear_line(int fd)
{
    int ignored = ftruncate(fd, 0);
    (void)ignored;
}

/* Cuts the next word off *at; NULL where there is none. */
static const char *next_word(char **at)
{
    char *begin = *at;
    while (*begin == ' ')
        begin++;
    if (*begin == 0) return NULL;
    char *end = begin;
    while (*end != 0 && *end != ' ')
        end++;
    if (*end != 0) *end++ = 0;
    *at = end;
    return begin;
}

/* What the holder's line says. The file's bytes are not trusted: whatever is not printable ASCII
 * ends the line. */
static veer_status busy(int fd, veer_error *error)
{
    char line[LINE_BYTES + 1];
    ssize_t got = pread(fd, line, LINE_BYTES, 0);
    size_t length = 0;
    while (got > 0 && length < (size_t)got && line[length] >= ' ' && line[length] <= '~')
        length++;
    line[length] = 0;

    char *at = line;
    const char *mode = next_word(&at);
    const char *process = next_word(&at);
    const char *since = next_word(&at);
    const char *host = next_word(&at);
    if (host == NULL) {
        return error_set(error, VEER_E_BUSY, "already open by another process");
    }
    char own_host[HOST_BYTES];
    char own_process[24];
    host_name(own_host);
    (void)snprintf(own_process, sizeof own_process, "%ld", (long)getpid());
    bool is_own = strcmp(host, own_host) == 0 && strcmp(process, own_process) == 0;
    return error_set(error, VEER_E_BUSY, "already open for %s by process %s%s on %s since %s",
                     strcmp(mode, "read") == 0 ? "reading" : "writing", process,
                     is_own ? " (this one)" : "", host, since);
}

/* Opens the lock file; *fd is -1 where a reader may do without. */
static veer_status open_lock_file(int directory, bool exclusive, int *fd, veer_error *error)
{
    *fd = posix_openat(directory, POSIX_LOCK_NAME, O_RDWR | O_CREAT | O_NOFOLLOW, 0666);
    if (*fd >= 0) return VEER_OK;
    bool forbidden = errno == EACCES || errno == EPERM || errno == EROFS;
    if (exclusive || !forbidden) return posix_failed(error, "lock", POSIX_LOCK_NAME, errno);
    *fd = posix_openat(directory, POSIX_LOCK_NAME, O_RDONLY | O_NOFOLLOW, 0);
    if (*fd >= 0 || errno == ENOENT) return VEER_OK;
    return posix_failed(error, "lock", POSIX_LOCK_NAME, errno);
}

/* True where the name still means the open file. */
static bool is_still_named(int directory, int fd)
{
    struct stat named;
    struct stat opened;
    return fstatat(directory, POSIX_LOCK_NAME, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           fstat(fd, &opened) == 0 && named.st_dev == opened.st_dev &&
           named.st_ino == opened.st_ino;
}

static int flock_now(int fd, bool exclusive)
{
    int result;
    do {
        result = flock(fd, (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB);
    } while (result != 0 && errno == EINTR);
    return result;
}

veer_status posix_lock_take(posix_lock *lock, int directory, bool exclusive, veer_error *error)
{
    if (lock->holders > 0) {
        if (exclusive || lock->exclusive) {
            return error_set(error, VEER_E_BUSY, "already open for %s by this process",
                             lock->exclusive ? "writing" : "reading");
        }
        lock->holders++;
        return VEER_OK;
    }
    for (int i = 0; i < TRIES; i++) {
        int fd;
        VEER_TRY(open_lock_file(directory, exclusive, &fd, error));
        if (fd >= 0 && flock_now(fd, exclusive) != 0) {
            veer_status status = errno == EWOULDBLOCK
                                     ? busy(fd, error)
                                     : posix_failed(error, "lock", POSIX_LOCK_NAME, errno);
            (void)close(fd);
            return status;
        }
        if (fd >= 0 && !is_still_named(directory, fd)) {
            (void)close(fd);
            continue;
        }
        veer_status status = posix_claims_check(directory, exclusive, error);
        if (status != VEER_OK) {
            if (fd >= 0) (void)close(fd);
            return status;
        }
        if (fd >= 0) write_line(fd, exclusive);
        lock->fd = fd;
        lock->holders = 1;
        lock->exclusive = exclusive;
        return VEER_OK;
    }
    return error_set(error, VEER_E_BUSY, "lock %s: somebody keeps removing the file",
                     POSIX_LOCK_NAME);
}

void posix_lock_release(posix_lock *lock)
{
    if (lock->holders == 0 || --lock->holders > 0) return;
    if (lock->fd >= 0) {
        if (lock->exclusive) clear_line(lock->fd);
        (void)close(lock->fd);
    }
    posix_lock_init(lock);
}
