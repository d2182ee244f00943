// A product of ggml some times over, on one thread, to be counted: ggml f32|q4_0|q4_k|q8_0 M N K TIMES. Prints where the weights lie:
// CPU_REPACK if ggml rearranges them for this core, as llama.cpp has it do.

#include "ggml-alloc.h"
#include "ggml-backend.h"
#include "ggml-cpu.h"
#include "ggml.h"
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

static void expect(bool holds, const char *what) {
    if (!holds) {
        std::fprintf(stderr, "wanted %s\n", what);
        std::exit(1);
    }
}

static std::vector<float> numbers(size_t count) {
    std::vector<float> made(count);
    for (size_t i = 0; i < count; i++) made[i] = static_cast<float>(i * 37 % 101) / 50.0f - 1.0f;
    return made;
}

static ggml_type type_of(const char *name) {
    for (ggml_type type : {GGML_TYPE_F32, GGML_TYPE_Q4_0, GGML_TYPE_Q4_K, GGML_TYPE_Q8_0})
        if (ggml_type_name(type) && strcasecmp(name, ggml_type_name(type)) == 0) return type;
    expect(false, "f32, q4_0, q4_k or q8_0");
    return GGML_TYPE_COUNT;
}

static ggml_context *context() { return ggml_init({ggml_tensor_overhead() * 8 + ggml_graph_overhead(), nullptr, true}); }

// The kinds of memory of weights, the preferred one first, as llama.cpp tries them.
static std::vector<ggml_backend_buffer_type_t> places(ggml_backend_dev_t device) {
    std::vector<ggml_backend_buffer_type_t> found;
    auto extra = reinterpret_cast<ggml_backend_dev_get_extra_bufts_t>(
        ggml_backend_reg_get_proc_address(ggml_backend_dev_backend_reg(device), "ggml_backend_dev_get_extra_bufts"));
    for (ggml_backend_buffer_type_t *place = extra ? extra(device) : nullptr; place && *place; place++) found.push_back(*place);
    found.push_back(ggml_backend_dev_buffer_type(device));
    return found;
}

int main(int argc, char **argv) {
    expect(argc == 6, "FORMAT M N K TIMES");
    ggml_type type = type_of(argv[1]);
    int64_t m = std::atoll(argv[2]), n = std::atoll(argv[3]), k = std::atoll(argv[4]), times = std::atoll(argv[5]);
    ggml_backend_t backend = ggml_backend_cpu_init();
    ggml_backend_cpu_set_n_threads(backend, 1);
    ggml_backend_dev_t device = ggml_backend_get_device(backend);

    for (ggml_backend_buffer_type_t place : places(device)) {
        ggml_context *of_weights = context(), *of_others = context();
        ggml_tensor *weights = ggml_new_tensor_2d(of_weights, type, k, n);
        ggml_tensor *rows = ggml_new_tensor_2d(of_others, GGML_TYPE_F32, k, m);
        ggml_tensor *product = ggml_mul_mat(of_others, weights, rows);
        expect(ggml_backend_alloc_ctx_tensors_from_buft(of_weights, place), "memory for weights");
        if (!ggml_backend_dev_supports_op(device, product)) continue;
        expect(ggml_backend_alloc_ctx_tensors(of_others, backend), "memory for rows");

        std::vector<float> numbers_of_weights = numbers(n * k), numbers_of_rows = numbers(m * k);
        std::vector<char> stored(ggml_nbytes(weights));
        ggml_quantize_chunk(type, numbers_of_weights.data(), stored.data(), 0, n, k, nullptr);
        ggml_backend_tensor_set(weights, stored.data(), 0, stored.size());
        ggml_backend_tensor_set(rows, numbers_of_rows.data(), 0, ggml_nbytes(rows));

        ggml_cgraph *graph = ggml_new_graph(of_others);
        ggml_build_forward_expand(graph, product);
        for (int64_t time = 0; time < times; time++)
            expect(ggml_backend_graph_compute(backend, graph) == GGML_STATUS_SUCCESS, "a product");
        std::puts(ggml_backend_buft_name(place));
        return 0;
    }
    expect(false, "memory in which ggml multiplies this format");
}
