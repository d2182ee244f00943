//! The numbers of products, and the operands of one.

use super::attention::Attention;
use super::native::{Packed, Workplace, attend};
use super::product::Product;
use super::sample::{Data, Numbers};
use super::session::Multiply;
use super::worker::WorkerError;
use cke_kernels::Error;
use cke_kernels::scheme::{F32, F64, Real, Uniform};
use cke_kernels::scratch::AlignedBuf;

/// A format that products are computed in.
pub(super) trait Element: Real + Into<f64> {
    /// The letter of its routines in the BLAS.
    const LETTER: char;
    /// Unit roundoff, half the distance from 1 to the next number.
    const ROUNDOFF: f64;
    /// What no product writes where it is right.
    const NAN: Self;
    /// The kernels' word for it.
    type Scheme: Uniform<E = Self>;

    /// The nearest number.
    fn nearest(x: f64) -> Self;

    /// Products with B packed ahead, as [`Packed::new`] says.
    ///
    /// # Errors
    /// As there, and where the kernels do not have them in this format.
    fn packed(threads: usize, kernel: Option<&str>) -> Result<Box<dyn Multiply<Self>>, WorkerError>;

    /// Its attention by this project's own kernels, (queries, head size).
    ///
    /// # Errors
    /// Where memory cannot be had, or the kernels do not have it in this format.
    fn attend(workplace: &mut Workplace, operands: &Attention<Self>) -> Result<AlignedBuf<Self>, WorkerError>;
}

impl Element for f32 {
    const LETTER: char = 's';
    const ROUNDOFF: f64 = f32::EPSILON as f64 / 2.0;
    const NAN: f32 = f32::NAN;
    type Scheme = F32;

    fn nearest(x: f64) -> f32 {
        x as f32
    }

    fn packed(threads: usize, kernel: Option<&str>) -> Result<Box<dyn Multiply<f32>>, WorkerError> {
        Ok(Box::new(Packed::new(threads, kernel)?))
    }

    fn attend(workplace: &mut Workplace, operands: &Attention<f32>) -> Result<AlignedBuf<f32>, WorkerError> {
        attend(workplace, operands)
    }
}

impl Element for f64 {
    const LETTER: char = 'd';
    const ROUNDOFF: f64 = f64::EPSILON / 2.0;
    const NAN: f64 = f64::NAN;
    type Scheme = F64;

    fn nearest(x: f64) -> f64 {
        x
    }

    fn packed(_threads: usize, _kernel: Option<&str>) -> Result<Box<dyn Multiply<f64>>, WorkerError> {
        Err(WorkerError::NotPacked)
    }

    fn attend(_workplace: &mut Workplace, _operands: &Attention<f64>) -> Result<AlignedBuf<f64>, WorkerError> {
        Err(WorkerError::NoAttention)
    }
}

/// A, B and C of one product.
pub(super) struct Operands<T: Element> {
    /// What is computed from them.
    pub(super) product: Product,
    /// (m, k), or (k, m) where it is transposed.
    pub(super) a: AlignedBuf<T>,
    /// (k, n), or (n, k) where it is transposed.
    pub(super) b: AlignedBuf<T>,
    /// (m, n).
    pub(super) c: AlignedBuf<T>,
}

impl<T: Element> Operands<T> {
    /// Random A and B, always the same for the same product and seed, and a C that holds no numbers.
    ///
    /// # Errors
    /// Where the memory cannot be had.
    pub(super) fn new(product: Product, data: Data, seed: u64) -> Result<Operands<T>, Error> {
        let Product { m, n, k, .. } = product;
        let mut numbers = Numbers::new(data, seed);
        let a = numbers.take(m.saturating_mul(k))?;
        let b = numbers.take(k.saturating_mul(n))?;
        let mut c = AlignedBuf::zeroed(m.saturating_mul(n))?;
        c.fill(T::NAN);
        Ok(Operands { product, a, b, c })
    }
}
