//! Products of which one operand's few rows, or columns, are copied so that they lie along k.

use super::super::chains::DOT_SEGMENT;
use super::super::macro_kernel::Product;
use super::super::microkernel::Form;
use super::super::plan::Ctx;
use super::super::select::Shape;
use super::super::side_work::SideWork;
use super::super::strided::{Strided, padded_row};
use super::super::tile_args::{Pair, Store, TileArgs};
use super::pack_on_the_fly::OneOff;
use crate::scheme::{Real, Uniform};

impl<S: Uniform> OneOff<'_, S> {
    /// With a copy of the few rows of A, or columns of B, that lies along k.
    ///
    /// # Safety
    /// As [`OneOff::run`].
    pub(super) unsafe fn run_gathered(&self, ctx: &mut Ctx<'_>) {
        let Product { kernel, m, n, k, .. } = self.product;
        let (rows, source) = self.gathered.rows(Shape { m, n, k }, &self.a, &self.b);
        let stride = padded_row::<S::E>(k);
        let Ok(copy) = ctx.scratch.take::<S::E>(rows.saturating_mul(stride)) else {
            // SAFETY: promised by the caller; each form keeps its order of summation.
            return unsafe {
                match kernel.kernel().form {
                    Form::Dot => self.run_elements(),
                    Form::Outer | Form::Blocks => self.run_in_place(ctx.pool),
                }
            };
        };
        let args = source.copied_to(rows, k, copy.as_mut_ptr(), stride);
        // SAFETY: all of the operand, which the caller vouches for; the copy has a stride for each row.
        unsafe { kernel.copy(&args) };
        let copy = Strided { data: copy.as_ptr(), row_stride: stride, col_stride: 1 };
        let (a, b) = self.gathered.replaced(self.a, self.b, copy);
        // SAFETY: promised by the caller; the copy is as large as what it stands for.
        unsafe { OneOff { a, b, ..*self }.run_in_place(ctx.pool) }
    }

    /// Element by element, gathered vector by vector: slow, but the order of summation of the dot form.
    ///
    /// # Safety
    /// As [`OneOff::run`], for a kernel of the dot form.
    #[cold]
    unsafe fn run_elements(&self) {
        let Product { kernel, m, n, k, c, c_row_stride, c_col_stride, alpha, beta, .. } = self.product;
        let Strided { row_stride: a_row_stride, col_stride: a_col_stride, .. } = self.a.bytes();
        let b_stride = self.b.bytes().row_stride;
        for (i, j) in (0..m).flat_map(|i| (0..n).map(move |j| (i, j))) {
            for start in (0..k).step_by(DOT_SEGMENT) {
                let args = TileArgs {
                    pairs: &[Pair { a: self.a.at(i, start).cast(), b: self.b.at(start, j).cast() }],
                    k: DOT_SEGMENT.min(k - start),
                    offset: 0,
                    before: start,
                    steps: DOT_SEGMENT.min(k - start),
                    a_row_stride,
                    a_col_stride,
                    b_stride,
                    panel_stride: 0,
                    c: c.wrapping_add(i * c_row_stride + j * c_col_stride),
                    c_row_stride: 1,
                    side_work: SideWork::Nothing,
                    rows: 1,
                    cols: 1,
                    store: Store::scaled(alpha, if start == 0 { beta } else { S::E::one() }),
                };
                // SAFETY: one element of C and its row and column, promised by the caller.
                unsafe { kernel.run_element(&args) };
            }
        }
    }
}
