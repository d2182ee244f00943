/* Floating-point exceptions: products of clean numbers raise none, from any routine, first with the flags looked at, then with traps, so
 * that an exception would end the process. link.sh compiles and runs it: flags [STEP], to try every STEP-th size only, where programs are
 * emulated. Prints what went wrong, if anything. */
#define _GNU_SOURCE
#include "fortran.h"
#include <cke_blas.h>
#include <fenv.h>
#include <stdio.h>
#include <stdlib.h>

enum { RAISED = FE_INVALID | FE_DIVBYZERO | FE_OVERFLOW | FE_UNDERFLOW, MAX = 600 * 600 };

static float as[MAX], bs[MAX], cs[MAX];
static double ad[MAX], bd[MAX], cd[MAX];
static int failures;

static void expect_none(const char *routine, int m, int n, int k, int way) {
    const int raised = fetestexcept(RAISED);
    if (raised == 0) return;
    failures++;
    printf("FAILED: %s %dx%dx%d, way %d raised%s%s%s%s\n", routine, m, n, k, way, raised & FE_INVALID ? " FE_INVALID" : "",
           raised & FE_DIVBYZERO ? " FE_DIVBYZERO" : "", raised & FE_OVERFLOW ? " FE_OVERFLOW" : "",
           raised & FE_UNDERFLOW ? " FE_UNDERFLOW" : "");
    feclearexcept(FE_ALL_EXCEPT);
}

/* Every routine; the bits of `way` are the transposes and whether C goes on. */
static void multiply(int m, int n, int k, int way) {
    const CBLAS_TRANSPOSE ta = way & 1 ? CblasTrans : CblasNoTrans, tb = way & 2 ? CblasTrans : CblasNoTrans;
    const int lda = way & 1 ? m : k, ldb = way & 2 ? k : n, one_i = 1;
    const float beta_s = way & 4 ? 0.5f : 0, one_s = 1;
    const double beta_d = beta_s, one_d = 1;
    for (int i = 0; i < m * n; i++) cs[i] = 1, cd[i] = 1;
    cblas_sgemm(CblasRowMajor, ta, tb, m, n, k, 1, as, lda, bs, ldb, beta_s, cs, n);
    expect_none("cblas_sgemm", m, n, k, way);
    cblas_dgemm(CblasRowMajor, ta, tb, m, n, k, 2, ad, lda, bd, ldb, beta_d, cd, n);
    expect_none("cblas_dgemm", m, n, k, way);
    sgemm_(way & 2 ? "T" : "N", way & 1 ? "T" : "N", &n, &m, &k, &one_s, bs, &ldb, as, &lda, &beta_s, cs, &n, 1, 1);
    expect_none("sgemm_", m, n, k, way);
    dgemm_(way & 2 ? "T" : "N", way & 1 ? "T" : "N", &n, &m, &k, &one_d, bd, &ldb, ad, &lda, &beta_d, cd, &n, 1, 1);
    expect_none("dgemm_", m, n, k, way);
    cblas_sgemv(CblasRowMajor, ta, m, k, 1, as, k, bs, 1, beta_s, cs, 1);
    expect_none("cblas_sgemv", m, n, k, way);
    cblas_dgemv(CblasRowMajor, ta, m, k, 1, ad, k, bd, 1, beta_d, cd, 1);
    expect_none("cblas_dgemv", m, n, k, way);
    sgemv_(way & 1 ? "T" : "N", &k, &m, &one_s, as, &k, bs, &one_i, &beta_s, cs, &one_i, 1);
    expect_none("sgemv_", m, n, k, way);
    dgemv_(way & 1 ? "T" : "N", &k, &m, &one_d, ad, &k, bd, &one_i, &beta_d, cd, &one_i, 1);
    expect_none("dgemv_", m, n, k, way);
    const int part = m / 2;
    if (part > 0 && !(way & 1)) {
        cblas_sgemm_batch_strided(CblasRowMajor, ta, tb, part, n, k, 1, as, lda, part * lda, bs, ldb, 0, beta_s, cs, n, part * n, 2);
        expect_none("cblas_sgemm_batch_strided", m, n, k, way);
        cblas_dgemm_batch_strided(CblasRowMajor, ta, tb, part, n, k, 1, ad, lda, part * lda, bd, ldb, 0, beta_d, cd, n, part * n, 2);
        expect_none("cblas_dgemm_batch_strided", m, n, k, way);
    }
}

static void all_products(int step) {
    static const int sizes[] = {1, 2, 3, 5, 7, 8, 13, 14, 16, 17, 31, 33, 48, 65, 100}, large[] = {129, 300, 600};
    const int count = sizeof sizes / sizeof *sizes;
    for (int way = 0; way < 8; way++) {
        for (int i = 0; i < count; i += step)
            for (int j = 0; j < count; j += step)
                for (int p = 0; p < count; p += 2 * step) multiply(sizes[i], sizes[j], sizes[p], way);
        for (int i = 0; i < 3; i += step)
            for (int j = 0; j < 3; j += step) multiply(large[i], large[j], large[(i + j) % 3], way), multiply(large[i], sizes[j + 5], 600, way);
    }
}

/* np.ones((13, 2)) @ np.ones((14, 2)).T, which is 2 everywhere. */
static void ones_by_ones(void) {
    enum { M = 13, N = 14, K = 2 };
    static double ones_d[N * K], twos_d[M * N];
    static float ones_s[N * K], twos_s[M * N];
    for (int i = 0; i < N * K; i++) ones_d[i] = 1, ones_s[i] = 1;
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, M, N, K, 1, ones_d, K, ones_d, K, 0, twos_d, N);
    expect_none("cblas_dgemm of ones", M, N, K, 2);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, M, N, K, 1, ones_s, K, ones_s, K, 0, twos_s, N);
    expect_none("cblas_sgemm of ones", M, N, K, 2);
    for (int i = 0; i < M * N; i++)
        if (twos_d[i] != 2 || twos_s[i] != 2) {
            failures++;
            printf("FAILED: element %d of a product of ones is %g and %g, not 2\n", i, twos_d[i], (double)twos_s[i]);
            return;
        }
}

int main(int count, char **arguments) {
    const int step = count > 1 ? atoi(arguments[1]) : 1;
    if (step < 1) return 2;
    for (int i = 0; i < MAX; i++) {
        as[i] = ad[i] = i % 13 - 6;
        bs[i] = bd[i] = i % 7 + 0.5f;
    }
    feclearexcept(FE_ALL_EXCEPT);

    ones_by_ones();
    all_products(step);
    if (failures == 0) {
        feenableexcept(FE_INVALID | FE_DIVBYZERO | FE_OVERFLOW | FE_UNDERFLOW);
        ones_by_ones();
        all_products(step);
    }
    return failures != 0;
}
