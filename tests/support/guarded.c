/* Memory that ends at an inaccessible page. */
#define _GNU_SOURCE
#include "support/testing.h"

#include <sys/mman.h>
#include <unistd.h>

#include "support/guarded.h"

guarded guarded_new(size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    guarded g = {.room = (bytes + page - 1) / page * page};
    g.bytes = g.room + page;
    g.map = mmap(NULL, g.bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(g.map, MAP_FAILED);
    assert_int_equal(mprotect(g.map + g.room, page, PROT_NONE), 0);
    return g;
}

void guarded_free(guarded *g)
{
    munmap(g->map, g->bytes);
}

void *guarded_end(const guarded *g, size_t bytes)
{
    return g->map + g->room - bytes;
}
