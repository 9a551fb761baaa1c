/* Background work: sealing what the log covers, merging segments, removing streams.
 *
 * One job at a time. A job builds new segment files in slices (seal.h) from the segments of one version, while readers and
 * writers go on, and then commits under the writer lock: dead rows that came meanwhile are carried over, the
 * new segments take the places of the old ones in the present version, and a new generation is made durable.
 *
 *   checkpoint  begins under the writer lock: the log switches files, active segments freeze (small ones are
 *               logged again instead); ends with a generation that covers the old log file
 *   merge       neighbours of similar size become one segment; a segment with many dead rows becomes one without
 *   repair      derived streams that were lost are written anew
 */
#ifndef VEER_ENGINE_WORK_H
#define VEER_ENGINE_WORK_H

#include "engine/engine.h"

/* Before a write, without locks: when the log is full and its checkpoint not done, does it now. */
veer_status work_make_room(veer_database *database, veer_error *error);
/* After a write, under the writer lock: begins a checkpoint when the log asks for one. What goes wrong here does not
 * fail the write; it is tried again by the next one. */
void work_after_write(veer_database *database);
/* After recovery: when a checkpoint was under way, what both log files hold is in the active
 * segments now; they freeze, so that ending it seals them. */
void work_resume_checkpoint(veer_database *database);
/* Marks a sealed segment: its streams are removed when nobody reads it any more and the store is at
 * generation `from`, which attaches them no longer. */
void work_detach(segment_core *core, uint64_t from);
/* Frees an unfinished job and removes its streams. */
void work_abandon(veer_database *database);
/* True while something is left to do. */
bool work_is_left(veer_database *database);
/* What the next slice does, in a word: for measurements. Not while another thread works. */
const char *work_step_name(const veer_database *database);

#endif
