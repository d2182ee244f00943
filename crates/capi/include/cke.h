/*
 * C-Kernel-Engine: matrix products for CPUs, with weights packed once and the steps after them fused. Made from crates/capi/src by
 * cbindgen; do not edit. Needs C99 or C++11.
 *
 *     cke_context *context;
 *     cke_plan *plan;
 *     cke_packed *packed;
 *     cke_context_create(NULL, &context);                               // the calling thread; or a pool
 *     cke_plan_create(CKE_F32, m, n, k, &plan);                         // once for each layer
 *     cke_matrix weights = { w, k, n, n, 1 };
 *     cke_pack_b(plan, &weights, &packed);                              // once for each layer
 *     cke_matrix x = { input, m, k, k, 1 };
 *     cke_matrix_mut y = { output, m, n, n, 1 };
 *     cke_status status = cke_plan_run(context, plan, &x, packed, NULL, &y);   // often
 *     if (status != CKE_OK) fprintf(stderr, "%s: %s\n", cke_error_text(status), cke_last_error());
 *
 * Errors. Every function that can fail returns a cke_status; cke_last_error() tells more. If a call fails, nothing was written,
 * unless the code says otherwise. No panic and no exception leaves the library.
 *
 * Handles. What a _create, _wrap or _pack function writes to *out belongs to the caller and is given back to the function named
 * _destroy of its kind, once; if it fails, *out is NULL. Handles do not depend on each other: they can be destroyed in any order.
 *
 * Promises of the caller. A pointer is NULL (which is an error, not a crash, unless it is said to be fine) or points to what its
 * type says: a handle that was made and not destroyed, or structs, lists and matrices whose elements can be read, or written, until
 * the call returns. What a call writes is not accessed by others during the call and overlaps nothing that it reads.
 *
 * Threads. Plans, packed weights and pools are constant and may be used by any number of threads at once, a context by one at a time.
 *
 * Results have the same bits for any number of threads and any alignment.
 */


#ifndef CKE_H
#define CKE_H

#include <stddef.h>
#include <stdint.h>

/// The version of the header. While the first number is 0, a change of the second may change the interface.
#define CKE_VERSION_MAJOR 0

/// See CKE_VERSION_MAJOR.
#define CKE_VERSION_MINOR 1

/// See CKE_VERSION_MAJOR.
#define CKE_VERSION_PATCH 0

/// What a call reports. New codes may come with later versions; treat a code that you do not know as an error.
enum cke_status
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /// Done.
    CKE_OK = 0,
    /// A pointer is NULL that must not be.
    CKE_ERROR_NULL = 1,
    /// Sizes, counts or strides do not match, or a matrix does not fit into the address space.
    CKE_ERROR_SIZE = 2,
    /// The address of a matrix is no multiple of its element's size.
    CKE_ERROR_ALIGNMENT = 3,
    /// A dtype or activation that this library does not know, or that this function does not take.
    CKE_ERROR_UNSUPPORTED = 4,
    /// Packed weights that were made for a plan with another kernel.
    CKE_ERROR_PACKED = 5,
    /// The size field of a struct is not one that this library knows: header and library do not match, or it was not set.
    CKE_ERROR_VERSION = 6,
    /// The context is in use by another call.
    CKE_ERROR_BUSY = 7,
    /// The library fails to allocate memory.
    CKE_ERROR_MEMORY = 8,
    /// The operating system gives no thread.
    CKE_ERROR_THREAD = 9,
    /// The caller's own pool did not do what it promised. What was to be written is undefined.
    CKE_ERROR_POOL = 10,
    /// The environment variable CKE_ISA or CKE_REQUIRE_ISA asks for what is not there.
    CKE_ERROR_CPU = 11,
    /// A fault of the library; please report it. What was to be written is undefined.
    CKE_ERROR_INTERNAL = 12,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum cke_status cke_status;
