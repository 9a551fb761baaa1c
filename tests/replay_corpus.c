/* Runs a fuzz target over files: every file of the folders and every file named as arguments.
 *
 * Linked with each target in the flavours without libFuzzer, so that what the fuzzer once found is
 * tried again by every test run and by every compiler.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Runs one file; returns 1, or 0 where it cannot be read. */
static int run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) return 0;
    struct stat info;
    int ok = fstat(fileno(file), &info) == 0;
    size_t size = ok ? (size_t)info.st_size : 0;
    uint8_t *data = malloc(size > 0 ? size : 1);
    ok = ok && data != NULL && fread(data, 1, size, file) == size;
    fclose(file);
    if (ok) LLVMFuzzerTestOneInput(data, size);
    free(data);
    return ok;
}

/* Runs every file of a folder; returns how many, or -1 where one cannot be read. */
static int run_folder(const char *folder)
{
    DIR *dir = opendir(folder);
    if (dir == NULL) return -1;
    int count = 0;
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        if (entry->d_name[0] == '.') continue;
        char *path = NULL;
        if (asprintf(&path, "%s/%s", folder, entry->d_name) < 0 || !run_file(path)) {
            fprintf(stderr, "cannot read %s/%s\n", folder, entry->d_name);
            free(path);
            closedir(dir);
            return -1;
        }
        free(path);
        count++;
    }
    closedir(dir);
    return count;
}

int main(int argc, char **argv)
{
    int total = 0;
    for (int i = 1; i < argc; i++) {
        struct stat info;
        int is_folder = stat(argv[i], &info) == 0 && S_ISDIR(info.st_mode);
        int count = is_folder ? run_folder(argv[i]) : run_file(argv[i]);
        if (count <= 0) {
            fprintf(stderr, "%s: nothing to run\n", argv[i]);
            return 1;
        }
        total += count;
    }
    printf("%d inputs\n", total);
    return total > 0 ? 0 : 1;
}
