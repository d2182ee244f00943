/* The functions of libcke_blas.so for C and C++. Names and semantics are those of every CBLAS, so that any cblas.h serves as well;
 * layouts are 101 (row-major) and 102 (column-major), transpositions 111 (none), 112 and 113 (transposed). */
#ifndef CKE_BLAS_H
#define CKE_BLAS_H

#ifdef __cplusplus
extern "C" {
#endif

/* C (m, n) <- alpha op(A) (m, k) op(B) (k, n) + beta C */
void cblas_sgemm(int layout, int trans_a, int trans_b, int m, int n, int k, float alpha, const float *a, int lda,
                 const float *b, int ldb, float beta, float *c, int ldc);
void cblas_dgemm(int layout, int trans_a, int trans_b, int m, int n, int k, double alpha, const double *a, int lda,
                 const double *b, int ldb, double beta, double *c, int ldc);

/* y <- alpha op(A) x + beta y, with A (m, n) */
void cblas_sgemv(int layout, int trans, int m, int n, float alpha, const float *a, int lda, const float *x, int incx,
                 float beta, float *y, int incy);
void cblas_dgemv(int layout, int trans, int m, int n, double alpha, const double *a, int lda, const double *x, int incx,
                 double beta, double *y, int incy);

/* The same for batch_size products; the i-th A stands i * stride_a elements after the first, and so on. stride_a and stride_b may
 * be 0; the C may be interleaved but not overlap. */
void cblas_sgemm_batch_strided(int layout, int trans_a, int trans_b, int m, int n, int k, float alpha, const float *a,
                               int lda, int stride_a, const float *b, int ldb, int stride_b, float beta, float *c,
                               int ldc, int stride_c, int batch_size);
void cblas_dgemm_batch_strided(int layout, int trans_a, int trans_b, int m, int n, int k, double alpha, const double *a,
                               int lda, int stride_a, const double *b, int ldb, int stride_b, double beta, double *c,
                               int ldc, int stride_c, int batch_size);

/* The number of threads that a large product may use. Below 1: as the environment says (CKE_NUM_THREADS, OMP_NUM_THREADS). */
void cke_blas_set_num_threads(int threads);
int cke_blas_get_num_threads(void);

/* For example "0.1.0". */
const char *cke_blas_version(void);

#ifdef __cplusplus
}
#endif

#endif