#else
typedef int32_t cke_status;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/// The type of a matrix's elements; of a plan, the numbers that its products are computed in.
enum cke_dtype
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /// float
    CKE_F32 = 0,
    /// double. Not of plans: only cke_gemm and cke_gemm_batch take it.
    CKE_F64 = 1,
    /// Of plans alone: weights and rows in eight bits with a scale for each 128 of K. Each such group is multiplied by a matrix of ±1
    /// before it is rounded, so that large numbers cost less precision; products stay the same. All matrices are float.
    CKE_INT8 = 2,
    /// Of plans alone: weights in four bits and rows in eight, with a scale for each 32 of K; not multiplied before. All matrices are
    /// float.
    CKE_INT4 = 3,
    /// Of plans: weights rounded to bf16. All matrices are float, but for a C that cke_plan_run_as writes in bf16 (uint16_t).
    CKE_BF16 = 4,
    /// Of plans alone: weights rounded to IEEE binary16, infinite from 65520 on. All matrices are float.
    CKE_F16 = 5,
    /// Of plans alone: as CKE_INT8, with one scale for each row and each column of weights, and nothing multiplied before: what other
    /// libraries mean by int8. All matrices are float.
    ///
    /// Choose CKE_INT8 for accuracy, since here one large number costs the precision of a whole row or column, and for few rows; this
    /// one for results as of other libraries, or if there are no such numbers: with 64 rows or more it is a few percent faster.
    CKE_INT8_CHANNEL = 6,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum cke_dtype cke_dtype;
#else
typedef int32_t cke_dtype;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/// An elementwise function. NaN gives NaN.
enum cke_activation
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /// x
    CKE_ACTIVATION_NONE = 0,
    /// max(x, 0)
    CKE_ACTIVATION_RELU = 1,
    /// x · Φ(x) with the normal distribution function Φ
    CKE_ACTIVATION_GELU = 2,
    /// x/2 · (1 + tanh(√(2/π) · (x + 0.044715 · x³))), the approximation of GELU that GPT-2 uses
    CKE_ACTIVATION_GELU_TANH = 3,
    /// x / (1 + exp(−x)), also called swish
    CKE_ACTIVATION_SILU = 4,
    /// tanh x
    CKE_ACTIVATION_TANH = 5,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum cke_activation cke_activation;
#else
typedef int32_t cke_activation;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/// The kernel for batch-reduce products of one shape, chosen once. Constant: any number of threads may use it at once.
typedef struct cke_brgemm cke_brgemm;

/// Threads and working memory for calls. Memory grows to the largest demand and is then reused: no allocation in the steady state.
///
/// One call at a time: a second one at the same time gets CKE_ERROR_BUSY. Give each calling thread a context of its own; they may
/// share a pool.
typedef struct cke_context cke_context;

/// B (k, n) as a plan's kernel reads it. Constant: any number of threads may use it at once. It does not refer to the plan or to the
/// matrix that it was made from.
typedef struct cke_packed cke_packed;

/// The kernel for products with one B (k, n), chosen once. Constant: any number of threads may use it at once.
typedef struct cke_plan cke_plan;

/// Threads to spread work over. Contexts that share a pool may be used from several threads at once; their calls take turns.
typedef struct cke_pool cke_pool;

/// One task, to be called by a caller's own pool: `work(ctx, task, worker)`. Any thread may call it.
typedef void (*cke_work)(void *ctx, size_t task, size_t worker);

/// A caller's own pool of threads.
typedef struct cke_own_pool {
    /// sizeof(struct cke_own_pool), so that later versions can tell which fields there are.
    size_t size;
    /// Passed to `run`; the library does not look at it.
    void *pool;
    /// The most tasks that run at once, from 1 to 1024.
    size_t threads;
    /// Calls `work(ctx, task, worker)` exactly once for each task in 0 … tasks − 1, in any order, and returns when all have
    /// returned. worker is below `threads`, and no two calls that run at once have the same one. May be called from several threads at
    /// once if several contexts use the pool. It returns: if it leaves by an exception, the process is ended, since tasks may still
    /// be running; nor may it leave by longjmp.
    void (*run)(void *pool, size_t tasks, cke_work work, void *ctx);
} cke_own_pool;

/// A matrix to read: element (i, j) stands i · row_stride + j · col_stride elements after data.
///
/// Row-major without gaps is { data, rows, cols, cols, 1 }, its transpose { data, cols, rows, 1, cols }; a leading dimension is the
/// row stride of a row-major matrix and the column stride of a column-major one. Strides may be 0. If rows or cols is 0, data
/// may be NULL.
typedef struct cke_matrix {
    /// The first element.
    const void *data;
    /// Number of rows.
    size_t rows;
    /// Number of columns.
    size_t cols;
    /// Elements from one row to the next.
    size_t row_stride;
    /// Elements from one column to the next.
    size_t col_stride;
} cke_matrix;

