//! What takes part in a contest.

use super::dtype::Dtype;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What a contestant's process runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// A library at this path, by the interface that its symbols tell.
    Library(PathBuf),
    /// `cke_kernels::gemm::Gemm`: nothing planned or packed ahead.
    Gemm,
    /// `cke_kernels::gemm::GemmPlan` with B packed ahead, by the kernel that dispatch chooses.
    Plan,
    /// The same with the rows of A prepared ahead too, once for all products that read them.
    Prepared,
    /// `cke_kernels::gemm::GemmBatch`: blocks of rows, each a product of the batch.
    Batch,
    /// `cke_kernels::gemm::BrgemmPlan`: blocks along k, nothing packed ahead.
    BatchReduce,
    /// `cke_kernels::gemm::GemmPlan` with B packed ahead, by the kernel of this name.
    Kernel(String),
}

/// How a library is called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Interface {
    /// `<prefix>cblas_sgemm<suffix>` and `<prefix>cblas_dgemm<suffix>`.
    Cblas {
        /// Before the standard name: empty, or `scipy_` in the wheels of NumPy and SciPy.
        prefix: String,
        /// After it: empty, or `64_` or `_64` if integers have 64 bits.
        suffix: String,
        /// Whether integers have 64 bits.
        wide: bool,
    },
    /// oneDNN: `dnnl_sgemm` for f32, the matmul primitive for bf16 and int8.
    Onednn,
}

impl Interface {
    /// Whether it has products of this format.
    pub fn knows(&self, dtype: Dtype) -> bool {
        match dtype {
            Dtype::F32 => true,
            Dtype::F64 => matches!(self, Interface::Cblas { .. }),
            Dtype::Bf16 | Dtype::Int8 | Dtype::Int8PerChannel => matches!(self, Interface::Onednn),
            Dtype::F16 | Dtype::Grouped(_) => false,
        }
    }
}

/// A library that was opened once and found usable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Library {
    /// What it is: `OpenBLAS`, `MKL`, `BLIS`, `oneDNN`; the stem of the file name if the library does not report a name.
    pub name: String,
    /// What it says of its version.
    pub version: Option<String>,
    /// The file.
    pub path: PathBuf,
    /// How it is called.
    pub interface: Interface,
}

/// Why this program opens no library, if it cannot: one that is linked statically has no loader.
pub const fn refuses_libraries() -> Option<&'static str> {
    if cfg!(target_feature = "crt-static") {
        return Some(
            "this cke is linked statically and cannot load libraries: \
             build one that can (cargo build --release), and compare with that",
        );
    }
    None
}

/// The name of netlib's BLAS: a specification in code, without threads or vectors, which no ranking is fair to.
pub const REFERENCE: &str = "reference BLAS";

impl Library {
    /// Whether it is netlib's BLAS.
    pub fn is_reference(&self) -> bool {
        self.name == REFERENCE
    }

    /// A short name for tables, in lower case without blanks: `openblas`.
    pub fn short_name(&self) -> String {
        self.name.to_lowercase().replace(|c: char| !c.is_alphanumeric(), "-")
    }
}
