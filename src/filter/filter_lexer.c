/* The lexer of the text spelling: bytes to tokens, with positions in characters.
 *
 * Every byte is looked at once. Bytes that are not UTF-8 are an error where they stand. A bare
 * name is a letter or _, then letters, digits, _ . or -; a number is what could be one, checked
 * by the parser; strings and quoted names double their quote to contain it.
 */
#include "filter/filter_lexer.h"

#include "base/status.h"
#include "base/utf8.h"

void lexer_init(filter_lexer *lexer, const filter_builder *builder, const char *text, size_t bytes)
{
    lexer->builder = builder;
    lexer->text = text;
    lexer->bytes = bytes;
    lexer->at = 0;
    lexer->position = 1;
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static veer_status fail_at(const filter_lexer *lexer, size_t position, const char *what)
{
    filter_place place = {.position = position};
    return build_fail(lexer->builder, &place, VEER_E_SYNTAX, "%s", what);
}

/* Bytes of the character at `at`, or 0 where it is not UTF-8. */
static size_t character_bytes(const filter_lexer *lexer)
{
    unsigned char lead = (unsigned char)lexer->text[lexer->at];
    size_t bytes = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if (bytes > lexer->bytes - lexer->at) return 0;
    return utf8_valid(lexer->text + lexer->at, bytes) ? bytes : 0;
}

static bool lexer_step(filter_lexer *lexer)
{
    size_t bytes = character_bytes(lexer);
    lexer->at += bytes;
    lexer->position += bytes != 0;
    return bytes != 0;
}

static bool has(const filter_lexer *lexer, char c)
{
    return lexer->at < lexer->bytes && lexer->text[lexer->at] == c;
}

static veer_status lex_quoted(filter_lexer *lexer, filter_token *token, char quote)
{
    lexer_step(lexer);
    for (;;) {
        if (lexer->at == lexer->bytes) {
            return fail_at(lexer, token->position,
                           quote == '\'' ? "the string that begins here has no closing '"
                                         : "the name that begins here has no closing \"");
        }
        bool ends = has(lexer, quote);
        size_t position = lexer->position;
        if (!lexer_step(lexer)) return fail_at(lexer, position, "the text is not UTF-8");
        if (!ends) continue;
        if (!has(lexer, quote)) return VEER_OK;
        lexer_step(lexer);
    }
}

static void lex_name(filter_lexer *lexer)
{
    while (lexer->at < lexer->bytes) {
        char c = lexer->text[lexer->at];
        if (!is_letter(c) && !is_digit(c) && c != '.' && c != '-') return;
        lexer_step(lexer);
    }
}

/* A sign, then everything that belongs to a number or to a name glued to it. */
static void lex_number(filter_lexer *lexer)
{
    lexer_step(lexer);
    while (lexer->at < lexer->bytes) {
        char c = lexer->text[lexer->at], before = lexer->text[lexer->at - 1];
        bool is_sign = (c == '-' || c == '+') && (before == 'e' || before == 'E');
        if (!is_letter(c) && !is_digit(c) && c != '.' && !is_sign) return;
        lexer_step(lexer);
    }
}

static veer_status unexpected(const filter_lexer *lexer, const filter_token *token)
{
    filter_place place = {.position = token->position};
    size_t bytes = character_bytes(lexer);
    if (bytes == 0) return fail_at(lexer, token->position, "the text is not UTF-8");
    char c = *token->text;
    const char *hint = c == '&'   ? "; write AND"
                       : c == '|' ? "; write OR"
                       : c == '!' ? "; write NOT or !="
                       : c == '`' ? "; names that need quotes have double quotes"
                                  : "";
    filter_excerpt shown = excerpt_of(token->text, bytes, '\'');
    return build_fail(lexer->builder, &place, VEER_E_SYNTAX, "unexpected character %s%s",
                      shown.text, hint);
}

static filter_token_kind lex_symbol(filter_lexer *lexer)
{
    char c = lexer->text[lexer->at];
    size_t before = lexer->at;
    lexer_step(lexer);
    switch (c) {
    case '?':
        return TOKEN_PARAMETER;
    case '(':
        return TOKEN_OPEN;
    case ')':
        return TOKEN_CLOSE;
    case ',':
        return TOKEN_COMMA;
    case '=':
        if (has(lexer, '=')) lexer_step(lexer);
        return TOKEN_EQUAL;
    case '!':
        if (has(lexer, '=')) {
            lexer_step(lexer);
            return TOKEN_NOT_EQUAL;
        }
        break;
    case '<':
        if (has(lexer, '=') || has(lexer, '>')) {
            lexer_step(lexer);
            return lexer->text[lexer->at - 1] == '=' ? TOKEN_LESS_EQUAL : TOKEN_NOT_EQUAL;
        }
        return TOKEN_LESS;
    case '>':
        if (has(lexer, '=')) {
            lexer_step(lexer);
            return TOKEN_GREATER_EQUAL;
        }
        return TOKEN_GREATER;
    default:
        break;
    }
    lexer->position -= lexer->at != before;
    lexer->at = before;
    return TOKEN_END;
}

veer_status lexer_next(filter_lexer *lexer, filter_token *token)
{
    while (has(lexer, ' ') || has(lexer, '\t') || has(lexer, '\n') || has(lexer, '\r')) {
        lexer_step(lexer);
    }
    size_t first = lexer->at;
    token->kind = TOKEN_END;
    token->position = lexer->position;
    token->text = lexer->text + first;
    token->bytes = 0;
    if (first == lexer->bytes) return VEER_OK;
    char c = lexer->text[first];
    char next = first + 1 < lexer->bytes ? lexer->text[first + 1] : 0;
    if (c == '\'' || c == '"') {
        token->kind = c == '"' ? TOKEN_QUOTED_NAME : TOKEN_STRING;
        VEER_TRY(lex_quoted(lexer, token, c));
    } else if (is_letter(c)) {
        token->kind = TOKEN_NAME;
        lex_name(lexer);
    } else if (is_digit(c) ||
               ((c == '-' || c == '+' || c == '.') && (is_digit(next) || next == '.'))) {
        token->kind = TOKEN_NUMBER;
        lex_number(lexer);
    } else {
        token->kind = lex_symbol(lexer);
        if (token->kind == TOKEN_END) return unexpected(lexer, token);
    }
    token->bytes = lexer->at - first;
    return VEER_OK;
}

static bool equals_word(const char *text, size_t bytes, const char *word)
{
    for (size_t i = 0; i < bytes; i++) {
        char c = text[i];
        if (c >= 'a' && c <= 'z') c = (char)(c - ('a' - 'A'));
        if (word[i] == 0 || c != word[i]) return false;
    }
    return word[bytes] == 0;
}

bool token_is_word(const filter_token *token, const char *word)
{
    return token->kind == TOKEN_NAME && equals_word(token->text, token->bytes, word);
}

bool is_reserved_word(const char *text, size_t bytes)
{
    static const char *const words[] = {"AND",    "OR", "NOT",  "IN",   "BETWEEN", "CONTAINS",
                                        "EXISTS", "IS", "NULL", "TRUE", "FALSE"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (equals_word(text, bytes, words[i])) return true;
    }
    return false;
}

veer_status token_contents(const filter_token *token, const filter_builder *builder,
                           const char **text, size_t *bytes)
{
    char quote = token->text[0];
    char *contents = arena_new(builder->arena, token->bytes);
    if (contents == NULL) return build_nomem(builder);
    size_t used = 0;
    for (size_t i = 1; i + 1 < token->bytes; i++) {
        contents[used++] = token->text[i];
        if (token->text[i] == quote) i++;
    }
    *text = contents;
    *bytes = used;
    return VEER_OK;
}

filter_excerpt token_excerpt(const filter_token *token)
{
    if (token->kind != TOKEN_END) {
        bool is_quoted = token->kind == TOKEN_STRING;
        return excerpt_of(token->text, token->bytes, is_quoted ? 0 : '\'');
    }
    filter_excerpt end = {"the end"};
    return end;
}
