/* What writers of sections need of the segment writer beyond storage/segment.h. */
#ifndef VEER_STORAGE_SEGMENT_WRITE_H
#define VEER_STORAGE_SEGMENT_WRITE_H

#include "storage/segment.h"

const veer_allocator *segment_writer_allocator(const segment_writer *writer);

#endif
