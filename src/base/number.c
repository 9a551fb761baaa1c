/* Doubles as decimal text and back. See number.h.
 *
 * Both ways multiply by a power of ten in 64 bits of precision and know a bound of the error, as
 * Loitsch describes ("Printing floating-point numbers quickly and accurately with integers", PLDI
 * 2010). Where the bound does not tell on which side of the middle between two results the number
 * lies, in about one of a hundred, whole numbers of any length are compared, which is exact: the
 * number against the middle. The powers are products of a few: 18 words instead of the 10 KB of
 * table with which it would be a little faster.
 *
 * Threads: nothing is shared.
 */
#include "base/number.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* ---------------------------------------------------------------- exact comparison */

enum {
    DIGITS_COMPARED =
        768,    /* the middle of two doubles has at most 767, the rest only breaks ties */
    LIMBS = 96, /* 5^1110 and the bits of a double, or 768 digits and the same shift */
};

/* A natural number, the lowest limb first. */
typedef struct natural {
    uint32_t limbs[LIMBS];
    size_t count;
} natural;

static void multiply_add(natural *n, uint32_t factor, uint32_t addend)
{
    uint64_t carry = addend;
    for (size_t i = 0; i < n->count; i++) {
        carry += (uint64_t)n->limbs[i] * factor;
        n->limbs[i] = (uint32_t)carry;
        carry >>= 32;
    }
    if (carry != 0 && n->count < LIMBS) n->limbs[n->count++] = (uint32_t)carry;
}

/* times 5^power * 2^shift */
static void scale(natural *n, int power, int shift)
{
    for (; power >= 13; power -= 13)
        multiply_add(n, 1220703125u, 0); /* 5^13 */
    for (; power > 0; power--)
        multiply_add(n, 5, 0);
    for (; shift >= 31; shift -= 31)
        multiply_add(n, 1u << 31, 0);
    multiply_add(n, 1u << shift, 0);
}

/* Compares n * 10^power with bits * 2^exponent: < 0, 0, > 0. `n` is used up. */
static int compare(natural *n, int power, uint64_t bits, int exponent)
{
    natural m = {{(uint32_t)bits, (uint32_t)(bits >> 32)}, 2};
    int shift = exponent - power;
    scale(n, power > 0 ? power : 0, shift < 0 ? -shift : 0);
    scale(&m, power < 0 ? -power : 0, shift > 0 ? shift : 0);
    for (size_t i = LIMBS; i-- > 0;) {
        uint32_t left = i < n->count ? n->limbs[i] : 0;
        uint32_t right = i < m.count ? m.limbs[i] : 0;
        if (left != right) return left < right ? -1 : 1;
    }
    return 0;
}

/* ---------------------------------------------------------------- powers of ten */

/* bits * 2^exponent, the highest bit being set; wrong by at most `error` * 2^-64 of itself, which
 * is at most `error` units of `bits`. */
typedef struct scaled {
    uint64_t bits;
    int exponent;
    uint32_t error;
} scaled;

static scaled normalized(uint64_t bits, int exponent)
{
    int zeros = __builtin_clzll(bits);
    return (scaled){bits << zeros, exponent - zeros, 0};
}

/* The errors add up; the bits that are cut off here are less than 2, and 1 is for the product of
 * the errors. */
static scaled product(scaled a, scaled b)
{
    uint64_t a1 = a.bits >> 32, a0 = a.bits & UINT32_MAX;
    uint64_t b1 = b.bits >> 32, b0 = b.bits & UINT32_MAX;
    uint64_t middle = a1 * b0 + (a0 * b0 >> 32);
    uint64_t other = a0 * b1 + (middle & UINT32_MAX);
    uint64_t high = a1 * b1 + (middle >> 32) + (other >> 32);
    scaled result = {high, a.exponent + b.exponent + 64, a.error + b.error + 3};
    if (high >> 63 == 0) {
        result.bits = high << 1 | (other >> 31 & 1);
        result.exponent--;
    }
    return result;
}

/* value * 10^power, for powers between -511 and 511. */
static scaled times_power(scaled value, int power)
{
    /* 10^(2^i) and 10^-(2^i), rounded; those up to 10^16 are exact. */
    static const struct {
        uint64_t bits[2];
        int16_t exponents[2];
    } powers[] = {
        {{0xA000000000000000u, 0xCCCCCCCCCCCCCCCDu}, {-60, -67}},  /* 1 */
        {{0xC800000000000000u, 0xA3D70A3D70A3D70Au}, {-57, -70}},  /* 2 */
        {{0x9C40000000000000u, 0xD1B71758E219652Cu}, {-50, -77}},  /* 4 */
        {{0xBEBC200000000000u, 0xABCC77118461CEFDu}, {-37, -90}},  /* 8 */
        {{0x8E1BC9BF04000000u, 0xE69594BEC44DE15Bu}, {-10, -117}}, /* 16 */
        {{0x9DC5ADA82B70B59Eu, 0xCFB11EAD453994BAu}, {43, -170}},  /* 32 */
        {{0xC2781F49FFCFA6D5u, 0xA87FEA27A539E9A5u}, {149, -276}}, /* 64 */
        {{0x93BA47C980E98CE0u, 0xDDD0467C64BCE4A1u}, {362, -489}}, /* 128 */
        {{0xAA7EEBFB9DF9DE8Eu, 0xC0314325637A193Au}, {787, -914}}, /* 256 */
    };
    bool is_negative = power < 0;
    unsigned rest = (unsigned)(is_negative ? -power : power);
    for (size_t i = 0; rest != 0; i++, rest >>= 1) {
        if ((rest & 1) == 0) continue;
        scaled factor = {powers[i].bits[is_negative], powers[i].exponents[is_negative], 1};
        value = product(value, factor);
    }
    return value;
}

