/* cli_threads.h: threads for work that the library shares (veer.h, veer_pool). */
#ifndef VEER_CLI_THREADS_H
#define VEER_CLI_THREADS_H

#include "veer.h"

typedef struct cli_threads cli_threads;

/* 1 to VEER_THREADS_MAX threads, the calling one included; NULL: the system has no more. */
cli_threads *cli_threads_new(size_t threads);
void cli_threads_free(cli_threads *threads);
/* Valid as long as they are. */
const veer_pool *cli_threads_pool(const cli_threads *threads);

#endif
