/* A program that is linked with libcke_blas.so and has an error reporter of its own; link.sh compiles and runs it. With MKL_STYLE
 * the reporter is the one that MKL declares. Prints what went wrong, if anything. */
#include "fortran.h"
#include <cke_blas.h>
#include <stdio.h>
#include <string.h>

static int failures, reported;

static void expect(int good, const char *what) {
    if (!good) {
        printf("FAILED: %s\n", what);
        failures++;
    }
}

#ifdef MKL_STYLE
void MKL_Get_Version(void *version) { (void)version; }
void cblas_xerbla(const char *routine, int position) {
#else
void cblas_xerbla(int position, const char *routine, const char *format, ...) {
    (void)format;
#endif
    expect(strcmp(routine, "cblas_sgemm") == 0, "cblas_xerbla is told the routine");
    reported = position;
}

void xerbla_(const char *routine, const int *position, size_t length) {
    expect(length == 6 && memcmp(routine, "DGEMM ", 6) == 0, "xerbla_ is told the routine");
    reported = *position;
}

int main(void) {
    const float a[] = {1, 2, 3, 4, 5, 6}, b[] = {1, 0, 0, 1, 1, 1};
    float c[4];
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, 2, 2, 3, 1, a, 3, b, 2, 0, c, 2);
    expect(c[0] == 4 && c[1] == 5 && c[2] == 10 && c[3] == 11, "a product");

    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, 2, 2, 3, 1, a, 2, b, 2, 0, c, 2);
    expect(reported == 11, "cblas_xerbla is told the argument of the mirrored call");

    const double one = 1, x = 3;
    double y = 1;
    int n = 1, ld = 1;
    dgemm_("N", "T", &n, &n, &n, &one, &x, &ld, &x, &ld, &one, &y, &ld, 1, 1);
    expect(y == 10, "a product in Fortran's convention");
    ld = 0;
    dgemm_("N", "T", &n, &n, &n, &one, &x, &ld, &x, &n, &one, &y, &n, 1, 1);
    expect(reported == 8 && y == 10, "xerbla_ is told the argument");

    cke_blas_set_num_threads(2);
    expect(cke_blas_get_num_threads() == 2, "the number of threads");
    expect(cke_blas_version()[0] != 0, "the version");
    return failures;
}
