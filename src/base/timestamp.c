/* Times as text: ISO 8601 to milliseconds and back.
 *
 * The calendar is the proleptic Gregorian one. Days are counted in years that begin on the first
 * of March, so that the leap day is a year's last, and in eras of 400 years, which all have 146097
 * days: both ways are a few divisions, exact over the whole range.
 *
 * Parsing takes what timestamp.h lists and nothing else; the whole text must be used. Fractions of
 * a second may have any number of digits, those behind milliseconds are cut off. "24:00" is the
 * end of the day, as in ISO 8601:2004 and JavaScript. Leap seconds (":60") are refused, as is the
 * year "-000000". Formatting is defined for every int64, also outside the range.
 *
 * Threads: pure functions.
 */
#include "base/timestamp.h"

#define DAY_MS 86400000LL
#define ERA_DAYS 146097LL

/* Days since 1970-01-01. month 1-12; day 1-31. */
static int64_t days_from_date(int64_t year, int month, int day)
{
    if (month <= 2) year--;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t month_from_march = (month + 9) % 12;
    int64_t day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    /* 719468: days from 0000-03-01 to 1970-01-01. */
    return era * ERA_DAYS + day_of_era - 719468;
}

static void date_from_days(int64_t days, int64_t *year, int *month, int *day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - (ERA_DAYS - 1)) / ERA_DAYS;
    int64_t day_of_era = days - era * ERA_DAYS;
    /* Leap days before that day, by the 4, 100 and 400 year rules. */
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month_from_march = (5 * day_of_year + 2) / 153;
    *day = (int)(day_of_year - (153 * month_from_march + 2) / 5 + 1);
    *month = (int)(month_from_march < 10 ? month_from_march + 3 : month_from_march - 9);
    *year = era * 400 + year_of_era + (*month <= 2 ? 1 : 0);
}

static int days_in_month(int64_t year, int month)
{
    static const uint8_t days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return days[month - 1] + (month == 2 && leap ? 1 : 0);
}

/* What is left of the text. */
typedef struct cursor {
    const char *at;
    const char *end;
} cursor;

static bool take_char(cursor *c, char wanted)
{
    if (c->at == c->end || *c->at != wanted) return false;
    c->at++;
    return true;
}

static bool take_digits(cursor *c, int count, int *value)
{
    int result = 0;
    if (c->end - c->at < count) return false;
    for (int i = 0; i < count; i++) {
        char digit = c->at[i];
        if (digit < '0' || digit > '9') return false;
        result = result * 10 + (digit - '0');
    }
    c->at += count;
    *value = result;
    return true;
}

static bool take_year(cursor *c, int64_t *year)
{
    int value;
    bool minus = take_char(c, '-');
    bool is_signed = minus || take_char(c, '+');
    if (!take_digits(c, is_signed ? 6 : 4, &value)) return false;
    if (minus && value == 0) return false;
    *year = minus ? -value : value;
    return true;
}

/* ".250", any number of digits: milliseconds. */
static bool take_fraction(cursor *c, int *milliseconds)
{
    int place = 100;
    int digit;
    if (!take_digits(c, 1, &digit)) return false;
    do {
        *milliseconds += digit * place;
        place /= 10;
    } while (take_digits(c, 1, &digit));
    return true;
}

/* "12:30", "12:30:15", "12:30:15.250": milliseconds of the day. */
static bool take_time(cursor *c, int64_t *milliseconds)
{
    int hour;
    int minute;
    int second = 0;
    int fraction = 0;
    if (!take_digits(c, 2, &hour) || !take_char(c, ':') || !take_digits(c, 2, &minute)) {
        return false;
    }
    if (take_char(c, ':')) {
        if (!take_digits(c, 2, &second)) return false;
        if (take_char(c, '.') && !take_fraction(c, &fraction)) return false;
    }
    if (hour > 24 || minute > 59 || second > 59) return false;
    if (hour == 24 && (minute != 0 || second != 0 || fraction != 0)) return false;
    *milliseconds = ((int64_t)hour * 3600 + minute * 60 + second) * 1000 + fraction;
    return true;
}

/* "Z", "+02:00", "-05:30" or nothing: what to subtract. */
static bool take_zone(cursor *c, int64_t *milliseconds)
{
    int hour;
    int minute;
    *milliseconds = 0;
    if (c->at == c->end || take_char(c, 'Z')) return true;
    bool minus = take_char(c, '-');
    if (!minus && !take_char(c, '+')) return false;
    if (!take_digits(c, 2, &hour) || !take_char(c, ':') || !take_digits(c, 2, &minute)) {
        return false;
    }
    if (hour > 23 || minute > 59) return false;
    *milliseconds = ((int64_t)hour * 60 + minute) * 60000 * (minus ? -1 : 1);
    return true;
}

bool timestamp_parse(const char *text, size_t bytes, int64_t *milliseconds)
{
    if (text == NULL) return false;
    cursor c = {text, text + bytes};
    int64_t year;
    int month = 1;
    int day = 1;
    int64_t time = 0;
    int64_t zone = 0;
    if (!take_year(&c, &year)) return false;
    if (take_char(&c, '-')) {
        if (!take_digits(&c, 2, &month) || month < 1 || month > 12) return false;
        if (take_char(&c, '-')) {
            if (!take_digits(&c, 2, &day) || day < 1 || day > days_in_month(year, month)) {
                return false;
            }
            if (take_char(&c, 'T') || take_char(&c, ' ')) {
                if (!take_time(&c, &time) || !take_zone(&c, &zone)) return false;
            }
        }
    }
    if (c.at != c.end) return false;
    int64_t result = days_from_date(year, month, day) * DAY_MS + time - zone;
    if (result < TIMESTAMP_MIN || result > TIMESTAMP_MAX) return false;
    *milliseconds = result;
    return true;
}

/* `value` >= 0 with at least `digits` digits. */
static char *put_digits(char *to, int64_t value, int digits)
{
    char reversed[20];
    int count = 0;
    do {
        reversed[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    while (count < digits)
        reversed[count++] = '0';
    while (count > 0)
        *to++ = reversed[--count];
    return to;
}

size_t timestamp_format(int64_t milliseconds, char text[40])
{
    int64_t days = milliseconds / DAY_MS;
    int64_t rest = milliseconds % DAY_MS;
    if (rest < 0) {
        rest += DAY_MS;
        days--;
    }
    int64_t year;
    int month;
    int day;
    date_from_days(days, &year, &month, &day);

    char *at = text;
    if (year >= 0 && year <= 9999) {
        at = put_digits(at, year, 4);
    } else {
        *at++ = year < 0 ? '-' : '+';
        at = put_digits(at, year < 0 ? -year : year, 6);
    }
    *at++ = '-';
    at = put_digits(at, month, 2);
    *at++ = '-';
    at = put_digits(at, day, 2);
    *at++ = 'T';
    at = put_digits(at, rest / 3600000, 2);
    *at++ = ':';
    at = put_digits(at, rest / 60000 % 60, 2);
    *at++ = ':';
    at = put_digits(at, rest / 1000 % 60, 2);
    *at++ = '.';
    at = put_digits(at, rest % 1000, 3);
    *at++ = 'Z';
    *at = 0;
    return (size_t)(at - text);
}
