/* Threads with a small stack: every routine, over shapes that take each way through the library, as the first call of a process and as
 * a later one; and bad arguments, which are reported. link.sh compiles and runs it. Each call may use 8 KiB. Prints the largest use, and
 * what went wrong, if anything. */
#define _GNU_SOURCE
#include "fortran.h"
#include "stack.h"
#include <cke_blas.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_ELEMENTS = 1 << 20 };

static double a[MAX_ELEMENTS], b[MAX_ELEMENTS], c[MAX_ELEMENTS];

enum routine { SGEMM, DGEMM, SGEMV, DGEMV, SBATCH, DBATCH, FORTRAN_S, FORTRAN_D, FORTRAN_GEMV, BAD, FORTRAN_BAD, THREADS, NOTHING };
enum { ROUTINES = BAD, ALL_CALLS = NOTHING }; /* BAD and what follows are the same for every shape */
static const char *const names[] = {"cblas_sgemm", "cblas_dgemm", "cblas_sgemv", "cblas_dgemv", "cblas_sgemm_batch_strided",
                                    "cblas_dgemm_batch_strided", "sgemm_", "dgemm_", "sgemv_", "cblas_sgemm with m = -1",
                                    "sgemm_ with an unknown transa", "openblas_set_num_threads", "nothing"};

void openblas_set_num_threads(int threads);
int openblas_get_num_threads(void);

struct call {
    enum routine routine;
    int m, n, k;
    CBLAS_TRANSPOSE trans_a, trans_b;
    double beta;
};

static void multiply(const struct call *call) {
    const int m = call->m, n = call->n, k = call->k;
    const CBLAS_TRANSPOSE ta = call->trans_a, tb = call->trans_b;
    const int lda = ta == CblasNoTrans ? k : m, ldb = tb == CblasNoTrans ? n : k, minus_two = -2;
    const double beta = call->beta, one = 1;
    const float beta_s = (float)beta, one_s = 1;
    /* Column-major, so A and B change places. */
    const char *letter_a = ta == CblasNoTrans ? "N" : "T", *letter_b = tb == CblasNoTrans ? "N" : "T";
    float *as = (float *)a, *bs = (float *)b, *cs = (float *)c;
    switch (call->routine) {
    case SGEMM: cblas_sgemm(CblasRowMajor, ta, tb, m, n, k, 1, as, lda, bs, ldb, beta_s, cs, n); break;
    case DGEMM: cblas_dgemm(CblasRowMajor, ta, tb, m, n, k, 1, a, lda, b, ldb, beta, c, n); break;
    case SGEMV: cblas_sgemv(CblasRowMajor, ta, m, k, 1, as, k, bs, 1, beta_s, cs, 1); break;
    case DGEMV: cblas_dgemv(CblasRowMajor, ta, m, k, 1, a, k, b, 2, beta, c, 1); break;
    case SBATCH: cblas_sgemm_batch_strided(CblasRowMajor, ta, tb, m, n, k, 1, as, lda, 0, bs, ldb, 0, beta_s, cs, n, m * n, 3); break;
    case DBATCH: cblas_dgemm_batch_strided(CblasRowMajor, ta, tb, m, n, k, 1, a, lda, 0, b, ldb, 0, beta, c, n, m * n, 3); break;
    case FORTRAN_S: sgemm_(letter_b, letter_a, &n, &m, &k, &one_s, bs, &ldb, as, &lda, &beta_s, cs, &n, 1, 1); break;
    case FORTRAN_D: dgemm_(letter_b, letter_a, &n, &m, &k, &one, b, &ldb, a, &lda, &beta, c, &n, 1, 1); break;
    case FORTRAN_GEMV: sgemv_(letter_a, &k, &m, &one_s, as, &k, bs, &minus_two, &beta_s, cs, &minus_two, 1); break;
    case BAD: cblas_sgemm(CblasRowMajor, ta, tb, -1, n, k, 1, as, lda, bs, ldb, beta_s, cs, n); break;
    case FORTRAN_BAD: sgemm_("?", letter_a, &n, &m, &k, &one_s, bs, &ldb, as, &lda, &beta_s, cs, &n, 1, 1); break;
    case THREADS: openblas_set_num_threads(openblas_get_num_threads()); break;
    case NOTHING: break;
    }
}

static void *run(void *call) {
    multiply(call);
    return NULL;
}

static size_t thread_itself, largest;
static struct call largest_call;

/* The same twice, in a process of its own; the exit status is the use in units of 64 bytes, 255 where it is too much. */
static int in_child(struct call *call) {
    if ((int)call->routine >= ROUTINES && freopen("/dev/null", "w", stderr) == NULL) abort();
    size_t most = 0;
    for (int i = 0; i < 2; i++) {
        const size_t use = stack_of_thread(run, call) - thread_itself;
        if (use > most) most = use;
    }
    return most > STACK_LIMIT ? 255 : (int)((most + 63) / 64);
}

static int check(struct call call) {
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) _exit(in_child(&call));
    int status = 0;
    waitpid(child, &status, 0);
    const int units = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    if (units >= 0 && units < 255) {
        if ((size_t)units * 64 > largest) {
            largest = (size_t)units * 64;
            largest_call = call;
        }
        return 0;
    }
    printf("FAILED: %s %dx%dx%d, transposes %d and %d, beta %g: ", names[call.routine], call.m, call.n, call.k, call.trans_a, call.trans_b,
           call.beta);
    if (units == 255) printf("more than %d bytes of stack\n", STACK_LIMIT);
    else printf("signal %d\n", WTERMSIG(status));
    return 1;
}

int main(void) {
    static const int shapes[][3] = {{1, 1, 1},     {3, 5, 7},      {6, 16, 400},   {17, 33, 65},   {64, 64, 64},   {127, 127, 127},
                                    {200, 300, 250}, {1, 500, 300}, {500, 1, 300},  {2, 700, 300},  {4, 500, 500},  {13, 14, 2},
                                    {30, 400, 400}, {400, 16, 700}, {8, 8, 3000},   {400, 400, 4},  {33, 500, 77}};
    struct call nothing = {NOTHING, 0, 0, 0, CblasNoTrans, CblasNoTrans, 0};
    stack_of_thread(run, &nothing); /* The first thread has the loader bind what it calls. */
    thread_itself = stack_of_thread(run, &nothing);
    int failures = 0;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int routine = 0; routine < ROUTINES; routine++)
            for (int way = 0; way < 8; way++) {
                struct call call = {(enum routine)routine, shapes[i][0], shapes[i][1], shapes[i][2],
                                    way & 1 ? CblasTrans : CblasNoTrans, way & 2 ? CblasTrans : CblasNoTrans, way & 4 ? 2 : 0};
                failures += check(call);
            }
    for (int routine = ROUTINES; routine < ALL_CALLS; routine++) {
        const struct call call = {(enum routine)routine, 2, 2, 2, CblasNoTrans, CblasNoTrans, 0};
        failures += check(call);
    }
    if (failures == 0)
        printf("at most %zu bytes of stack a call: %s %dx%dx%d; a thread without one: %zu\n", largest, names[largest_call.routine],
               largest_call.m, largest_call.n, largest_call.k, thread_itself);
    return failures != 0;
}
