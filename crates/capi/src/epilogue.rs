//! What happens to a product before it is stored.

use crate::matrix::{cke_matrix, list};
use crate::status::Failure;
use cke_kernels::gemm::{Epilogue, Scale};
use cke_kernels::ops::activation::Activation;
use std::mem::MaybeUninit;

/// An elementwise function. NaN gives NaN.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum cke_activation {
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
}

/// C = activation(scale · sums + bias) + residual, applied while the sums are still in registers or the first cache level.
///
/// With all fields but size 0 or NULL it leaves the sums as they are:
/// `cke_epilogue epilogue = {0}; epilogue.size = sizeof epilogue; epilogue.bias = bias;`
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct cke_epilogue {
    /// sizeof(struct cke_epilogue), so that later versions can tell which fields there are.
    pub size: usize,
    /// Factors on the sums: scale_count of them. NULL for none.
    pub scale: *const f32,
    /// 1 for one factor for all, n for one per column.
    pub scale_count: usize,
    /// Added to every row: n elements. NULL for none.
    pub bias: *const f32,
    /// Applied elementwise.
    pub activation: MaybeUninit<cke_activation>,
    /// Added last: (m, n), columns contiguous, no overlap with C. NULL for none.
    pub residual: *const f32,
    /// Elements from one row of the residual to the next.
    pub residual_row_stride: usize,
}

impl cke_epilogue {
    /// The epilogue of an (m, n) product.
    ///
    /// # Safety
    /// What the fields point to is valid for reads during 'a.
    pub(crate) unsafe fn view<'a>(&self, m: usize, n: usize) -> Result<Epilogue<'a>, Failure> {
        if self.size != size_of::<cke_epilogue>() {
            return Err(Failure::Version { what: "cke_epilogue", wanted: size_of::<cke_epilogue>(), found: self.size });
        }
        let (data, row_stride) = (self.residual.cast(), self.residual_row_stride);
        let residual = cke_matrix { data, rows: m, cols: n, row_stride, col_stride: 1 };
        // SAFETY: promised by the caller.
        unsafe {
            Ok(Epilogue {
                scale: match row(self.scale, self.scale_count, "epilogue.scale")? {
                    None => Scale::One,
                    Some(&[factor]) => Scale::All(factor),
                    Some(factors) => Scale::PerColumn(factors),
                },
                bias: row(self.bias, n, "epilogue.bias")?,
                activation: known(self.activation)?,
                residual: if data.is_null() { None } else { Some(residual.view("epilogue.residual")?) },
                ..Epilogue::default()
            })
        }
    }
}

/// The epilogue behind a pointer; for NULL the one that does nothing.
///
/// # Safety
/// `epilogue` is NULL or valid for reads, and so is what its fields point to during 'a.
pub(crate) unsafe fn view<'a>(epilogue: *const cke_epilogue, m: usize, n: usize) -> Result<Epilogue<'a>, Failure> {
    // SAFETY: promised by the caller.
    unsafe { epilogue.as_ref().map_or(Ok(Epilogue::default()), |epilogue| epilogue.view(m, n)) }
}

/// `len` elements; `None` for NULL.
///
/// # Safety
/// `data` is NULL or valid for reads of `len` elements during 'a.
unsafe fn row<'a>(data: *const f32, len: usize, what: &'static str) -> Result<Option<&'a [f32]>, Failure> {
    // SAFETY: promised by the caller.
    if data.is_null() { Ok(None) } else { unsafe { list(data, len, what) }.map(Some) }
}

/// What C passed, which may be any number.
fn known(activation: MaybeUninit<cke_activation>) -> Result<Activation, Failure> {
    // SAFETY: a field of a struct from C is an initialised int32_t, of which cke_activation has the layout.
    let found = unsafe { activation.as_ptr().cast::<i32>().read() };
    Ok(match found {
        0 => Activation::None,
        1 => Activation::Relu,
        2 => Activation::Gelu,
        3 => Activation::GeluTanh,
        4 => Activation::Silu,
        5 => Activation::Tanh,
        _ => {
            let wanted = "CKE_ACTIVATION_NONE (0) to CKE_ACTIVATION_TANH (5)".to_owned();
            return Err(Failure::Unsupported { what: "activation", wanted, found: found.to_string() });
        }
    })
}
