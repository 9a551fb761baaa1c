/* The streams of a database as bytes, and making their checksums right again: tests that damage
 * a database would otherwise only test the checksums. */
#ifndef VEER_TESTS_SUPPORT_STORAGE_REPAIR_H
#define VEER_TESTS_SUPPORT_STORAGE_REPAIR_H

#include <stddef.h>
#include <stdint.h>

#define IMAGE_STREAMS_MAX 32

typedef struct image_stream {
    char name[65];
    uint8_t *data;
    size_t bytes;
} image_stream;

typedef struct image {
    image_stream streams[IMAGE_STREAMS_MAX];
    size_t count;
} image;

image_stream *image_find(image *image, const char *name);
/* Every checksum, as far as the structure can be followed. */
void image_repair(image *image);
/* Those in the engine's part of the catalogue too: a stream's length of name, name, bytes and header
 * crc lie one after the other there. */
void image_repair_database(image *image);
/* Those of one segment file, or of a packed file's header, table and streams' heads. */
void image_repair_segment(image_stream *stream);
void image_repair_packed(image_stream *stream);

#endif
