/*
 * A program's own threads instead of the library's: three fields and a function. The pool here starts its threads for each call, to
 * be short; a real one would keep them.
 *
 *     cc own_pool.c $(pkg-config --cflags --libs cke) -pthread && ./a.out
 */
#include <cke.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 4, SIZE = 300 };

struct job {
    atomic_size_t next;
    size_t tasks;
    cke_work work;
    void *ctx;
};

struct worker {
    struct job *job;
    size_t index;
};

static void *take_tasks(void *argument)
{
    struct worker *worker = argument;
    struct job *job = worker->job;
    for (size_t task; (task = atomic_fetch_add(&job->next, 1)) < job->tasks;) {
        job->work(job->ctx, task, worker->index);
    }
    return NULL;
}

/* ANCHOR: run */
/* What the library calls: every task once, each worker number on one thread at a time, back when all are done. */
static void run(void *pool, size_t tasks, cke_work work, void *ctx)
{
    struct job job = {0, tasks, work, ctx};
    struct worker workers[THREADS];
    pthread_t threads[THREADS];
    size_t started = 1; /* the calling thread is worker 0 */
    for (size_t i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){&job, i};
    }
    while (started < THREADS && pthread_create(&threads[started], NULL, take_tasks, &workers[started]) == 0) {
        started++;
    }
    take_tasks(&workers[0]);
    for (size_t i = 1; i < started; i++) {
        pthread_join(threads[i], NULL);
    }
    ++*(unsigned *)pool;
}
/* ANCHOR_END: run */

static void check(cke_status status)
{
    if (status != CKE_OK) {
        fprintf(stderr, "%s: %s\n", cke_error_text(status), cke_last_error());
        exit(1);
    }
}

static float a[SIZE * SIZE], b[SIZE * SIZE], alone[SIZE * SIZE], together[SIZE * SIZE];

static void product(const cke_pool *pool, float *c)
{
    cke_context *context;
    cke_matrix left = {a, SIZE, SIZE, SIZE, 1}, right = {b, SIZE, SIZE, SIZE, 1};
    cke_matrix_mut place = {c, SIZE, SIZE, SIZE, 1};
    check(cke_context_create(pool, &context));
    check(cke_gemm(context, CKE_F32, 1, &left, &right, 0, &place));
    cke_context_destroy(context);
}

int main(void)
{
    for (size_t i = 0; i < SIZE * SIZE; i++) {
        a[i] = (float)(i % 19) / 19;
        b[i] = (float)(i % 23) / 23;
    }
    /* ANCHOR: wrap */
    unsigned calls = 0;
    cke_own_pool own = {sizeof own, &calls, THREADS, run};
    cke_pool *pool;
    check(cke_pool_wrap(&own, &pool));
    /* ANCHOR_END: wrap */
    product(pool, together);
    product(NULL, alone);
    cke_pool_destroy(pool);

    int same = memcmp(alone, together, sizeof alone) == 0;
    printf("own_pool: called %u times; %s bits as on one thread\n", calls, same ? "the same" : "other");
    return same && calls > 0 ? 0 : 1;
}
