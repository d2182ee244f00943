/* cke_blas.h by the name that programs for any CBLAS include; it has gemm, gemv and strided batches only. In a separate directory, so that
 * it hides the cblas.h of another library only from programs that ask for it. */
#include "../cke_blas.h"
