/* read_npy.c: numpy's .npy files, versions 1 to 3 of its format.
 *
 *     "\x93NUMPY" major minor | length: u16 (version 1) or u32 | header text | values
 *     {'descr': '<f4', 'fortran_order': False, 'shape': (60000, 128), }
 *
 * Read are two-dimensional arrays in C order of little-endian float16, float32, float64, or of
 * int8 and uint8, which become float32. The header is a Python literal; the reader takes exactly
 * the three keys that numpy writes, in any order, and refuses everything else: a header is data
 * here, never evaluated. The values must be as many as the shape says: fewer or more is an error.
 * A float64 beyond float32 becomes an infinity, which the engine refuses by row.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "readers.h"

enum { NPY_HEADER_BYTES_MAX = 64 << 10 }; /* numpy writes 128 bytes; arbitrary otherwise */

typedef struct npy_header {
    npy_type type;
    bool has_type;
    bool has_order;
    bool has_shape;
    uint64_t rows;
    uint64_t dims;
} npy_header;

static veer_status bad_header(const vector_reader *reader, const char *what, veer_error *error)
{
    return cli_error(error, VEER_E_INVALID, "%s: npy header: %s", reader->source.name, what);
}

static const char *blanks(const char *at)
{
    while (*at == ' ' || *at == '\n' || *at == '\t') {
        at++;
    }
    return at;
}

/* A text in quotes; NULL where there is none or it is too long for `out`. */
static const char *quoted(const char *at, char *out, size_t capacity)
{
    char quote = *at;
    if (quote != '\'' && quote != '"') {
        return NULL;
    }
    const char *end = strchr(at + 1, quote);
    if (end == NULL || (size_t)(end - at) > capacity) {
        return NULL;
    }
    memcpy(out, at + 1, (size_t)(end - at - 1));
    out[end - at - 1] = '\0';
    return end + 1;
}

static const char *natural(const char *at, uint64_t *value)
{
    *value = 0;
    if (*at < '0' || *at > '9') {
        return NULL;
    }
    while (*at >= '0' && *at <= '9') {
        uint64_t digit = (uint64_t)(*at - '0');
        if (*value > (UINT64_MAX - digit) / 10) {
            return NULL;
        }
        *value = *value * 10 + digit;
        at++;
    }
    return at;
}

static bool parse_type(const char *descr, npy_type *type, size_t *bytes)
{
    static const struct {
        const char *descr;
        npy_type type;
        size_t bytes;
    } types[] = {
        {"<f4", NPY_F4, 4}, {"<f8", NPY_F8, 8}, {"<f2", NPY_F2, 2},
        {"|u1", NPY_U1, 1}, {"|i1", NPY_I1, 1},
    };
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (strcmp(types[i].descr, descr) == 0) {
            *type = types[i].type;
            *bytes = types[i].bytes;
            return true;
        }
    }
    return false;
}

/* "(rows, dims)" or "(rows, dims,)". */
static const char *parse_shape(const vector_reader *reader, const char *at, npy_header *header,
                               veer_error *error)
{
    const char *start = at;
    at = *at == '(' ? natural(blanks(at + 1), &header->rows) : NULL;
    at = at != NULL && *blanks(at) == ',' ? natural(blanks(blanks(at) + 1), &header->dims) : NULL;
    at = at != NULL ? blanks(at) : NULL;
    at = at != NULL && *at == ',' ? blanks(at + 1) : at;
    if (at == NULL || *at != ')') {
        (void)cli_error(error, VEER_E_INVALID,
                        "%s: npy header: shape %.40s: expected two dimensions, (rows, dims)",
                        reader->source.name, start);
        return NULL;
    }
    return at + 1;
}

