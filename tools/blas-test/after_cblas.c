/* Ordinary CBLAS code with another library's header before cke_blas.h. HEADER is that header; headers.sh compiles it as C and as C++. */
#include HEADER
#include <cke_blas.h>

void multiply(const float *a, float *c, const double *x, double *y);

void multiply(const float *a, float *c, const double *x, double *y) {
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, 2, 2, 2, 1, a, 2, a, 2, 0, c, 2);
    cblas_dgemv(CblasColMajor, CblasConjTrans, 2, 2, 1, x, 2, x, 1, 0, y, 1);
    cblas_sgemm_batch_strided(CblasRowMajor, CblasNoTrans, CblasTrans, 2, 2, 2, 1, a, 2, 0, a, 2, 0, 0, c, 2, 4, 1);
    cblas_dgemm_64(CblasRowMajor, CblasNoTrans, CblasTrans, 1, 1, 2, 1, x, 2, x, 2, 0, y, 1);
    y[0] += cblas_ddot(2, x, 1, x, 1); /* the other header's alone */
    cke_blas_set_num_threads(cke_blas_get_num_threads());
}
