/* The routines in Fortran's convention, with the lengths of character arguments at the end, for the programs here: cblas.h has none. */
#ifndef FORTRAN_H
#define FORTRAN_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

void sgemm_(const char *trans_a, const char *trans_b, const int *m, const int *n, const int *k, const float *alpha, const float *a,
            const int *lda, const float *b, const int *ldb, const float *beta, float *c, const int *ldc, size_t trans_a_length,
            size_t trans_b_length);
void dgemm_(const char *trans_a, const char *trans_b, const int *m, const int *n, const int *k, const double *alpha,
            const double *a, const int *lda, const double *b, const int *ldb, const double *beta, double *c, const int *ldc,
            size_t trans_a_length, size_t trans_b_length);
void sgemv_(const char *trans, const int *m, const int *n, const float *alpha, const float *a, const int *lda, const float *x,
            const int *incx, const float *beta, float *y, const int *incy, size_t trans_length);
void dgemv_(const char *trans, const int *m, const int *n, const double *alpha, const double *a, const int *lda, const double *x,
            const int *incx, const double *beta, double *y, const int *incy, size_t trans_length);

#ifdef __cplusplus
}
#endif

#endif
