//! Operands in memory, with something else around them.

/// Elements around a block, and between the rows of C: more than a vector has.
pub(super) const MARGIN: usize = 32;
/// What lies around memory that is written.
pub(super) const CANARY: f32 = 777_777.0;

#[derive(Clone, Copy)]
pub(super) struct Layout {
    pub(super) rows: usize,
    pub(super) cols: usize,
    pub(super) row_stride: usize,
    pub(super) col_stride: usize,
}

/// A matrix in memory of its own, something else before, after and between its rows.
pub(super) struct Block<E> {
    data: Vec<E>,
    layout: Layout,
}

impl<E: Copy + From<f32> + Into<f64>> Block<E> {
    /// The corner of `values`, whose rows have `width` elements.
    pub(super) fn new(values: &[E], width: usize, layout: Layout, around: f32) -> Self {
        let Layout { rows, cols, row_stride, col_stride } = layout;
        let end = rows.saturating_sub(1) * row_stride + cols.saturating_sub(1) * col_stride + 1;
        let mut block = Block { data: vec![E::from(around); end + 2 * MARGIN], layout };
        for i in 0..rows {
            for j in 0..cols {
                let index = block.index(i, j);
                block.data[index] = values[i * width + j];
            }
        }
        block
    }

    fn index(&self, i: usize, j: usize) -> usize {
        MARGIN + i * self.layout.row_stride + j * self.layout.col_stride
    }

    pub(super) fn at(&self, i: usize, j: usize) -> f64 {
        self.data[self.index(i, j)].into()
    }

    pub(super) fn start(&self) -> *const E {
        self.data.as_ptr().wrapping_add(MARGIN)
    }

    pub(super) fn start_mut(&mut self) -> *mut E {
        self.data.as_mut_ptr().wrapping_add(MARGIN)
    }

    /// Where the first canary is missing, counted from element (0, 0) of a matrix whose columns are contiguous.
    pub(super) fn first_written_outside(&self) -> Option<isize> {
        let Layout { rows, cols, row_stride, .. } = self.layout;
        let is_inside =
            |at: usize| at.checked_sub(MARGIN).is_some_and(|at| at / row_stride < rows && at % row_stride < cols);
        let written = (0..self.data.len()).find(|&at| !is_inside(at) && self.data[at].into() != f64::from(CANARY));
        written.map(|at| at as isize - MARGIN as isize)
    }
}
