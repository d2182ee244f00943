/* A BLAS whose error reporters end the process; link.sh builds a library of it, which beside.c is linked with after libcke_blas.so. */
#include <stdlib.h>

void cblas_xerbla(int position, const char *routine, const char *format, ...) {
    (void)position, (void)routine, (void)format;
    exit(3);
}

void xerbla_(const char *routine, const int *position, size_t length) {
    (void)routine, (void)position, (void)length;
    exit(4);
}

/* What makes it a BLAS. */
void sgemm_(void) { exit(5); }
void cblas_sgemm(void) { exit(6); }
