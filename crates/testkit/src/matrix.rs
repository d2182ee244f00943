//! Matrices with any strides, owned and guarded, and the plain views that the oracles read.

use crate::guard::{Element, Guarded};

/// Where the elements of a matrix lie: element (i, j) at `i·row_stride + j·col_stride`, counted in elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub cols: usize,
    /// Elements from a row to the next.
    pub row_stride: usize,
    /// Elements from a column to the next.
    pub col_stride: usize,
}

impl Layout {
    /// Rows one after the other without gaps.
    pub fn row_major(rows: usize, cols: usize) -> Self {
        Self { rows, cols, row_stride: cols, col_stride: 1 }
    }

    /// Columns one after the other without gaps.
    pub fn col_major(rows: usize, cols: usize) -> Self {
        Self { rows, cols, row_stride: 1, col_stride: rows }
    }

    /// Rows one after the other, with `padding` elements after each.
    pub fn padded(rows: usize, cols: usize, padding: usize) -> Self {
        Self { rows, cols, row_stride: cols + padding, col_stride: 1 }
    }

    /// Rows of which only every `step`-th element belongs to the matrix.
    pub fn strided(rows: usize, cols: usize, step: usize, padding: usize) -> Self {
        Self { rows, cols, row_stride: cols * step + padding, col_stride: step }
    }

    /// The same elements with rows and columns exchanged.
    pub fn transposed(self) -> Self {
        let Self { rows, cols, row_stride, col_stride } = self;
        Self { rows: cols, cols: rows, row_stride: col_stride, col_stride: row_stride }
    }

    /// Elements from the first to the last one, both counted; 0 for an empty matrix.
    pub fn extent(&self) -> usize {
        if self.rows == 0 || self.cols == 0 { 0 } else { self.index(self.rows - 1, self.cols - 1) + 1 }
    }

    /// Where element (i, j) lies.
    pub fn index(&self, i: usize, j: usize) -> usize {
        i * self.row_stride + j * self.col_stride
    }
}

/// A borrowed matrix.
#[derive(Clone, Copy, Debug)]
pub struct View<'a, T> {
    data: &'a [T],
    layout: Layout,
}

impl<'a, T: Copy> View<'a, T> {
    /// Reads `data` by `layout`.
    ///
    /// # Panics
    /// When the data ends before the matrix does.
    pub fn new(data: &'a [T], layout: Layout) -> Self {
        let (wanted, found) = (layout.extent(), data.len());
        assert!(wanted <= found, "wanted {wanted} elements for {layout:?}, found {found}");
        Self { data, layout }
    }

    /// A row-major view of all `data`.
    ///
    /// # Panics
    /// When the data ends before the matrix does.
    pub fn row_major(data: &'a [T], rows: usize, cols: usize) -> Self {
        Self::new(data, Layout::row_major(rows, cols))
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.layout.rows
    }

    /// Number of columns.
    pub fn cols(&self) -> usize {
        self.layout.cols
    }

    /// Element (i, j).
    pub fn at(&self, i: usize, j: usize) -> T {
        debug_assert!(i < self.rows() && j < self.cols(), "({i}, {j}) is outside {:?}", self.layout);
        self.data[self.layout.index(i, j)]
    }

    /// The same matrix with rows and columns exchanged.
    pub fn transposed(self) -> Self {
        Self { layout: self.layout.transposed(), ..self }
    }

    /// The elements row by row.
    pub fn to_row_major(&self) -> Vec<T> {
        (0..self.rows()).flat_map(|i| (0..self.cols()).map(move |j| self.at(i, j))).collect()
    }
}

/// An owned matrix with canaries round it and in its gaps.
#[derive(Debug)]
pub struct Matrix<T: Element> {
    buffer: Guarded<T>,
    layout: Layout,
}

impl<T: Element> Matrix<T> {
    /// A row-major matrix without gaps.
    ///
    /// # Panics
    /// When `values` are not `rows·cols`.
    pub fn from_values(rows: usize, cols: usize, values: &[T]) -> Self {
        Self::with_layout(Layout::row_major(rows, cols), values)
    }

    /// A matrix laid out as given; `values` come row by row, without gaps.
    ///
    /// # Panics
    /// When `values` are not `rows·cols`.
    pub fn with_layout(layout: Layout, values: &[T]) -> Self {
        let Layout { rows, cols, .. } = layout;
        assert_eq!(values.len(), rows * cols, "wanted {rows}·{cols} values");
        let mut buffer = Guarded::unwritten(layout.extent());
        for i in 0..rows {
            for j in 0..cols {
                buffer.as_mut_slice()[layout.index(i, j)] = values[i * cols + j];
            }
        }
        Self { buffer, layout }
    }

    /// How it is laid out.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// Everything from the first to the last element, gaps included.
    pub fn as_slice(&self) -> &[T] {
        self.buffer.as_slice()
    }

    /// Everything from the first to the last element, gaps included, to be written.
    pub fn as_mut_slice(&mut self) -> &mut [T] {
        self.buffer.as_mut_slice()
    }

    /// A view of it.
    pub fn view(&self) -> View<'_, T> {
        View::new(self.buffer.as_slice(), self.layout)
    }

    /// The elements row by row.
    pub fn to_row_major(&self) -> Vec<T> {
        self.view().to_row_major()
    }

    /// Checks that neither the surroundings nor the gaps between the elements were written.
    ///
    /// # Panics
    /// When they were.
    #[track_caller]
    pub fn check(&self) {
        self.buffer.check();
        let mut is_gap = vec![true; self.layout.extent()];
        for i in 0..self.layout.rows {
            for j in 0..self.layout.cols {
                is_gap[self.layout.index(i, j)] = false;
            }
        }
        for (i, &value) in self.as_slice().iter().enumerate() {
            assert!(!is_gap[i] || value.is_canary(), "{value:?} was written into the gap at {i} of {:?}", self.layout);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matrix_of_each_layout_reads_back_its_values() {
        let values: Vec<f32> = (0..12).map(|x| x as f32).collect();
        let layouts = [
            Layout::row_major(3, 4),
            Layout::col_major(3, 4),
            Layout::padded(3, 4, 5),
            Layout::strided(3, 4, 3, 2),
            Layout::strided(4, 3, 2, 1).transposed(),
        ];
        for layout in layouts {
            let matrix = Matrix::with_layout(layout, &values);
            assert_eq!(matrix.to_row_major(), values, "{layout:?}");
            assert_eq!(matrix.view().transposed().at(2, 1), 6.0, "{layout:?}");
            matrix.check();
        }
    }

    #[test]
    fn matrix_without_elements_has_no_extent() {
        assert_eq!(Layout::padded(0, 5, 1).extent(), 0);
        assert_eq!(Layout::padded(5, 0, 1).extent(), 0);
        assert_eq!(Layout::padded(2, 3, 4).extent(), 10);
        Matrix::<f32>::from_values(0, 7, &[]).check();
    }

    #[test]
    #[should_panic(expected = "written into the gap at 2")]
    fn matrix_write_into_the_padding_is_found() {
        let mut matrix = Matrix::with_layout(Layout::padded(2, 2, 1), &[1.0f32, 2.0, 3.0, 4.0]);
        matrix.as_mut_slice()[2] = 0.0;
        matrix.check();
    }
}
