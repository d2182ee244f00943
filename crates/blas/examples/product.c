/* C (2, 2) = A (2, 3) * B (3, 2), as with any CBLAS. */
#include <cke_blas.h>
#include <stdio.h>

int main(void) {
    const float a[] = {1, 2, 3, 4, 5, 6}, b[] = {1, 0, 0, 1, 1, 1};
    float c[4];
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, 2, 2, 3, 1, a, 3, b, 2, 0, c, 2);
    printf("%g %g\n%g %g\n", c[0], c[1], c[2], c[3]);
    return 0;
}
