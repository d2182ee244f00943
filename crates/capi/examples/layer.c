/*
 * A linear layer with its weights packed once: y (m, outputs) = GELU(x (m, inputs) · Wᵀ + bias) + x, W (outputs, inputs) as most
 * checkpoints store it. Compares some elements with a plain loop.
 *
 *     cc layer.c $(pkg-config --cflags --libs cke) -lm && ./a.out
 */
#include <cke.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROWS = 128, INPUTS = 768, OUTPUTS = 768 };

/* ANCHOR: check */
static void check(cke_status status)
{
    if (status != CKE_OK) {
        fprintf(stderr, "%s: %s\n", cke_error_text(status), cke_last_error());
        exit(1);
    }
}
/* ANCHOR_END: check */

static float *pattern(size_t count, size_t period, float scale)
{
    float *data = malloc(count * sizeof *data);
    if (data == NULL) {
        exit(1);
    }
    for (size_t i = 0; i < count; i++) {
        data[i] = ((float)(i % period) - (float)(period / 2)) * scale;
    }
    return data;
}

static double plain(const float *x, const float *w, const float *bias, size_t i, size_t j)
{
    double sum = bias[j];
    for (size_t p = 0; p < INPUTS; p++) {
        sum += (double)x[i * INPUTS + p] * (double)w[j * INPUTS + p];
    }
    return sum / 2 * (1 + erf(sum / sqrt(2))) + (double)x[i * INPUTS + j];
}

int main(void)
{
    float *w = pattern((size_t)OUTPUTS * INPUTS, 17, 0.01f);
    float *bias = pattern(OUTPUTS, 5, 0.1f);
    float *x = pattern((size_t)ROWS * INPUTS, 29, 0.1f);
    float *y = pattern((size_t)ROWS * OUTPUTS, 1, 0);

    /* ANCHOR: layer */
    /* Once for the program, and once for each layer. */
    cke_pool *pool;
    cke_context *context;
    cke_plan *plan;
    cke_packed *packed;
    cke_matrix weights = {w, INPUTS, OUTPUTS, 1, INPUTS}; /* Wᵀ: the strides exchanged */
    check(cke_pool_create(0, &pool));
    check(cke_context_create(pool, &context));
    check(cke_plan_create(CKE_F32, ROWS, OUTPUTS, INPUTS, &plan));
    check(cke_pack_b(plan, &weights, &packed));

    /* As often as there is input. */
    cke_epilogue epilogue = {0};
    epilogue.size = sizeof epilogue;
    epilogue.bias = bias;
    epilogue.activation = CKE_ACTIVATION_GELU;
    epilogue.residual = x;
    epilogue.residual_row_stride = INPUTS;
    cke_matrix input = {x, ROWS, INPUTS, INPUTS, 1};
    cke_matrix_mut output = {y, ROWS, OUTPUTS, OUTPUTS, 1};
    check(cke_plan_run(context, plan, &input, packed, &epilogue, &output));
    /* ANCHOR_END: layer */

    double worst = 0;
    for (size_t i = 0; i < ROWS; i += 31) {
        for (size_t j = 0; j < OUTPUTS; j += 97) {
            worst = fmax(worst, fabs((double)y[i * OUTPUTS + j] - plain(x, w, bias, i, j)));
        }
    }
    printf("layer: %zu threads, y[1][1] = %g, at most %.1e from a plain loop\n", cke_pool_threads(pool), (double)y[OUTPUTS + 1],
           worst);

    cke_packed_destroy(packed);
    cke_plan_destroy(plan);
    cke_context_destroy(context);
    cke_pool_destroy(pool);
    free(w);
    free(bias);
    free(x);
    free(y);
    return worst < 1e-4 ? 0 : 1;
}
