/* A program that is linked with another BLAS after libcke_blas.so; link.sh compiles and runs it. A bad argument must not reach the error
 * reporters of that library, which end the process. With OWN_XERBLA the program defines xerbla_, which must be called for bad CBLAS calls,
 * too. Prints what went wrong, if anything. */
#include "fortran.h"
#include <cke_blas.h>
#include <stdio.h>
#include <string.h>

static int reported;

#ifdef OWN_XERBLA
void xerbla_(const char *routine, const int *position, size_t length) {
    /* As programs in C read it, without the length. */
    if (length == 6 && strcmp(routine, "SGEMM ") == 0) reported = *position;
}
enum { M_OF_ROW_MAJOR = 4, LDA = 8 };
#else
enum { M_OF_ROW_MAJOR = 0, LDA = 0 };
#endif

int main(void) {
    const float x = 3, one = 1;
    float y = 1;
    const int n = 1, none = 0;
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, -1, 1, 1, 1, &x, 1, &x, 1, 0, &y, 1);
    const int of_cblas = reported;
    sgemm_("N", "N", &n, &n, &n, &one, &x, &none, &x, &n, &one, &y, &n, 1, 1);
    if (y == 1 && of_cblas == M_OF_ROW_MAJOR && reported == LDA) return 0;
    printf("FAILED: wanted C 1 and the arguments %d and %d, found %g, %d, %d\n", M_OF_ROW_MAJOR, LDA, (double)y, of_cblas, reported);
    return 1;
}
