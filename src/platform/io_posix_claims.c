/* Locks of a directory that JavaScript holds.
 *
 * Node has no flock(). There every holder makes an empty file whose name says everything
 * (js/storage/node_lock.ts):
 *
 *     .lock.write.<pid>.<thread>.<start of the process>.<host>.<random>
 *
 * and looks for ours in /proc/locks afterwards; whoever holds flock() looks for these files. Each
 * takes its own first, so that of two who come together at least one sees the other.
 *
 * A holder is gone when it is a process of this host that does not exist, or that began at another
 * time (Linux; in ticks since the system's start). Of another host nothing is known but that it
 * touches its file every ten seconds: it is gone when it has not for two minutes. Files of holders
 * that are gone stay; JavaScript removes them.
 *
 * Threads: any. Nothing is kept between calls.
 */
#define _DEFAULT_SOURCE
#define _POSIX_C_SOURCE 200809L

#include "platform/io_posix_claims.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "platform/io_posix_error.h"

#define HOST_BYTES 64
#define START_BYTES 24
#define SILENT_SECONDS 120

typedef struct claim {
    bool exclusive;
    long process;
    char start[START_BYTES]; /* empty: not known */
    char host[HOST_BYTES];
} claim;

/* Copies what comes before the next '.' and steps behind it; false where it does not fit. */
static bool take_part(const char **at, char *part, size_t capacity)
{
    const char *end = strchr(*at, '.');
    if (end == NULL || (size_t)(end - *at) >= capacity) return false;
    memcpy(part, *at, (size_t)(end - *at));
    part[end - *at] = 0;
    *at = end + 1;
    return true;
}

static bool parse(const char *name, claim *out)
{
    char kind[8], process[24], thread[24];
    if (strncmp(name, ".lock.", 6) != 0) return false;
    name += 6;
    if (!take_part(&name, kind, sizeof kind) || !take_part(&name, process, sizeof process) ||
        !take_part(&name, thread, sizeof thread) ||
        !take_part(&name, out->start, sizeof out->start) ||
        !take_part(&name, out->host, sizeof out->host)) {
        return false;
    }
    char *end = NULL;
    errno = 0;
    out->process = strtol(process, &end, 10);
    out->exclusive = strcmp(kind, "write") == 0;
    return errno == 0 && *end == 0 && out->process > 0 &&
           (out->exclusive || strcmp(kind, "read") == 0);
}

/* This machine's name, spelled as in the files. */
static void host_name(char name[HOST_BYTES])
{
    memset(name, 0, HOST_BYTES);
    if (gethostname(name, HOST_BYTES - 1) != 0) name[0] = 0;
    name[60] = 0; /* as long as JavaScript spells it */
    for (char *c = name; *c != 0; c++) {
        bool is_plain = (*c >= 'A' && *c <= 'Z') || (*c >= 'a' && *c <= 'z') ||
                        (*c >= '0' && *c <= '9') || *c == '-';
        if (!is_plain) *c = '_';
    }
    if (name[0] == 0) memcpy(name, "unknown", 8);
}

/* When a process began, as Linux tells it; empty where nobody says. */
static void process_start(long process, char start[START_BYTES])
{
    char path[40], stat[1024];
    start[0] = 0;
    (void)snprintf(path, sizeof path, "/proc/%ld/stat", process);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return;
    ssize_t got = read(fd, stat, sizeof stat - 1);
    (void)close(fd);
    if (got <= 0) return;
    stat[got] = 0;
    /* The second field is a name in parentheses that may hold anything; the start is the 22nd. */
    const char *at = strrchr(stat, ')');
    for (int field = 2; at != NULL && field < 22; field++)
        at = strchr(at + 1, ' ');
    if (at == NULL) return;
    size_t length = strspn(at + 1, "0123456789");
    if (length == 0 || length >= START_BYTES) return;
    memcpy(start, at + 1, length);
    start[length] = 0;
}

static bool is_alive(int directory, const char *name, const claim *holder)
{
    char host[HOST_BYTES], start[START_BYTES];
    host_name(host);
    if (strcmp(host, holder->host) == 0) {
        if (kill((pid_t)holder->process, 0) != 0 && errno == ESRCH) return false;
        process_start(holder->process, start);
        return start[0] == 0 || holder->start[0] == 0 || strcmp(start, holder->start) == 0;
    }
    struct stat file;
    if (fstatat(directory, name, &file, AT_SYMLINK_NOFOLLOW) != 0) return false;
    return time(NULL) - file.st_mtime < SILENT_SECONDS;
}

veer_status posix_claims_check(int directory, bool exclusive, veer_error *error)
{
    int fd = posix_openat(directory, ".", O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0) return posix_failed(error, "list", ".", errno);
    DIR *entries = fdopendir(fd);
    if (entries == NULL) {
        int cause = errno;
        (void)close(fd);
        return posix_failed(error, "list", ".", cause);
    }
    veer_status status = VEER_OK;
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(entries);
        if (entry == NULL) {
            if (errno != 0) status = posix_failed(error, "list", ".", errno);
            break;
        }
        claim holder;
        if (!parse(entry->d_name, &holder) || (!exclusive && !holder.exclusive)) continue;
        if (!is_alive(directory, entry->d_name, &holder)) continue;
        status = error_set(
            error, VEER_E_BUSY, "already open for %s by process %ld on %s; its lock is the file %s",
            holder.exclusive ? "writing" : "reading", holder.process, holder.host, entry->d_name);
        break;
    }
    (void)closedir(entries);
    return status;
}
