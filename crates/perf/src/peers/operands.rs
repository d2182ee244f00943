//! The numbers of products, and the operands of one.

use super::attention::Attention;
use super::native::{Workplace, attend};
use super::packed::Packed;
use super::product::Product;
use super::sample::{Data, Numbers};
use super::session::Multiply;
use super::stored::Stored;
use super::weights::Weights;
use super::worker::WorkerError;
use cke_kernels::Error;
use cke_kernels::scheme::{self, F32};
use cke_kernels::scratch::AlignedBuf;

/// A format that products are computed in.
pub(super) trait Element: scheme::Element + From<f32> + Into<f64> {
    /// The letter of its routines in the BLAS.
    const LETTER: char;
    /// Unit roundoff, half the distance from 1 to the next number.
    const ROUNDOFF: f64;
    /// A value that no right product contains.
    const NAN: Self;

    /// The nearest number.
    fn nearest(x: f64) -> Self;

    /// Products with B packed ahead, as [`Packed::new`] says.
    ///
    /// # Errors
    /// As there, or if the kernels do not have them in this format.
    fn packed(threads: usize, kernel: Option<&str>, weights: Weights) -> Result<Box<dyn Multiply<Self>>, WorkerError>;

    /// Its attention by this project's own kernels, (queries, head size).
    ///
    /// # Errors
    /// If memory cannot be allocated, or the kernels do not have it in this format.
    fn attend(workplace: &mut Workplace, operands: &Attention<Self>) -> Result<AlignedBuf<Self>, WorkerError>;
}

impl Element for f32 {
    const LETTER: char = 's';
    const ROUNDOFF: f64 = f32::EPSILON as f64 / 2.0;
    const NAN: f32 = f32::NAN;

    fn nearest(x: f64) -> f32 {
        x as f32
    }

    fn packed(threads: usize, kernel: Option<&str>, weights: Weights) -> Result<Box<dyn Multiply<f32>>, WorkerError> {
        Ok(Box::new(Packed::<F32>::new(threads, kernel, weights)?))
    }

    fn attend(workplace: &mut Workplace, operands: &Attention<f32>) -> Result<AlignedBuf<f32>, WorkerError> {
        attend(workplace, operands)
    }
}

impl Element for f64 {
    const LETTER: char = 'd';
    const ROUNDOFF: f64 = f64::EPSILON / 2.0;
    const NAN: f64 = f64::NAN;

    fn nearest(x: f64) -> f64 {
        x
    }

    fn packed(
        _threads: usize,
        _kernel: Option<&str>,
        _weights: Weights,
    ) -> Result<Box<dyn Multiply<f64>>, WorkerError> {
        Err(WorkerError::NotPacked)
    }

    fn attend(_workplace: &mut Workplace, _operands: &Attention<f64>) -> Result<AlignedBuf<f64>, WorkerError> {
        Err(WorkerError::NoAttention)
    }
}

/// A, B and C of one product. Libraries read and write them by the sizes of the product, so nothing else may change those.
pub(super) struct Operands<T: Element> {
    product: Product,
    a: AlignedBuf<T>,
    b: AlignedBuf<T>,
    c: AlignedBuf<T>,
}

/// A, B and C of a product, row-major with the product's leading dimensions.
pub(super) struct Matrices<'a, T> {
    /// (m, k), or (k, m) if it is transposed.
    pub(super) a: &'a mut [T],
    /// (k, n), or (n, k) if it is transposed.
    pub(super) b: &'a mut [T],
    /// (m, n).
    pub(super) c: &'a mut [T],
}

impl<T: Element> Operands<T> {
    /// Random A and B, always the same for the same product and seed, and a C that holds no numbers. Between rows there are no
    /// numbers either.
    ///
    /// # Errors
    /// If the memory cannot be allocated.
    pub(super) fn new(product: Product, data: Data, seed: u64) -> Result<Operands<T>, Error> {
        let mut numbers = Numbers::new(data, seed);
        let a = numbers.take_matrix(product.stored_a())?;
        let b = numbers.take_matrix(product.stored_b())?;
        Operands::of(product, a, b)
    }

    /// These A and B, and a C that holds no numbers.
    ///
    /// # Errors
    /// If the memory cannot be allocated, or A or B is not of the size that the product says.
    pub(super) fn of(product: Product, a: AlignedBuf<T>, b: AlignedBuf<T>) -> Result<Operands<T>, Error> {
        let (stored_a, stored_b, stored_c) = (product.stored_a(), product.stored_b(), product.stored_c());
        for (what, Stored { cols, leading, .. }) in [
            ("leading dimension of A", stored_a),
            ("leading dimension of B", stored_b),
            ("leading dimension of C", stored_c),
        ] {
            if leading < cols {
                return Err(Error::Size { what, wanted: cols, found: leading });
            }
        }
        for (what, wanted, found) in
            [("elements of A", stored_a.len(), a.len()), ("elements of B", stored_b.len(), b.len())]
        {
            if wanted != found {
                return Err(Error::Size { what, wanted, found });
            }
        }
        let mut c = AlignedBuf::zeroed(stored_c.len())?;
        c.fill(T::NAN);
        Ok(Operands { product, a, b, c })
    }

    /// What is computed from them.
    pub(super) fn product(&self) -> Product {
        self.product
    }

    /// The matrices, of the sizes that the product says.
    pub(super) fn matrices(&mut self) -> Matrices<'_, T> {
        Matrices { a: &mut self.a, b: &mut self.b, c: &mut self.c }
    }

    /// A as it is stored.
    pub(super) fn a(&self) -> &[T] {
        &self.a
    }

    /// B as it is stored.
    pub(super) fn b(&self) -> &[T] {
        &self.b
    }

    /// C.
    pub(super) fn c(&self) -> &[T] {
        &self.c
    }

    /// Whether nothing was written between the rows of C, which hold no numbers from the start.
    pub(super) fn has_intact_gaps(&self) -> bool {
        let Stored { cols, leading, .. } = self.product.stored_c();
        let mut gaps = self.c.chunks_exact(leading).flat_map(|row| &row[cols..]);
        gaps.all(|&x| x.into().is_nan())
    }

    /// A, B and C for themselves.
    pub(super) fn into_parts(self) -> (AlignedBuf<T>, AlignedBuf<T>, AlignedBuf<T>) {
        (self.a, self.b, self.c)
    }
}
