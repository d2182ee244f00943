/* A product of OpenBLAS some times over, on one thread, to be counted: openblas sgemm|dgemm M N K TIMES. Prints the core it was tuned for. */

#include <cblas.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static double number(size_t i) { return (double)(i * 37 % 101) / 50.0 - 1.0; }

static void *matrix(size_t count, int is_double) {
    void *numbers = malloc(count * (is_double ? sizeof(double) : sizeof(float)));
    for (size_t i = 0; numbers && i < count; i++) {
        if (is_double) {
            ((double *)numbers)[i] = number(i);
        } else {
            ((float *)numbers)[i] = (float)number(i);
        }
    }
    return numbers;
}

int main(int argc, char **argv) {
    if (argc != 6) {
        fputs("wanted sgemm|dgemm M N K TIMES\n", stderr);
        return 2;
    }
    int is_double = strcmp(argv[1], "dgemm") == 0;
    int m = atoi(argv[2]), n = atoi(argv[3]), k = atoi(argv[4]), times = atoi(argv[5]);
    void *a = matrix((size_t)m * k, is_double), *b = matrix((size_t)k * n, is_double), *c = matrix((size_t)m * n, is_double);
    if (!a || !b || !c) {
        fputs("no memory\n", stderr);
        return 1;
    }
    openblas_set_num_threads(1);
    for (int time = 0; time < times; time++) {
        if (is_double) {
            cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, m, n, k, 1.0, a, k, b, n, 0.0, c, n);
        } else {
            cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, m, n, k, 1.0f, a, k, b, n, 0.0f, c, n);
        }
    }
    puts(openblas_get_corename());
    return 0;
}