/// C = activation(scale · sums + bias) + residual, applied while the sums are still in registers or the first cache level.
///
/// With all fields but size 0 or NULL it leaves the sums as they are:
/// `cke_epilogue epilogue = {0}; epilogue.size = sizeof epilogue; epilogue.bias = bias;`
typedef struct cke_epilogue {
    /// sizeof(struct cke_epilogue), so that later versions can tell which fields there are.
    size_t size;
    /// Factors on the sums: scale_count of them. NULL for none.
    const float *scale;
    /// 1 for one factor for all, n for one per column.
    size_t scale_count;
    /// Added to every row: n elements. NULL for none.
    const float *bias;
    /// Applied elementwise.
    cke_activation activation;
    /// Added last: (m, n), columns contiguous, no overlap with C. NULL for none.
    const float *residual;
    /// Elements from one row of the residual to the next.
    size_t residual_row_stride;
} cke_epilogue;

/// A matrix to write: as cke_matrix, but no two elements share a place, and one stride steps over all that the other one spans.
typedef struct cke_matrix_mut {
    /// The first element.
    void *data;
    /// Number of rows.
    size_t rows;
    /// Number of columns.
    size_t cols;
    /// Elements from one row to the next.
    size_t row_stride;
    /// Elements from one column to the next.
    size_t col_stride;
} cke_matrix_mut;

/// `count` matrices to read, of one shape and one pair of strides. Matrix i starts
///
/// - by address: at addresses[i], if addresses is not NULL;
/// - by offset: offsets[i] elements after data, if addresses is NULL and offsets is not;
/// - by stride: i · stride elements after data, if both are NULL. A stride of 0 repeats one matrix.
typedef struct cke_matrices {
    /// Number of matrices.
    size_t count;
    /// Rows of each.
    size_t rows;
    /// Columns of each.
    size_t cols;
    /// Elements from one row to the next.
    size_t row_stride;
    /// Elements from one column to the next.
    size_t col_stride;
    /// The first element, by offset and by stride.
    const void *data;
    /// Elements from one matrix to the next, by stride.
    size_t stride;
    /// `count` addresses, or NULL.
    const void *const *addresses;
    /// `count` offsets in elements, or NULL.
    const size_t *offsets;
} cke_matrices;

/// As cke_matrices, to write: no two matrices share an element. They may be interleaved, like heads side by side in each row.
typedef struct cke_matrices_mut {
    /// Number of matrices.
    size_t count;
    /// Rows of each.
    size_t rows;
    /// Columns of each.
    size_t cols;
    /// Elements from one row to the next.
    size_t row_stride;
    /// Elements from one column to the next.
    size_t col_stride;
    /// The first element, by offset and by stride.
    void *data;
    /// Elements from one matrix to the next, by stride.
    size_t stride;
    /// `count` addresses, or NULL.
    void *const *addresses;
    /// `count` offsets in elements, or NULL.
    const size_t *offsets;
} cke_matrices_mut;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/// The version of the library that the program runs with: major · 1000000 + minor · 1000 + patch.
uint32_t cke_version(void);

/// What a status means, in a few English words; never NULL, never freed. Any number is accepted.
const char *cke_error_text(int32_t status);

/// What was wrong with the last call of this thread that failed, with names and numbers, in UTF-8. Never NULL; empty if none
/// has failed. Valid until the next failing call of the same thread.
const char *cke_last_error(void);

/// Starts a pool of `threads` threads, the calling one among them, so threads − 1 are started; 0 means the number in the first of
/// the environment variables CKE_NUM_THREADS, OMP_NUM_THREADS, OPENBLAS_NUM_THREADS, MKL_NUM_THREADS and BLIS_NUM_THREADS that has
/// one, else one for each core that this process may use.
///
/// Idle threads spin for about 50 µs and then sleep. More than 1024 threads are CKE_ERROR_SIZE, and none is started.
cke_status cke_pool_create(size_t threads,
                           struct cke_pool **out);

/// Makes a pool of the caller's own threads. The struct is copied; what its `pool` points to has to live until the pool and all
/// contexts made with it are destroyed.
cke_status cke_pool_wrap(const struct cke_own_pool *own,
                         struct cke_pool **out);

/// The number of threads; 0 if pool is NULL.
size_t cke_pool_threads(const struct cke_pool *pool);

/// Destroys a pool. Its threads end with the last context that was made with it. NULL is fine.
void cke_pool_destroy(struct cke_pool *pool);

/// Makes a context. pool NULL means the calling thread alone.
cke_status cke_context_create(const struct cke_pool *pool, struct cke_context **out);

/// Destroys a context. NULL is fine.
void cke_context_destroy(struct cke_context *context);

