/* The functions of libcke_blas.so for C and C++, with the names, types and constants of every CBLAS: to be included instead of a cblas.h,
 * or after one. A cblas.h after this one does not compile: to pass over it would leave the functions that it alone declares undeclared. */
#ifndef CKE_BLAS_H
#define CKE_BLAS_H

#include <stdint.h>

#if defined(MKL_ILP64) || defined(OPENBLAS_USE64BITINT)
#error "libcke_blas.so takes 32-bit integers, and 64-bit ones only in the functions whose names end in _64"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Whether a cblas.h was included before: of the reference BLAS, OpenBLAS, ATLAS or BLIS; of MKL; of BLIS in one file; of Accelerate; of
 * GSL. */
#if !defined(CBLAS_H) && !defined(__MKL_CBLAS_H__) && !defined(BLIS_H) && !defined(CBLAS_ENUM_DEFINED_H) && \
    !defined(__GSL_CBLAS_H__)

#ifndef CBLAS_INT
#define CBLAS_INT int
#endif

typedef enum CBLAS_LAYOUT { CblasRowMajor = 101, CblasColMajor = 102 } CBLAS_LAYOUT;
/* CblasConjNoTrans is a bad argument to every function here, as in the reference BLAS. */
typedef enum CBLAS_TRANSPOSE {
    CblasNoTrans = 111,
    CblasTrans = 112,
    CblasConjTrans = 113,
    CblasConjNoTrans = 114
} CBLAS_TRANSPOSE;
typedef enum CBLAS_UPLO { CblasUpper = 121, CblasLower = 122 } CBLAS_UPLO;
typedef enum CBLAS_DIAG { CblasNonUnit = 131, CblasUnit = 132 } CBLAS_DIAG;
typedef enum CBLAS_SIDE { CblasLeft = 141, CblasRight = 142 } CBLAS_SIDE;
#define CBLAS_ORDER CBLAS_LAYOUT /* its older name */

/* C (m, n) <- alpha op(A) (m, k) op(B) (k, n) + beta C */
void cblas_sgemm(CBLAS_LAYOUT layout, CBLAS_TRANSPOSE trans_a, CBLAS_TRANSPOSE trans_b, const CBLAS_INT m,
                 const CBLAS_INT n, const CBLAS_INT k, const float alpha, const float *a, const CBLAS_INT lda,
                 const float *b, const CBLAS_INT ldb, const float beta, float *c, const CBLAS_INT ldc);
void cblas_dgemm(CBLAS_LAYOUT layout, CBLAS_TRANSPOSE trans_a, CBLAS_TRANSPOSE trans_b, const CBLAS_INT m,
                 const CBLAS_INT n, const CBLAS_INT k, const double alpha, const double *a, const CBLAS_INT lda,
                 const double *b, const CBLAS_INT ldb, const double beta, double *c, const CBLAS_INT ldc);

/* y <- alpha op(A) x + beta y, with A (m, n) */
void cblas_sgemv(CBLAS_LAYOUT layout, CBLAS_TRANSPOSE trans, const CBLAS_INT m, const CBLAS_INT n, const float alpha,
                 const float *a, const CBLAS_INT lda, const float *x, const CBLAS_INT incx, const float beta, float *y,
                 const CBLAS_INT incy);
void cblas_dgemv(CBLAS_LAYOUT layout, CBLAS_TRANSPOSE trans, const CBLAS_INT m, const CBLAS_INT n, const double alpha,
                 const double *a, const CBLAS_INT lda, const double *x, const CBLAS_INT incx, const double beta,
                 double *y, const CBLAS_INT incy);

#endif

/* A line that does not compile if the integers of this header, or of the one before, do not have 32 bits: the functions take those. */
#ifdef CBLAS_INT
typedef char cke_blas_wants_a_cblas_int_of_32_bits[sizeof(CBLAS_INT) == 4 ? 1 : -1];
#endif