/* Cuts `drop` low bits off; *whole: what is left. < 0: less than half a unit was cut off, > 0:
 * more, 0: the error is too large to know. */
static int cut(scaled value, int drop, uint64_t *whole)
{
    for (; drop > 64; drop--) {
        value.bits >>= 1;
        value.error = value.error / 2 + 1;
    }
    *whole = drop == 64 ? 0 : value.bits >> drop;
    uint64_t rest = drop == 64 ? value.bits : value.bits - (*whole << drop);
    uint64_t half = (uint64_t)1 << (drop - 1);
    if (rest < half) return half - rest > value.error ? -1 : 0;
    return rest - half > value.error ? 1 : 0;
}

/* ---------------------------------------------------------------- reading */

/* What the text says: +-digits * 10^exponent, the digits that did not fit not counted. */
typedef struct literal {
    const char *first; /* significant digit */
    uint64_t digits;   /* the first 19 */
    int count;         /* of them */
    int64_t exponent;
    bool is_negative;
    bool is_cut; /* others, not all zero, follow */
} literal;

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static const char *read_exponent(const char *at, int64_t *exponent)
{
    const char *p = at + 1;
    bool is_negative = *p == '-';
    if (*p == '-' || *p == '+') p++;
    if (!is_digit(*p)) return at;
    int64_t value = 0;
    for (; is_digit(*p); p++)
        if (value < INT64_MAX / 100) value = value * 10 + (*p - '0');
    *exponent += is_negative ? -value : value;
    return p;
}

static literal read_literal(const char *text, const char **end)
{
    literal read = {.is_negative = *text == '-'};
    *end = text;
    const char *p = text + read.is_negative;
    bool has_digits = false, is_fraction = false;
    for (;; p++) {
        if (*p == '.' && !is_fraction) {
            is_fraction = true;
            continue;
        }
        if (!is_digit(*p)) break;
        has_digits = true;
        if (read.count < 19) {
            read.exponent -= is_fraction;
            if (read.count == 0 && *p == '0') continue;
            if (read.count++ == 0) read.first = p;
            read.digits = read.digits * 10 + (uint64_t)(*p - '0');
        } else {
            read.exponent += !is_fraction;
            read.is_cut |= *p != '0';
        }
    }
    if (!has_digits) return (literal){0};
    if (*p == 'e' || *p == 'E') p = read_exponent(p, &read.exponent);
    *end = p;
    return read;
}

/* Compares the literal with bits * 2^exponent, exactly. */
static int compare_literal(const literal *read, uint64_t bits, int exponent)
{
    natural n = {.count = 0};
    int count = 0, power = (int)read->exponent + read->count;
    bool is_longer = false;
    for (const char *p = read->first; is_digit(*p) || *p == '.'; p++) {
        if (*p == '.') continue;
        if (count < DIGITS_COMPARED) {
            multiply_add(&n, 10, (uint32_t)(*p - '0'));
            count++;
        } else {
            is_longer |= *p != '0';
        }
    }
    int order = compare(&n, power - count, bits, exponent);
    return order == 0 && is_longer ? 1 : order;
}

