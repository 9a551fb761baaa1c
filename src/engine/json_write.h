/* Writing JSON: elements go to the end of a byte_writer one after the other, and every function
 * puts the comma that is needed before its element (a value never ends in an opening bracket, so
 * the last byte tells). `key` is NULL inside arrays, else a text of ours that needs no escaping.
 * Failure is the writer's: write all, then look at `failed` once. Numbers do not depend on the
 * process's locale. */
#ifndef VEER_ENGINE_JSON_WRITE_H
#define VEER_ENGINE_JSON_WRITE_H

#include "base/bytes.h"

struct yyjson_val;

void json_open(byte_writer *to, const char *key, char bracket); /* '{' or '[' */
void json_close(byte_writer *to, char bracket);                 /* '}' or ']' */
/* Escapes what JSON asks for; bytes that are not UTF-8 become '?'. */
void json_text(byte_writer *to, const char *key, const char *text, size_t bytes);
void json_string(byte_writer *to, const char *key, const char *text); /* NULL: null */
void json_unsigned(byte_writer *to, const char *key, uint64_t value);
void json_signed(byte_writer *to, const char *key, int64_t value);
void json_real(byte_writer *to, const char *key, double value); /* not finite: null */
/* The fewest digits that read back to the same bits, the sign of zero included. */
void json_float(byte_writer *to, const char *key, float value);
void json_bool(byte_writer *to, const char *key, bool value);
/* `bytes` of JSON as they are. */
void json_raw(byte_writer *to, const char *key, const void *json, size_t bytes);
/* A value of a parsed document, without spaces; its depth takes memory, not stack. */
void json_value(byte_writer *to, struct yyjson_val *value);
/* The key, its colon and the comma before; a value has to follow. */
void json_key_text(byte_writer *to, const char *key, size_t bytes);

/* Copies the text into a buffer of the caller's, which ends in 0. */
veer_status json_take(const byte_writer *from, const veer_allocator *allocator, veer_buffer *buffer,
                      const char *what, veer_error *error);

#endif
