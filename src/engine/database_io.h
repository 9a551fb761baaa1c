/* The I/O table of a location: what opening and checking begin with. */
#ifndef VEER_ENGINE_DATABASE_IO_H
#define VEER_ENGINE_DATABASE_IO_H

#include "engine/engine.h"

/* Fills database->io by location or from `io`; needs allocator and options.create. Nothing is
 * locked yet. Close with database_close_io, also after a failure. */
veer_status database_open_io(veer_database *database, const char *location, const veer_io *io,
                             veer_error *error);
/* Unlocks what is locked and frees the table. */
void database_close_io(veer_database *database);

#endif