/* cblas_?gemm for batch_size products; the i-th A stands i * stride_a elements after the first, and so on. stride_a and stride_b may
 * be 0; the C may be interleaved but not overlap. MKL's header declares these and those below itself, in C++ as functions that do not throw. The types
 * are named by their tags because the headers of ATLAS, BLIS and GSL have no other names for them. */
#ifndef __MKL_CBLAS_H__
void cblas_sgemm_batch_strided(enum CBLAS_ORDER layout, enum CBLAS_TRANSPOSE trans_a, enum CBLAS_TRANSPOSE trans_b,
                               const int m, const int n, const int k, const float alpha, const float *a, const int lda,
                               const int stride_a, const float *b, const int ldb, const int stride_b, const float beta,
                               float *c, const int ldc, const int stride_c, const int batch_size);
void cblas_dgemm_batch_strided(enum CBLAS_ORDER layout, enum CBLAS_TRANSPOSE trans_a, enum CBLAS_TRANSPOSE trans_b,
                               const int m, const int n, const int k, const double alpha, const double *a, const int lda,
                               const int stride_a, const double *b, const int ldb, const int stride_b,
                               const double beta, double *c, const int ldc, const int stride_c, const int batch_size);

/* The same functions with 64-bit integers. */
void cblas_sgemm_64(enum CBLAS_ORDER layout, enum CBLAS_TRANSPOSE trans_a, enum CBLAS_TRANSPOSE trans_b, const int64_t m,
                    const int64_t n, const int64_t k, const float alpha, const float *a, const int64_t lda,
                    const float *b, const int64_t ldb, const float beta, float *c, const int64_t ldc);
void cblas_dgemm_64(enum CBLAS_ORDER layout, enum CBLAS_TRANSPOSE trans_a, enum CBLAS_TRANSPOSE trans_b, const int64_t m,
                    const int64_t n, const int64_t k, const double alpha, const double *a, const int64_t lda,
                    const double *b, const int64_t ldb, const double beta, double *c, const int64_t ldc);
void cblas_sgemv_64(enum CBLAS_ORDER layout, enum CBLAS_TRANSPOSE trans, const int64_t m, const int64_t n,
                    const float alpha, const float *a, const int64_t lda, const float *x, const int64_t incx,
                    const float beta, float *y, const int64_t incy);
void cblas_dgemv_64(enum CBLAS_ORDER layout, enum CBLAS_TRANSPOSE trans, const int64_t m, const int64_t n,
                    const double alpha, const double *a, const int64_t lda, const double *x, const int64_t incx,
                    const double beta, double *y, const int64_t incy);
void cblas_sgemm_batch_strided_64(enum CBLAS_ORDER layout, enum CBLAS_TRANSPOSE trans_a, enum CBLAS_TRANSPOSE trans_b,
                                  const int64_t m, const int64_t n, const int64_t k, const float alpha, const float *a,
                                  const int64_t lda, const int64_t stride_a, const float *b, const int64_t ldb,
                                  const int64_t stride_b, const float beta, float *c, const int64_t ldc,
                                  const int64_t stride_c, const int64_t batch_size);
void cblas_dgemm_batch_strided_64(enum CBLAS_ORDER layout, enum CBLAS_TRANSPOSE trans_a, enum CBLAS_TRANSPOSE trans_b,
                                  const int64_t m, const int64_t n, const int64_t k, const double alpha, const double *a,
                                  const int64_t lda, const int64_t stride_a, const double *b, const int64_t ldb,
                                  const int64_t stride_b, const double beta, double *c, const int64_t ldc,
                                  const int64_t stride_c, const int64_t batch_size);
#endif

/* The number of threads that a large product may use. Below 1: as the environment says (CKE_NUM_THREADS, then OMP_NUM_THREADS and
 * the variables of other libraries). */
void cke_blas_set_num_threads(int threads);
int cke_blas_get_num_threads(void);

/* For example "0.1.0". */
const char *cke_blas_version(void);

#ifdef __cplusplus
}
#endif

#endif