/// Makes a plan for C (m, n) = activation(scale · A (m, k) · B (k, n) + bias) + residual.
///
/// m is about the most rows that a call will have; calls may have any number. dtype is CKE_F32; or CKE_BF16 or CKE_F16, CKE_INT8 or
/// CKE_INT8_CHANNEL, or CKE_INT4 for weights in about a half, a quarter or an eighth of the memory.
cke_status cke_plan_create(cke_dtype dtype,
                           size_t m,
                           size_t n,
                           size_t k,
                           struct cke_plan **out);

/// Destroys a plan. NULL is fine; packed weights stay.
void cke_plan_destroy(struct cke_plan *plan);

/// Packs B (k, n), with any strides, for a plan. B is not used afterwards.
///
/// Plans whose kernels have panels of the same width can share packed weights of the same k and n; other plans refuse them with
/// CKE_ERROR_PACKED.
cke_status cke_pack_b(const struct cke_plan *plan,
                      const struct cke_matrix *b,
                      struct cke_packed **out);

/// Bytes of memory that packed weights hold; 0 for NULL.
size_t cke_packed_bytes(const struct cke_packed *packed);

/// Destroys packed weights. NULL is fine.
void cke_packed_destroy(struct cke_packed *packed);

/// C (m, n) = activation(scale · A (m, k) · B (k, n) + bias) + residual. A and C have any strides and any m; C is not read.
///
/// epilogue may be NULL for C = A · B. A row of C has the same bits whatever the other rows are, for any number of threads and any
/// alignment.
cke_status cke_plan_run(const struct cke_context *context,
                        const struct cke_plan *plan,
                        const struct cke_matrix *a,
                        const struct cke_packed *b,
                        const struct cke_epilogue *epilogue,
                        const struct cke_matrix_mut *c);

/// As cke_plan_run, with C as elements of a type: of CKE_F32, or of CKE_BF16 (uint16_t), to which each result is rounded as it leaves
/// the caches: to nearest, ties to even.
cke_status cke_plan_run_as(const struct cke_context *context,
                           const struct cke_plan *plan,
                           const struct cke_matrix *a,
                           const struct cke_packed *b,
                           const struct cke_epilogue *epilogue,
                           cke_dtype c_dtype,
                           const struct cke_matrix_mut *c);

/// C (m, n) = alpha · A (m, k) · B (k, n) + beta · C, with any strides; all matrices are of dtype, CKE_F32 or CKE_F64, in which alpha
/// and beta are rounded first.
///
/// If beta is 0, C is not read; if alpha is 0 or k is 0, A and B are not. Bits do not depend on threads or alignment.
cke_status cke_gemm(const struct cke_context *context,
                    cke_dtype dtype,
                    double alpha,
                    const struct cke_matrix *a,
                    const struct cke_matrix *b,
                    double beta,
                    const struct cke_matrix_mut *c);

/// C[i] (m, n) = alpha · A[i] (m, k) · B[i] (k, n) + beta · C[i] for each i: independent products, many heads in one call, spread
/// over the threads. The three counts are equal; none at all is fine.
///
/// Otherwise as cke_gemm, which gives each product the same bits.
cke_status cke_gemm_batch(const struct cke_context *context,
                          cke_dtype dtype,
                          double alpha,
                          const struct cke_matrices *a,
                          const struct cke_matrices *b,
                          double beta,
                          const struct cke_matrices_mut *c);

/// Makes a plan for C (m, n) = activation(scale · (beta · C + Σ A[i] (m, k) · B[i] (k, n)) + bias) + residual. dtype is CKE_F32.
cke_status cke_brgemm_create(cke_dtype dtype,
                             size_t m,
                             size_t n,
                             size_t k,
                             struct cke_brgemm **out);

/// Destroys a batch-reduce plan. NULL is fine.
void cke_brgemm_destroy(struct cke_brgemm *brgemm);

/// C (m, n) = activation(scale · (beta · C + Σ A[i] (m, k) · B[i] (k, n)) + bias) + residual, summed over all matrices of A and B, of
/// which there are as many, by address, offset or stride; none at all is fine.
///
/// A has any strides; the columns of B and of C are contiguous (col_stride 1). If beta is 0, C is not read. epilogue may
/// be NULL. Blocks are summed in their order, each from k = 0 up, so that the bits are those of one long product.
cke_status cke_brgemm_run(const struct cke_context *context,
                          const struct cke_brgemm *brgemm,
                          const struct cke_matrices *a,
                          const struct cke_matrices *b,
                          double beta,
                          const struct cke_epilogue *epilogue,
                          const struct cke_matrix_mut *c);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* CKE_H */
