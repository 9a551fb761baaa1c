/* The manifest: the engine's payload in the catalogue. Collections with their schemas; their sealed segments with
 * streams, LSNs and dead rows; the next free numbers. docs/FORMAT.md, "Engine", is normative. */
#ifndef VEER_ENGINE_MANIFEST_H
#define VEER_ENGINE_MANIFEST_H

#include "engine/engine.h"

/* `version`'s sealed segments (active ones are the log's), and the streams to attach, in the arena. */
veer_status manifest_write(const version *version, uint32_t next_collection_id,
                           uint64_t next_segment_number, arena *arena, byte_writer *out,
                           store_stream **streams, size_t *streams_count, veer_error *error);
/* Fills the database's collections, numbers and present version from the payload (empty: a new database), opening
 * every segment by its header. */
veer_status manifest_read(veer_database *database, const void *payload, size_t bytes,
                          veer_error *error);

#endif
