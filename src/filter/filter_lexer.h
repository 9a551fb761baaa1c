/* Tokens of the text spelling of filters. */
#ifndef VEER_FILTER_FILTER_LEXER_H
#define VEER_FILTER_FILTER_LEXER_H

#include "filter/filter_build.h"

typedef enum filter_token_kind {
    TOKEN_END,
    TOKEN_NAME,        /* bare: a field or a word of the language */
    TOKEN_QUOTED_NAME, /* "..." */
    TOKEN_STRING,      /* '...' */
    TOKEN_NUMBER,
    TOKEN_PARAMETER, /* ? */
    TOKEN_OPEN,      /* ( */
    TOKEN_CLOSE,     /* ) */
    TOKEN_COMMA,
    TOKEN_EQUAL,     /* = == */
    TOKEN_NOT_EQUAL, /* != <> */
    TOKEN_LESS,
    TOKEN_LESS_EQUAL,
    TOKEN_GREATER,
    TOKEN_GREATER_EQUAL,
} filter_token_kind;

typedef struct filter_token {
    filter_token_kind kind;
    size_t position;  /* of its first character, from 1 */
    const char *text; /* its source */
    size_t bytes;
} filter_token;

typedef struct filter_lexer {
    const filter_builder *builder;
    const char *text;
    size_t bytes;
    size_t at;       /* byte of the next character */
    size_t position; /* of the next character, from 1 */
} filter_lexer;

void lexer_init(filter_lexer *lexer, const filter_builder *builder, const char *text, size_t bytes);
/* The next token; VEER_E_SYNTAX where there is none. */
veer_status lexer_next(filter_lexer *lexer, filter_token *token);
/* True where a bare name is the given word (upper case), in any case. */
bool token_is_word(const filter_token *token, const char *word);
/* The contents of a string or quoted name, with doubled quotes made one, in the arena. */
veer_status token_contents(const filter_token *token, const filter_builder *builder,
                           const char **text, size_t *bytes);
/* What an error says was found: "'AND'", "the end". */
filter_excerpt token_excerpt(const filter_token *token);
/* True where a name must be quoted to be a field. */
bool is_reserved_word(const char *text, size_t bytes);

#endif
