/* Backups that wait for storage; see backup.c. */
#ifndef VEER_ENGINE_BACKUP_H
#define VEER_ENGINE_BACKUP_H

#include "engine/engine.h"

/* Ends backups that were never called again and removes their unfinished files: before closing. */
void backup_abandon(veer_database *database);

#endif
