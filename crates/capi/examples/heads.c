/*
 * Many heads in one call, and a sum over blocks in another.
 *
 * scores[h] (tokens, tokens) = q[h] (tokens, width) · k[h]ᵀ for each head h, the heads side by side in rows of q and k;
 * then, as a check, Σ scores[h] as one batch-reduce product.
 *
 *     cc heads.c $(pkg-config --cflags --libs cke) -lm && ./a.out
 */
#include <cke.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { HEADS = 12, TOKENS = 50, WIDTH = 64, ROW = HEADS * WIDTH };

static float q[TOKENS * ROW], k[TOKENS * ROW], k_transposed[ROW * TOKENS];
static float scores[HEADS * TOKENS * TOKENS], sum[TOKENS * TOKENS];

static void check(cke_status status)
{
    if (status != CKE_OK) {
        fprintf(stderr, "%s: %s\n", cke_error_text(status), cke_last_error());
        exit(1);
    }
}

int main(void)
{
    for (size_t i = 0; i < TOKENS; i++) {
        for (size_t p = 0; p < ROW; p++) {
            q[i * ROW + p] = (float)((i * 7 + p) % 13) / 13 - 0.5f;
            k[i * ROW + p] = (float)((i * 5 + p) % 11) / 11 - 0.5f;
            k_transposed[p * TOKENS + i] = k[i * ROW + p];
        }
    }

    cke_pool *pool;
    cke_context *context;
    check(cke_pool_create(0, &pool));
    check(cke_context_create(pool, &context));

    /* count, rows, cols, row stride, column stride, first element, elements from one head to the next, no lists */
    cke_matrices each_q = {HEADS, TOKENS, WIDTH, ROW, 1, q, WIDTH, NULL, NULL};
    cke_matrices each_k = {HEADS, WIDTH, TOKENS, 1, ROW, k, WIDTH, NULL, NULL};
    cke_matrices_mut each_score = {HEADS, TOKENS, TOKENS, TOKENS, 1, scores, TOKENS * TOKENS, NULL, NULL};
    check(cke_gemm_batch(context, CKE_F32, 1, &each_q, &each_k, 0, &each_score));

    /* The columns of a batch-reduce B are next to each other, so it takes kᵀ; here by the address of each block. */
    const void *blocks[HEADS];
    for (size_t h = 0; h < HEADS; h++) {
        blocks[h] = k_transposed + h * WIDTH * TOKENS;
    }
    cke_brgemm *brgemm;
    cke_matrices each_k_block = {HEADS, WIDTH, TOKENS, TOKENS, 1, NULL, 0, blocks, NULL};
    cke_matrix_mut total = {sum, TOKENS, TOKENS, TOKENS, 1};
    check(cke_brgemm_create(CKE_F32, TOKENS, TOKENS, WIDTH, &brgemm));
    check(cke_brgemm_run(context, brgemm, &each_q, &each_k_block, 0, NULL, &total));

    double worst = 0;
    for (size_t i = 0; i < TOKENS * TOKENS; i++) {
        double wanted = 0;
        for (size_t h = 0; h < HEADS; h++) {
            wanted += (double)scores[h * TOKENS * TOKENS + i];
        }
        worst = fmax(worst, fabs((double)sum[i] - wanted));
    }
    printf("heads: %d products in one call; their sum in another differs by at most %.1e\n", HEADS, worst);

    cke_brgemm_destroy(brgemm);
    cke_context_destroy(context);
    cke_pool_destroy(pool);
    return worst < 1e-4 ? 0 : 1;
}
