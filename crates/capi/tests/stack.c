/* Threads with a small stack through cke.h: each call, from pools to products to errors, each on a thread of its own, over shapes that take
 * each way through the library. A call may use 8 KiB. Prints the largest use, and what went wrong, if anything.
 *
 * stack THREADS: with a pool of this many threads, 0 for none. */
#define _GNU_SOURCE
#include "stack.h"
#include <cke.h>
#include <stdio.h>

enum { MAX_ELEMENTS = 1 << 20 };

static double a[MAX_ELEMENTS], b[MAX_ELEMENTS], c[MAX_ELEMENTS];
static size_t m, n, k, threads;
static int trans_a, trans_b;
static cke_pool *pool;
static cke_context *context;
static cke_plan *plan;
static cke_packed *packed;
static cke_brgemm *brgemm;

static cke_matrix matrix_a(void) { return (cke_matrix){a, m, k, trans_a ? 1 : k, trans_a ? m : 1}; }
static cke_matrix matrix_b(void) { return (cke_matrix){b, k, n, trans_b ? 1 : n, trans_b ? k : 1}; }
static cke_matrix_mut matrix_c(void) { return (cke_matrix_mut){c, m, n, n, 1}; }
static cke_matrices matrices(const double *data, size_t rows, size_t cols) {
    return (cke_matrices){.count = 3, .rows = rows, .cols = cols, .row_stride = cols, .col_stride = 1, .data = data};
}

static cke_status create_pool(void) { return threads > 0 ? cke_pool_create(threads, &pool) : CKE_OK; }
static cke_status create_context(void) { return cke_context_create(pool, &context); }
static cke_status create_plan(void) { return cke_plan_create(CKE_F32, m, n, k, &plan); }
static cke_status create_brgemm(void) { return cke_brgemm_create(CKE_F32, m, n, k, &brgemm); }

static cke_status pack(void) {
    const cke_matrix right = matrix_b();
    return cke_pack_b(plan, &right, &packed);
}

static cke_status run_plan(void) {
    const cke_matrix left = matrix_a();
    const cke_matrix_mut out = matrix_c();
    const cke_epilogue epilogue = {.size = sizeof epilogue, .bias = (const float *)a, .activation = CKE_ACTIVATION_GELU};
    return cke_plan_run(context, plan, &left, packed, &epilogue, &out);
}

static cke_status run_plan_as_bf16(void) {
    const cke_matrix left = matrix_a();
    const cke_matrix_mut out = matrix_c();
    return cke_plan_run_as(context, plan, &left, packed, NULL, CKE_BF16, &out);
}

static cke_status multiply(cke_dtype type) {
    const cke_matrix left = matrix_a(), right = matrix_b();
    const cke_matrix_mut out = matrix_c();
    return cke_gemm(context, type, 1, &left, &right, 0.5, &out);
}
static cke_status gemm_f32(void) { return multiply(CKE_F32); }
static cke_status gemm_f64(void) { return multiply(CKE_F64); }

static cke_status multiply_batch(cke_dtype type) {
    const cke_matrices left = matrices(a, m, k), right = matrices(b, k, n);
    const cke_matrices_mut out = {.count = 3, .rows = m, .cols = n, .row_stride = n, .col_stride = 1, .data = c, .stride = m * n};
    return cke_gemm_batch(context, type, 1, &left, &right, 0.5, &out);
}
static cke_status batch_f32(void) { return multiply_batch(CKE_F32); }
static cke_status batch_f64(void) { return multiply_batch(CKE_F64); }

static cke_status run_brgemm(void) {
    const cke_matrices left = matrices(a, m, k), right = matrices(b, k, n);
    const cke_matrix_mut out = matrix_c();
    return cke_brgemm_run(context, brgemm, &left, &right, 0.5, NULL, &out);
}

/* What fails is described in a message. */
static cke_status fail(void) {
    const cke_matrix left = matrix_a();
    cke_matrix right = matrix_b();
    const cke_matrix_mut out = matrix_c();
    right.rows++;
    cke_pool *none;
    const int failed = cke_gemm(context, CKE_F32, 1, &left, &right, 0, &out) != CKE_OK && cke_last_error()[0] != 0;
    return failed && cke_pool_create(1000000, &none) == CKE_ERROR_SIZE ? CKE_OK : CKE_ERROR_INTERNAL;
}

static cke_status destroy_all(void) {
    cke_context_destroy(context);
    cke_pool_destroy(pool);
    cke_plan_destroy(plan);
    cke_packed_destroy(packed);
    cke_brgemm_destroy(brgemm);
    pool = NULL;
    return CKE_OK;
}

static cke_status do_nothing(void) { return CKE_OK; }

struct step {
    cke_status (*call)(void);
    const char *name;
    cke_status status;
};

static struct step steps[] = {
    {create_pool, "cke_pool_create", CKE_OK}, {create_context, "cke_context_create", CKE_OK}, {gemm_f32, "cke_gemm", CKE_OK},
    {gemm_f64, "cke_gemm, f64", CKE_OK},      {batch_f32, "cke_gemm_batch", CKE_OK},          {batch_f64, "cke_gemm_batch, f64", CKE_OK},
    {create_plan, "cke_plan_create", CKE_OK}, {pack, "cke_pack_b", CKE_OK},                   {run_plan, "cke_plan_run", CKE_OK},
    {run_plan_as_bf16, "cke_plan_run_as, bf16", CKE_OK},
    {create_brgemm, "cke_brgemm_create", CKE_OK}, {run_brgemm, "cke_brgemm_run", CKE_OK},     {fail, "a call that fails", CKE_OK},
    {destroy_all, "the destructors", CKE_OK},
};

static void *run(void *argument) {
    struct step *step = argument;
    step->status = step->call();
    return NULL;
}

int main(int arguments, char **argument) {
    static const size_t shapes[][3] = {{1, 1, 1},     {3, 5, 7},     {17, 33, 65},  {64, 64, 64},    {200, 300, 250}, {1, 500, 300}, {500, 1, 300},
                                       {2, 700, 300}, {13, 14, 2},   {30, 400, 400}, {400, 16, 700}, {8, 8, 3000},    {400, 400, 4}};
    if (arguments != 2) return fprintf(stderr, "usage: stack THREADS\n"), 2;
    threads = strtoul(argument[1], NULL, 10);
    struct step nothing = {do_nothing, "nothing", CKE_OK};
    stack_of_thread(run, &nothing); /* The first thread has the loader bind what it calls. */
    const size_t thread_itself = stack_of_thread(run, &nothing);
    size_t largest = 0;
    const char *largest_name = "";
    int failures = 0;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int way = 0; way < 4; way++) {
            m = shapes[i][0], n = shapes[i][1], k = shapes[i][2], trans_a = way & 1, trans_b = way & 2;
            for (size_t j = 0; j < sizeof steps / sizeof *steps; j++) {
                const size_t use = stack_of_thread(run, &steps[j]) - thread_itself;
                if (use > largest) largest = use, largest_name = steps[j].name;
                if (use <= STACK_LIMIT && steps[j].status == CKE_OK) continue;
                failures++;
                printf("FAILED: %s, %zux%zux%zu: %zu bytes of stack, %s\n", steps[j].name, m, n, k, use, cke_error_text(steps[j].status));
            }
        }
    printf("at most %zu bytes of stack a call: %s; a thread without one: %zu\n", largest, largest_name, thread_itself);
    return failures != 0;
}