static double nearest(const literal *read)
{
    static const double exact[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                   1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                   1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    int64_t exponent = read->exponent, first = exponent + read->count; /* < 10^first */
    if (read->digits == 0 || first < -323) return 0;
    if (first > 309) return HUGE_VAL;
    if (!read->is_cut && read->digits <= (uint64_t)1 << 53 && exponent >= -22 && exponent <= 22) {
        double digits = (double)read->digits;
        return exponent < 0 ? digits / exact[-exponent] : digits * exact[exponent];
    }
    scaled value = times_power(normalized(read->digits, 0), (int)exponent);
    if (read->is_cut) value.error += 20; /* a unit of 10^18 or more, in units of 2^-64 */
    int drop = value.exponent < -1074 - 11 ? -1074 - value.exponent : 11;
    uint64_t whole;
    int side = cut(value, drop, &whole);
    exponent = value.exponent + drop;
    if (side == 0) side = compare_literal(read, whole * 2 + 1, (int)exponent - 1);
    whole += side > 0 || (side == 0 && (whole & 1) != 0);
    /* The hidden bit of a normal number adds 1 to the exponent's field. */
    uint64_t bits = whole + ((uint64_t)(exponent + 1074) << 52);
    if (bits >> 52 >= 0x7FF) return HUGE_VAL;
    double number;
    memcpy(&number, &bits, sizeof number);
    return number;
}

double number_read(const char *text, const char **end)
{
    literal read = read_literal(text, end);
    double number = nearest(&read);
    return read.is_negative ? -number : number;
}

/* ---------------------------------------------------------------- writing */

/* 0.ddd * 10^point */
typedef struct decimal {
    char digits[NUMBER_DIGITS_MAX + 1];
    int count; /* without zeros at the end, but at least 1 */
    int point;
} decimal;

/* Rounds a number > 0 to `count` digits, exactly, ties to even. */
static decimal rounded(double number, int count)
{
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    int exponent = (int)(bits >> 52);
    bits &= ((uint64_t)1 << 52) - 1;
    if (exponent > 0) bits |= (uint64_t)1 << 52;
    exponent -= exponent > 0 ? 1075 : 1074;
    scaled value = normalized(bits, exponent);
    uint64_t limit = 1;
    for (int i = 0; i < count; i++)
        limit *= 10;
    /* floor(log10) of the highest bit's weight, or one less than what the number has. */
    int point = (int)(((int64_t)value.exponent + 63) * 78913 >> 18) + 1;
    uint64_t whole;
    for (;; point++) {
        scaled shifted = times_power(value, count - point);
        int side = cut(shifted, -shifted.exponent, &whole);
        if (whole >= limit) continue; /* one less */
        if (side == 0) {
            uint64_t middle = whole * 2 + 1;
            natural n = {{(uint32_t)middle, (uint32_t)(middle >> 32)}, 2};
            side = -compare(&n, point - count, bits, exponent + 1);
        }
        whole += side > 0 || (side == 0 && (whole & 1) != 0);
        break;
    }
    decimal made = {.count = count, .point = point};
    if (whole == limit) {
        whole /= 10;
        made.point++;
    }
    for (int i = count; i-- > 0; whole /= 10) {
        made.digits[i] = (char)('0' + whole % 10);
        if (i > 0 && i == made.count - 1 && whole % 10 == 0) made.count--;
    }
    return made;
}

static char *put_exponent(char *to, int exponent, int least_digits)
{
    char digits[4];
    int count = 0;
    unsigned rest = (unsigned)(exponent < 0 ? -exponent : exponent);
    for (; rest > 0 || count < least_digits; rest /= 10)
        digits[count++] = (char)('0' + rest % 10);
    *to++ = 'e';
    if (exponent < 0) *to++ = '-';
    if (exponent >= 0 && least_digits > 1) *to++ = '+';
    while (count > 0)
        *to++ = digits[--count];
    return to;
}

/* Without exponent where the point lies in [low, high]. */
static char *put_decimal(char *to, const decimal *d, int low, int high, bool is_json)
{
    bool is_plain = d->point >= low && d->point <= high;
    int point = is_plain ? d->point : 1;
    for (int i = point > 0 ? 0 : point - 1; i < d->count || i < point; i++) {
        if (i == point) *to++ = '.';
        *to++ = i >= 0 && i < d->count ? d->digits[i] : '0';
    }
    if (!is_plain) return put_exponent(to, d->point - 1, is_json ? 1 : 2);
    if (is_json && d->count <= point) {
        *to++ = '.';
        *to++ = '0';
    }
    return to;
}

static size_t put_number(double number, int digits, bool is_json, char text[NUMBER_TEXT_BYTES])
{
    size_t sign = signbit(number) != 0;
    decimal d = {.digits = "0", .count = 1, .point = 1};
    if (!isfinite(number)) {
        const char *name = isnan(number) ? "nan" : sign ? "-inf" : "inf";
        size_t bytes = strlen(name);
        memcpy(text, name, bytes + 1);
        return bytes;
    }
    text[0] = '-';
    if (number != 0) d = rounded(fabs(number), digits);
    char *end = is_json ? put_decimal(text + sign, &d, -5, 21, true)
                        : put_decimal(text + sign, &d, -3, digits, false);
    *end = 0;
    return (size_t)(end - text);
}

static size_t put_fewest(double number, bool is_json, char text[NUMBER_TEXT_BYTES])
{
    /* Below the normal doubles fewer than 15 digits tell two from another. */
    for (int digits = is_json && fabs(number) < 0x1p-1022 ? 1 : 15;; digits++) {
        size_t bytes = put_number(number, digits, is_json, text);
        const char *end;
        if (digits == NUMBER_DIGITS_MAX || number_read(text, &end) == number) return bytes;
    }
}

size_t number_write(double number, char text[NUMBER_TEXT_BYTES])
{
    return put_fewest(number, true, text);
}

size_t number_print(double number, char text[NUMBER_TEXT_BYTES])
{
    return put_fewest(number, false, text);
}

size_t number_round(double number, int digits, char text[NUMBER_TEXT_BYTES])
{
    return put_number(number, digits, false, text);
}
