// A caller's own pool that throws: the process is ended with a message that says why. check.sh compiles and runs it.
#include <cke.h>
#include <vector>

namespace {

void run(void *, size_t, cke_work, void *) { throw 1; }

}  // namespace

int main() {
    cke_own_pool own = {sizeof own, nullptr, 2, run};
    cke_pool *pool = nullptr;
    cke_context *context = nullptr;
    if (cke_pool_wrap(&own, &pool) != CKE_OK || cke_context_create(pool, &context) != CKE_OK) return 2;
    const size_t size = 500;
    std::vector<float> a(size * size, 1), c(size * size);
    const cke_matrix ones = {a.data(), size, size, size, 1};
    const cke_matrix_mut place = {c.data(), size, size, size, 1};
    try {
        cke_gemm(context, CKE_F32, 1, &ones, &ones, 0, &place);
    } catch (int) {
        return 3;
    }
    return 4;
}
