// A program whose error reporters leave the library by an exception or by longjmp, as Octave's does; link.sh compiles and runs it. With
// MKL_STYLE the reporter of CBLAS is the one that MKL declares. Prints what went wrong, if anything.
#include "fortran.h"
#include <cke_blas.h>
#include <csetjmp>
#include <cstddef>
#include <cstdio>

namespace {

int failures;

void expect(bool good, const char *what) {
    if (!good) {
        std::printf("FAILED: %s\n", what);
        failures++;
    }
}

struct BadArgument {
    int position;
};

bool jumps;
std::jmp_buf place;

[[noreturn]] void leave(int position) {
    if (jumps) std::longjmp(place, position);
    throw BadArgument{position};
}

const float ones[] = {1, 1, 1, 1};
const int zero = 0, two = 2;

void bad_cblas_gemm() {
    float c[4];
    cblas_sgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, 2, 2, 2, 1, ones, 1, ones, 2, 0, c, 2);
}

void bad_cblas_gemv() {
    float y[2];
    cblas_sgemv(CblasColMajor, CblasNoTrans, 2, 2, 1, ones, 2, ones, 0, 0, y, 1);
}

void bad_cblas_batch() {
    float c[4];
    cblas_sgemm_batch_strided(CblasColMajor, CblasNoTrans, CblasNoTrans, 2, 2, 2, 1, ones, 2, 0, ones, 2, 0, 0, c, 1, 4, 1);
}

}  // namespace

extern "C" {

#ifdef MKL_STYLE
void MKL_Get_Version(void *) {}
void cblas_xerbla(const char *, int position) { leave(position); }
#else
void cblas_xerbla(int position, const char *, const char *, ...) { leave(position); }
#endif

void xerbla_(const char *, const int *position, std::size_t) { leave(*position); }

}  // extern "C"

namespace {

void bad_fortran_gemm() {
    float c[4];
    sgemm_("N", "?", &two, &two, &two, ones, ones, &two, ones, &two, ones, c, &two, 1, 1);
}

void bad_fortran_gemv() {
    float y[2];
    sgemv_("N", &two, &two, ones, ones, &two, ones, &zero, ones, y, &two, 1);
}

struct Case {
    void (*call)();
    int position;
    const char *what;
};

const Case cases[] = {
    {bad_cblas_gemm, 9, "cblas_sgemm with a small lda"},
    {bad_cblas_gemv, 9, "cblas_sgemv with incx = 0"},
    {bad_cblas_batch, 16, "cblas_sgemm_batch_strided with a small ldc"},
    {bad_fortran_gemm, 2, "sgemm_ with an unknown transb"},
    {bad_fortran_gemv, 8, "sgemv_ with incx = 0"},
};

int caught(const Case &bad) {
    try {
        bad.call();
    } catch (const BadArgument &error) {
        return error.position;
    }
    return 0;
}

int jumped(const Case &bad) {
    const int position = setjmp(place);
    if (position == 0) bad.call();
    return position;
}

// Large enough for threads: what was left by an exception must not keep them.
void expect_a_product(const char *what) {
    enum { SIZE = 400 };
    static float a[SIZE * SIZE], c[SIZE * SIZE];
    for (float &x : a) x = 1;
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, SIZE, SIZE, SIZE, 1, a, SIZE, a, SIZE, 0, c, SIZE);
    expect(c[0] == SIZE && c[SIZE * SIZE - 1] == SIZE, what);
}

}  // namespace

int main() {
    for (const Case &bad : cases) {
        jumps = false;
        const int thrown = caught(bad);
        expect(thrown == bad.position, bad.what);
        if (thrown != bad.position) std::printf("  an exception: wanted position %d, found %d\n", bad.position, thrown);
        expect_a_product("a product after an exception");
        jumps = true;
        const int position = jumped(bad);
        expect(position == bad.position, bad.what);
        if (position != bad.position) std::printf("  longjmp: wanted position %d, found %d\n", bad.position, position);
        expect_a_product("a product after longjmp");
    }
    return failures;
}
