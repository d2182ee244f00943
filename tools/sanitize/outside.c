/* A product whose B is one element too short, which AddressSanitizer has to find; address.sh compiles and runs it. */
#include <cke_blas.h>
#include <stdlib.h>

int main(void) {
    enum { n = 64 };
    float *a = calloc(n * n, sizeof *a), *b = calloc(n * n - 1, sizeof *b), *c = calloc(n * n, sizeof *c);
    cblas_sgemm(101, 111, 111, n, n, n, 1, a, n, b, n, 0, c, n);
    free(a), free(b), free(c);
    return 0;
}
