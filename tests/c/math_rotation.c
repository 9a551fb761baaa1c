/* The rotation: orthonormal for every length, the same on every tier, decided by the seed, and near
 * enough to a uniformly random one that coordinates are normal, whatever the vector.
 */
#include "support/testing.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/rng.h"
#include "math/rotation.h"
#include "support/fault_allocator.h"
#include "support/tiers.h"

static const uint32_t dims_list[] = {1,    2,    3,    31,   63,   64,   65,  100,
                                     127,  128,  129,  192,  200,  300,  384, 768,
                                     1000, 1536, 3000, 4096, 4097, 8191, 8192};

static double dot(const float *a, const float *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

static void test_keeps_lengths_and_angles(void **state)
{
    (void)state;
    static float x[2][VEER_DIMS_MAX], y[2][VEER_DIMS_MAX];
    rng random;
    rng_init(&random, 1);
    for (size_t d = 0; d < TEST_COUNT(dims_list); d++) {
        uint32_t dims = dims_list[d];
        rotation r;
        assert_int_equal(rotation_init(&r, memory_default(), dims, 7), VEER_OK);
        assert_true(r.padded >= dims && r.padded % 64 == 0 && r.padded - dims < 64);
        memset(x, 0, sizeof x);
        for (int v = 0; v < 2; v++) {
            for (uint32_t i = 0; i < dims; i++)
                x[v][i] = (float)rng_normal(&random);
            memcpy(y[v], x[v], sizeof y[v]);
            rotation_apply(&r, &kernels_scalar, y[v]);
        }
        double sizes = sqrt(dot(x[0], x[0], dims) * dot(x[1], x[1], dims));
        assert_true(fabs(dot(y[0], y[1], r.padded) - dot(x[0], x[1], dims)) <= 2e-6 * sizes);
        assert_true(fabs(dot(y[0], y[0], r.padded) / dot(x[0], x[0], dims) - 1) <= 2e-6);
        rotation_fini(&r);
    }
}

static void test_matrix_is_orthonormal(void **state)
{
    (void)state;
    enum { N = 192 };
    static float matrix[N][N];
    rotation r;
    assert_int_equal(rotation_init(&r, memory_default(), N, 8), VEER_OK);
    for (size_t i = 0; i < N; i++) {
        memset(matrix[i], 0, sizeof matrix[i]);
        matrix[i][i] = 1;
        rotation_apply(&r, &kernels_scalar, matrix[i]);
    }
    for (size_t i = 0; i < N; i++) {
        for (size_t j = 0; j < N; j++) {
            assert_true(fabs(dot(matrix[i], matrix[j], N) - (i == j)) < 1e-6);
        }
    }
    rotation_fini(&r);
}

static void test_same_on_every_tier(void **state)
{
    (void)state;
    const kernels *tiers[TIERS_MAX];
    size_t tiers_count = tiers_find(tiers);
    static float x[VEER_DIMS_MAX], y[VEER_DIMS_MAX], z[VEER_DIMS_MAX];
    rng random;
    rng_init(&random, 2);
    for (size_t d = 0; d < TEST_COUNT(dims_list); d++) {
        rotation r, same, other;
        uint32_t dims = dims_list[d];
        assert_int_equal(rotation_init(&r, memory_default(), dims, 9), VEER_OK);
        assert_int_equal(rotation_init(&same, memory_default(), dims, 9), VEER_OK);
        assert_int_equal(rotation_init(&other, memory_default(), dims, 10), VEER_OK);
        memset(x, 0, sizeof x);
        for (uint32_t i = 0; i < dims; i++)
            x[i] = (float)rng_normal(&random);
        memcpy(y, x, sizeof y);
        rotation_apply(&r, &kernels_scalar, y);
        memcpy(z, x, sizeof z);
        rotation_apply(&same, &kernels_scalar, z);
        assert_memory_equal(y, z, sizeof y);
        memcpy(z, x, sizeof z);
        rotation_apply(&other, &kernels_scalar, z);
        assert_memory_not_equal(y, z, r.padded * sizeof *y);
        for (size_t t = 0; t < tiers_count; t++) {
            const kernels *k = tiers[t];
            memcpy(z, x, sizeof z);
            rotation_apply(&r, k, z);
            assert_memory_equal(y, z, sizeof y);
        }
        rotation_fini(&r);
        rotation_fini(&same);
        rotation_fini(&other);
    }
}

/* Vectors that a bad rotation leaves recognisable. */
static void make_vector(int kind, float *x, uint32_t dims, rng *random)
{
    for (uint32_t i = 0; i < dims; i++) {
        switch (kind) {
        case 0:
            x[i] = i == dims / 3;
            break;
        case 1:
            x[i] = 1;
            break;
        case 2:
            x[i] = i % 2 == 0 ? 1.0f : -1.0f;
            break;
        case 3:
            x[i] = i < 2;
            break;
        case 4:
            x[i] = ldexpf(1, -(int)(i < 100 ? i : 100));
            break;
        case 5:
            x[i] = i == 5 || i == dims / 2 + 5;
            break;
        case 6:
            x[i] = i == 5 || i == dims - 6;
            break;
        case 7:
            x[i] = i == dims - 1;
            break;
        case 8:
            x[i] = i < dims / 2;
            break;
        case 9:
            x[i] = i % 24 == 3;
            break;
        default:
            x[i] = (float)rng_normal(random);
            break;
        }
    }
}

/* Coordinates of rotated unit vectors, over seeds: variance 1 / n, kurtosis of the normal (less 6 / n
 * on a sphere), tails no heavier. The tolerances are
 * several standard errors of that many values. */
static void test_coordinates_are_normal(void **state)
{
    (void)state;
    static const uint32_t list[] = {64, 100, 128, 192, 384, 448, 768, 1536, 1984};
    static float x[VEER_DIMS_MAX];
    rng random;
    rng_init(&random, 3);
    for (size_t d = 0; d < TEST_COUNT(list); d++) {
        for (int kind = 0; kind < 11; kind++) {
            double fourth = 0, count = 0, beyond = 0;
            uint64_t rotations = 400000 / list[d] + 1;
            for (uint64_t seed = 0; seed < rotations; seed++) {
                rotation r;
                assert_int_equal(rotation_init(&r, memory_default(), list[d], seed), VEER_OK);
                memset(x, 0, sizeof x);
                make_vector(kind, x, list[d], &random);
                double norm = sqrt(dot(x, x, list[d]));
                rotation_apply(&r, kernels_get(), x);
                for (uint32_t i = 0; i < r.padded; i++) {
                    double z = (double)x[i] / norm * sqrt((double)r.padded);
                    fourth += z * z * z * z;
                    beyond += fabs(z) > 3.3;
                    count++;
                }
                rotation_fini(&r);
            }
            double kurtosis = fourth / count;
            double tail = beyond / count;
            if (fabs(kurtosis - 3) > 0.15 || tail > 1.2e-3) {
                fail_msg("%u dims, vector %d: kurtosis %.3f, beyond 3.3 deviations %.2g", list[d],
                         kind, kurtosis, tail);
            }
        }
    }
}

static void test_shortage(void **state)
{
    (void)state;
    fault_allocator f;
    fault_allocator_init(&f);
    fault_allocator_fail(&f, 0, false);
    rotation r;
    assert_int_equal(rotation_init(&r, &f.allocator, 300, 1), VEER_E_NOMEM);
    assert_int_equal(rotation_init(&r, &f.allocator, 300, 1), VEER_OK);
    assert_true(rotation_bytes(&r) > 0);
    rotation_fini(&r);
    assert_null(fault_allocator_fini(&f));
}

/* The argument is a pattern of the tests to run: all take long under emulation. */
int main(int argc, char **argv)
{
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keeps_lengths_and_angles),
        cmocka_unit_test(test_matrix_is_orthonormal),
        cmocka_unit_test(test_same_on_every_tier),
        cmocka_unit_test(test_coordinates_are_normal),
        cmocka_unit_test(test_shortage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