/* One "key: value" of the header. */
static const char *parse_entry(vector_reader *reader, const char *at, npy_header *header,
                               veer_error *error)
{
    char key[32];
    char descr[16];
    at = quoted(at, key, sizeof key);
    at = at != NULL ? blanks(at) : NULL;
    if (at == NULL || *at != ':') {
        (void)bad_header(reader, "expected 'key': value", error);
        return NULL;
    }
    at = blanks(at + 1);
    if (strcmp(key, "descr") == 0 && !header->has_type) {
        header->has_type = true;
        const char *start = at;
        at = quoted(at, descr, sizeof descr);
        size_t bytes = 0;
        if (at == NULL || !parse_type(descr, &header->type, &bytes)) {
            (void)cli_error(error, VEER_E_INVALID,
                            "%s: npy header: values of type %.16s; expected <f4, <f8, <f2, |u1 or "
                            "|i1 (in numpy: array.astype('<f4'))",
                            reader->source.name, at != NULL ? descr : start);
            return NULL;
        }
        reader->row_bytes = bytes;
        return at;
    }
    if (strcmp(key, "fortran_order") == 0 && !header->has_order) {
        header->has_order = true;
        if (strncmp(at, "False", 5) == 0) {
            return at + 5;
        }
        (void)bad_header(reader,
                         "the array is in Fortran order; expected C order "
                         "(in numpy: numpy.ascontiguousarray(array))",
                         error);
        return NULL;
    }
    if (strcmp(key, "shape") == 0 && !header->has_shape) {
        header->has_shape = true;
        return parse_shape(reader, at, header, error);
    }
    (void)cli_error(error, VEER_E_INVALID, "%s: npy header: unexpected key '%s'",
                    reader->source.name, key);
    return NULL;
}

static veer_status parse_header(vector_reader *reader, const char *text, veer_error *error)
{
    npy_header header = {0};
    const char *at = blanks(text);
    if (*at != '{') {
        return bad_header(reader, "expected {", error);
    }
    at = blanks(at + 1);
    while (*at != '}') {
        at = parse_entry(reader, at, &header, error);
        if (at == NULL) {
            return error->status;
        }
        at = blanks(at);
        if (*at == ',') {
            at = blanks(at + 1);
        } else if (*at != '}') {
            return bad_header(reader, "expected , or }", error);
        }
    }
    if (*blanks(at + 1) != '\0') {
        return bad_header(reader, "text after }", error);
    }
    if (!header.has_type || !header.has_order || !header.has_shape) {
        return bad_header(reader, "descr, fortran_order or shape is missing", error);
    }
    if (header.dims < 1 || header.dims > VEER_DIMS_MAX) {
        return cli_error(error, VEER_E_INVALID,
                         "%s: npy header: shape (%llu, %llu): expected 1 to %u dimensions",
                         reader->source.name, (unsigned long long)header.rows,
                         (unsigned long long)header.dims, VEER_DIMS_MAX);
    }
    reader->type = header.type;
    reader->dims = (uint32_t)header.dims;
    reader->row_bytes *= (size_t)header.dims;
    if (header.rows > UINT64_MAX / reader->row_bytes) {
        return cli_error(
            error, VEER_E_INVALID, "%s: npy header: shape (%llu, %llu) is larger than any file",
            reader->source.name, (unsigned long long)header.rows, (unsigned long long)header.dims);
    }
    reader->rows_known = header.rows;
    return VEER_OK;
}

veer_status npy_begin(vector_reader *reader, veer_error *error)
{
    static const uint8_t magic[6] = {0x93, 'N', 'U', 'M', 'P', 'Y'};
    uint8_t start[8] = {0};
    uint8_t length[4] = {0};
    size_t got = 0;
    veer_status status = source_read(&reader->source, start, sizeof start, &got, error);
    if (status != VEER_OK) {
        return status;
    }
    if (got < sizeof start || memcmp(start, magic, sizeof magic) != 0) {
        return cli_error(error, VEER_E_INVALID, "%s is not an npy file", reader->source.name);
    }
    if (start[6] < 1 || start[6] > 3 || start[7] != 0) {
        return cli_error(error, VEER_E_INVALID, "%s: npy version %u.%u; expected 1.0, 2.0 or 3.0",
                         reader->source.name, start[6], start[7]);
    }
    size_t length_bytes = start[6] == 1 ? 2 : 4;
    status = source_read(&reader->source, length, length_bytes, &got, error);
    if (status != VEER_OK) {
        return status;
    }
    size_t bytes = (size_t)length[0] | (size_t)length[1] << 8 | (size_t)length[2] << 16 |
                   (size_t)length[3] << 24;
    if (got < length_bytes || bytes > NPY_HEADER_BYTES_MAX) {
        return cli_error(error, VEER_E_INVALID, "%s: npy header of %zu bytes, expected at most %d",
                         reader->source.name, bytes, NPY_HEADER_BYTES_MAX);
    }
    char *text = malloc(bytes + 1);
    if (text == NULL) {
        return cli_error(error, VEER_E_NOMEM, "out of memory for the header of %s",
                         reader->source.name);
    }
    status = source_read(&reader->source, text, bytes, &got, error);
    text[got] = '\0';
    if (status == VEER_OK && got < bytes) {
        status = cli_error(error, VEER_E_INVALID,
                           "%s: npy header: the file ends after %zu of its %zu bytes",
                           reader->source.name, got, bytes);
    } else if (status == VEER_OK && strlen(text) != bytes) {
        status = bad_header(reader, "a zero byte", error);
    } else if (status == VEER_OK) {
        status = parse_header(reader, text, error);
    }
    free(text);
    return status;
}

