//! The C interface of C-Kernel-Engine: `libcke.so`, `libcke.a` and `include/cke.h`.
//!
//! The header is made from this crate by cbindgen, and a test checks that it is current. Names are therefore those of C, and the
//! documentation is written for a reader of the header; what holds for every function stands once, at its top (`cbindgen.toml`).
//!
//! | module | what it has |
//! |---|---|
//! | `status` | status codes, messages, the FFI boundary that no panic crosses |
//! | `handle` | how handles are made, borrowed and destroyed |
//! | `matrix` | matrices as C passes them, checked |
//! | `pool`, `context` | threads, a caller's own among them, and working memory |
//! | `epilogue`, `plan`, `any_plan` | products with weights packed ahead, in the numbers of a scheme |
//! | `gemm`, `brgemm` | one-off products and batches |

#![allow(non_camel_case_types, reason = "the names are those of the C header")]
#![allow(clippy::missing_safety_doc, reason = "what a caller promises stands once, at the top of the header")]

// The groups are in the order of the header.
mod handle;
mod matrix;
mod status;

mod pool;

mod context;

mod any_plan;
mod epilogue;
mod plan;

mod gemm;

mod brgemm;

pub use brgemm::{cke_brgemm, cke_brgemm_create, cke_brgemm_destroy, cke_brgemm_run};
pub use context::{cke_context, cke_context_create, cke_context_destroy};
pub use epilogue::{cke_activation, cke_epilogue};
pub use gemm::{cke_gemm, cke_gemm_batch};
pub use matrix::{cke_dtype, cke_matrices, cke_matrices_mut, cke_matrix, cke_matrix_mut};
pub use plan::{
    cke_pack_b, cke_packed, cke_packed_bytes, cke_packed_destroy, cke_plan, cke_plan_create, cke_plan_destroy,
    cke_plan_run, cke_plan_run_as,
};
pub use pool::{cke_own_pool, cke_pool, cke_pool_create, cke_pool_destroy, cke_pool_threads, cke_pool_wrap, cke_work};
pub use status::{cke_error_text, cke_last_error, cke_status};

/// The version of the header. While the first number is 0, a change of the second may change the interface.
pub const CKE_VERSION_MAJOR: u32 = 0;
/// See CKE_VERSION_MAJOR.
pub const CKE_VERSION_MINOR: u32 = 1;
/// See CKE_VERSION_MAJOR.
pub const CKE_VERSION_PATCH: u32 = 0;

/// The version of the library that the program runs with: major · 1000000 + minor · 1000 + patch.
#[unsafe(no_mangle)]
pub extern "C" fn cke_version() -> u32 {
    CKE_VERSION_MAJOR * 1_000_000 + CKE_VERSION_MINOR * 1_000 + CKE_VERSION_PATCH
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_is_that_of_the_crate() {
        let version = format!("{CKE_VERSION_MAJOR}.{CKE_VERSION_MINOR}.{CKE_VERSION_PATCH}");
        assert_eq!(version, env!("CARGO_PKG_VERSION"));
    }
}
