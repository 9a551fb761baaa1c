/* CRC-32C: the vectors of RFC 3720, and both ways against a bit-by-bit one. */
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/rng.h"
#include "support/testing.h"

static uint32_t bit_by_bit(uint32_t crc, const uint8_t *data, size_t bytes)
{
    crc = ~crc;
    for (size_t i = 0; i < bytes; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82F63B78u : 0);
    }
    return ~crc;
}

static void test_vectors(void **state)
{
    uint8_t data[48];
    (void)state;
    memset(data, 0, 32);
    assert_int_equal(crc32c(0, data, 32), 0x8A9136AA);
    memset(data, 0xFF, 32);
    assert_int_equal(crc32c(0, data, 32), 0x62A8AB43);
    for (int i = 0; i < 32; i++)
        data[i] = (uint8_t)i;
    assert_int_equal(crc32c(0, data, 32), 0x46DD794E);
    for (int i = 0; i < 32; i++)
        data[i] = (uint8_t)(31 - i);
    assert_int_equal(crc32c(0, data, 32), 0x113FDB5C);
    /* An iSCSI SCSI read (10) command. */
    static const uint8_t command[48] = {0x01, 0xC0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,    0, 0, 0, 0,
                                        0x14, 0,    0, 0, 0, 0, 4, 0, 0, 0, 0, 0x14, 0, 0, 0, 0x18,
                                        0x28, 0,    0, 0, 0, 0, 0, 0, 2, 0, 0, 0,    0, 0, 0, 0};
    assert_int_equal(crc32c(0, command, 48), 0xD9963A56);
    assert_int_equal(crc32c(0, "123456789", 9), 0xE3069283);
    assert_int_equal(crc32c(0, NULL, 0), 0);
    assert_int_equal(crc32c(0x12345678, NULL, 0), 0x12345678);
}

/* Every length to 300 at every offset to 15, in one piece and cut in two anywhere. */
static void test_all_ways_agree(void **state)
{
    uint8_t data[320];
    rng r;
    (void)state;
    rng_init(&r, 1);
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)rng_next(&r);
    for (size_t offset = 0; offset < 16; offset++) {
        for (size_t bytes = 0; bytes <= 300; bytes++) {
            uint32_t start = (uint32_t)rng_next(&r);
            uint32_t expected = bit_by_bit(start, data + offset, bytes);
            assert_int_equal(crc32c_portable(start, data + offset, bytes), expected);
            assert_int_equal(crc32c(start, data + offset, bytes), expected);
            size_t cut = (size_t)rng_below(&r, bytes + 1);
            uint32_t first = crc32c(start, data + offset, cut);
            assert_int_equal(crc32c(first, data + offset + cut, bytes - cut), expected);
        }
    }
}

/* The tables' upper rows: each single bit of a long block changes the sum, both ways alike. */
static void test_single_bits(void **state)
{
    uint8_t data[256] = {0};
    uint32_t nothing = crc32c(0, data, sizeof data);
    (void)state;
    for (size_t bit = 0; bit < 8 * sizeof data; bit++) {
        data[bit / 8] = (uint8_t)(1u << bit % 8);
        uint32_t crc = crc32c(0, data, sizeof data);
        assert_int_not_equal(crc, nothing);
        assert_int_equal(crc, crc32c_portable(0, data, sizeof data));
        assert_int_equal(crc, bit_by_bit(0, data, sizeof data));
        data[bit / 8] = 0;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_all_ways_agree),
        cmocka_unit_test(test_single_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