/* IEEE 754 binary16 to binary32; every value has an exact one. */
static float half_to_float(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000) << 16;
    uint32_t exponent = half >> 10 & 0x1F;
    uint32_t fraction = half & 0x3FF;
    if (exponent == 0) {
        float value = ldexpf((float)fraction, -24);
        return sign != 0 ? -value : value;
    }
    uint32_t bits = sign | (exponent == 31 ? 0xFFu : exponent + 112) << 23 | fraction << 13;
    float value = 0;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static float load_double(const uint8_t *bytes)
{
    uint64_t bits = 0;
    for (int i = 7; i >= 0; i--) {
        bits = bits << 8 | bytes[i];
    }
    double value = 0;
    memcpy(&value, &bits, sizeof value);
    return (float)value;
}

static void convert(const vector_reader *reader, size_t count)
{
    const uint8_t *from = reader->buffer;
    float *to = reader->floats;
    switch (reader->type) {
    case NPY_F2:
        for (size_t i = 0; i < count; i++) {
            to[i] = half_to_float((uint16_t)(from[2 * i] | from[2 * i + 1] << 8));
        }
        break;
    case NPY_F8:
        for (size_t i = 0; i < count; i++) {
            to[i] = load_double(from + 8 * i);
        }
        break;
    case NPY_U1:
        for (size_t i = 0; i < count; i++) {
            to[i] = (float)from[i];
        }
        break;
    case NPY_I1:
        for (size_t i = 0; i < count; i++) {
            to[i] = (float)(int8_t)from[i];
        }
        break;
    case NPY_F4:
        break;
    }
}

/* At the end of the array: one byte more in the file is one too many. */
static veer_status check_end(vector_reader *reader, veer_error *error)
{
    uint8_t byte = 0;
    size_t got = 0;
    veer_status status = source_read(&reader->source, &byte, 1, &got, error);
    if (status == VEER_OK && got != 0) {
        return cli_error(error, VEER_E_INVALID,
                         "%s: at byte %llu: more bytes than the %llu rows of the header",
                         reader->source.name, (unsigned long long)(reader->source.offset - 1),
                         (unsigned long long)reader->rows_known);
    }
    return status;
}

veer_status npy_next(vector_reader *reader, size_t rows, vector_block *block, veer_error *error)
{
    uint64_t left = reader->rows_known - reader->row;
    if (left == 0) {
        return check_end(reader, error);
    }
    rows = left < rows ? (size_t)left : rows;
    uint64_t offset = reader->source.offset;
    size_t got = 0;
    veer_status status =
        source_read(&reader->source, reader->buffer, rows * reader->row_bytes, &got, error);
    if (status != VEER_OK) {
        return status;
    }
    if (got < rows * reader->row_bytes) {
        size_t whole = got / reader->row_bytes;
        return cli_error(error, VEER_E_INVALID,
                         "%s: row %llu at byte %llu: the file ends after %zu of the row's %zu "
                         "bytes; the header promises %llu rows",
                         reader->source.name, (unsigned long long)(reader->row + whole),
                         (unsigned long long)(offset + whole * reader->row_bytes),
                         got - whole * reader->row_bytes, reader->row_bytes,
                         (unsigned long long)reader->rows_known);
    }
    if (reader->type == NPY_F4) {
        vectors_from_little(reader->buffer, rows * reader->dims);
        block->data = (const float *)(const void *)reader->buffer;
    } else {
        convert(reader, rows * reader->dims);
        block->data = reader->floats;
    }
    block->stride_bytes = (size_t)reader->dims * sizeof(float);
    block->rows = rows;
    reader->row += rows;
    return VEER_OK;
}
