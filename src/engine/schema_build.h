/* What schema.c and schema_parse.c share: a schema while it is made. */
#ifndef VEER_ENGINE_SCHEMA_BUILD_H
#define VEER_ENGINE_SCHEMA_BUILD_H

#include "engine/engine.h"

/* An empty schema with room for fields. NULL: no memory. Release with schema_release. */
schema *schema_new(const veer_allocator *allocator, size_t fields_max);
/* Derives columns, vector slots and filter fields once the fields are there, by ascending id. */
void schema_finish(schema *made);
column_type field_column(field_type type);
#define METRICS (VEER_METRIC_JACCARD + 1u)
extern const char *const metric_names[METRICS];
const char *metric_name(veer_metric metric);
extern const char *const storage_names[FLAT_STORAGES];

#endif
