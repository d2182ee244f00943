//! Equal matrices, as batches take them: one shape and one pair of strides, placed by address, by offset or by stride.

use crate::error::{Error, expect_size};
use crate::view::{MatMut, MatRef, bounded_strides};
use std::marker::PhantomData;

/// Shape and strides that the matrices of a batch share: element (i, j) stands `i · row_stride + j · col_stride` elements after
/// the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub cols: usize,
    /// Elements from one row to the next.
    pub row_stride: usize,
    /// Elements from one column to the next.
    pub col_stride: usize,
}

impl Layout {
    /// Rows that follow each other without a gap.
    pub fn row_major(rows: usize, cols: usize) -> Self {
        Layout { rows, cols, row_stride: cols, col_stride: 1 }
    }

    /// The layout of the transposed matrix.
    pub fn transposed(self) -> Self {
        Layout { rows: self.cols, cols: self.rows, row_stride: self.col_stride, col_stride: self.row_stride }
    }

    /// That each element of `count` such matrices, `stride` elements apart, has a place of its own: with the strides in ascending
    /// order, each steps over all that the ones before it span.
    ///
    /// # Errors
    /// If two share one, or could only be told apart by a closer look.
    pub fn check_distinct(self, stride: usize, count: usize) -> Result<(), Error> {
        let Layout { rows, cols, row_stride, col_stride } = self;
        if count == 0 {
            return Ok(());
        }
        if !are_distinct([(row_stride, rows), (col_stride, cols), (0, 1)]) {
            return Err(Error::ViewOverlaps { rows, cols, row_stride, col_stride });
        }
        if !are_distinct([(row_stride, rows), (col_stride, cols), (stride, count)]) {
            let what = "stride of a batch to be written, whose matrices overlap otherwise";
            let (down, across) = ((rows - 1).saturating_mul(row_stride), (cols - 1).saturating_mul(col_stride));
            return Err(Error::Size { what, wanted: down.saturating_add(across).saturating_add(1), found: stride });
        }
        Ok(())
    }

    fn of<T>(view: &MatRef<'_, T>) -> Self {
        let (row_stride, col_stride) = (view.row_stride(), view.col_stride());
        Layout { rows: view.rows(), cols: view.cols(), row_stride, col_stride }
    }
}

/// Borrowed matrices of one [`Layout`].
#[derive(Clone, Copy, Debug)]
pub struct Matrices<'a, T> {
    place: Place<'a, T>,
    layout: Layout,
    count: usize,
}

/// Where the first elements stand.
#[derive(Clone, Copy, Debug)]
enum Place<'a, T> {
    Views(&'a [MatRef<'a, T>]),
    Addresses(&'a [*const T]),
    Offsets(*const T, &'a [usize]),
    Stride(*const T, usize),
}

/// Mutably borrowed matrices of one [`Layout`], which share no element.
#[derive(Debug)]
pub struct MatricesMut<'a, T> {
    place: PlaceMut<'a, T>,
    layout: Layout,
    count: usize,
    borrow: PhantomData<&'a mut [T]>,
}

#[derive(Debug)]
enum PlaceMut<'a, T> {
    Addresses(&'a [*mut T]),
    Offsets(*mut T, &'a [usize]),
    Stride(*mut T, usize),
}

// SAFETY: Matrices stand for shared borrows of T, MatricesMut for exclusive ones, and both are as free to move as those.
unsafe impl<T: Sync> Send for Matrices<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Matrices<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for MatricesMut<'_, T> {}
// SAFETY: as above; a shared MatricesMut gives out elements only through an unsafe function.
unsafe impl<T: Send> Sync for MatricesMut<'_, T> {}

impl<'a, T> Matrices<'a, T> {
    /// Each matrix by its own address.
    ///
    /// # Errors
    /// If their shapes or strides differ.
    pub fn by_address(views: &'a [MatRef<'a, T>]) -> Result<Self, Error> {
        let layout = views.first().map(Layout::of).unwrap_or_default();
        for found in views.iter().map(Layout::of) {
            expect_size("rows of each matrix of a batch", layout.rows, found.rows)?;
            expect_size("columns of each matrix of a batch", layout.cols, found.cols)?;
            expect_size("row stride of each matrix of a batch", layout.row_stride, found.row_stride)?;
            expect_size("column stride of each matrix of a batch", layout.col_stride, found.col_stride)?;
        }
        Ok(Matrices { place: Place::Views(views), layout: layout.bounded(), count: views.len() })
    }

    /// Matrix i starts `offsets[i]` elements into `data`.
    ///
    /// # Errors
    /// If one reaches outside `data`.
    pub fn by_offset(data: &'a [T], layout: Layout, offsets: &'a [usize]) -> Result<Self, Error> {
        offsets.iter().try_for_each(|&offset| layout.check_inside(data, offset))?;
        Ok(Matrices { place: Place::Offsets(data.as_ptr(), offsets), layout: layout.bounded(), count: offsets.len() })
    }

    /// Matrix i starts `i · stride` elements into `data`; a stride of 0 repeats one matrix.
    ///
    /// # Errors
    /// If the last one reaches outside `data`.
    pub fn by_stride(data: &'a [T], layout: Layout, stride: usize, count: usize) -> Result<Self, Error> {
        if count > 0 {
            layout.check_inside(data, (count - 1).saturating_mul(stride))?;
        }
        Ok(Matrices { place: Place::Stride(data.as_ptr(), stride), layout: layout.bounded(), count })
    }

    /// As [`Matrices::by_address`], as a foreign caller passes them.
    ///
    /// # Safety
    /// Each address satisfies [`MatRef::from_raw`] with this layout.
    pub unsafe fn from_addresses(addresses: &'a [*const T], layout: Layout) -> Self {
        Matrices { place: Place::Addresses(addresses), layout: layout.bounded(), count: addresses.len() }
    }

    /// As [`Matrices::by_offset`], as a foreign caller passes them.
    ///
    /// # Safety
    /// `data` plus each offset satisfies [`MatRef::from_raw`] with this layout.
    pub unsafe fn from_offsets(data: *const T, layout: Layout, offsets: &'a [usize]) -> Self {
        Matrices { place: Place::Offsets(data, offsets), layout: layout.bounded(), count: offsets.len() }
    }

    /// As [`Matrices::by_stride`], as a foreign caller passes them.
    ///
    /// # Safety
    /// `data` plus i · `stride` satisfies [`MatRef::from_raw`] with this layout for each i < `count`.
    pub unsafe fn from_stride(data: *const T, layout: Layout, stride: usize, count: usize) -> Self {
        Matrices { place: Place::Stride(data, stride), layout: layout.bounded(), count }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Shape and strides; all zero where the batch was made of no views.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// Matrix `index`, where there is one.
    pub fn get(&self, index: usize) -> Option<MatRef<'a, T>> {
        let Layout { rows, cols, row_stride, col_stride } = self.layout;
        // SAFETY: every matrix below `count` was checked, or vouched for, when the batch was made.
        (index < self.count)
            .then(|| unsafe { MatRef::from_raw(self.address(index), rows, cols, row_stride, col_stride) })
    }

    /// The first element of matrix `index`, which is below `count`.
    #[inline]
    pub(crate) fn address(&self, index: usize) -> *const T {
        debug_assert!(index < self.count);
        match self.place {
            Place::Views(views) => views[index].as_ptr(),
            Place::Addresses(addresses) => addresses[index],
            Place::Offsets(data, offsets) => data.wrapping_add(offsets[index]),
            Place::Stride(data, stride) => data.wrapping_add(index.wrapping_mul(stride)),
        }
    }
}

impl<'a, T> MatricesMut<'a, T> {
    /// Matrix i starts `i · stride` elements into `data`. They may be interleaved, like heads that lie side by side in each row,
    /// where every stride steps over all that the smaller ones span.
    ///
    /// # Errors
    /// If the last one reaches outside `data`, or an element could be reached in two ways.
    pub fn by_stride(data: &'a mut [T], layout: Layout, stride: usize, count: usize) -> Result<Self, Error> {
        if count > 0 {
            layout.check_inside(data, (count - 1).saturating_mul(stride))?;
        }
        layout.check_distinct(stride, count)?;
        // SAFETY: just checked, and borrowed exclusively.
        Ok(unsafe { Self::from_stride(data.as_mut_ptr(), layout, stride, count) })
    }

    /// Each matrix by its own address, as a foreign caller passes them.
    ///
    /// # Safety
    /// Each address satisfies [`MatMut::from_raw`] with this layout, and no two matrices share an element.
    pub unsafe fn from_addresses(addresses: &'a [*mut T], layout: Layout) -> Self {
        MatricesMut {
            place: PlaceMut::Addresses(addresses),
            layout: layout.bounded(),
            count: addresses.len(),
            borrow: PhantomData,
        }
    }

    /// Matrix i starts `offsets[i]` elements after `data`.
    ///
    /// # Safety
    /// As [`MatricesMut::from_addresses`].
    pub unsafe fn from_offsets(data: *mut T, layout: Layout, offsets: &'a [usize]) -> Self {
        MatricesMut {
            place: PlaceMut::Offsets(data, offsets),
            layout: layout.bounded(),
            count: offsets.len(),
            borrow: PhantomData,
        }
    }

    /// Matrix i starts `i · stride` elements after `data`.
    ///
    /// # Safety
    /// As [`MatricesMut::from_addresses`].
    pub unsafe fn from_stride(data: *mut T, layout: Layout, stride: usize, count: usize) -> Self {
        MatricesMut { place: PlaceMut::Stride(data, stride), layout: layout.bounded(), count, borrow: PhantomData }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Shape and strides.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// Matrix `index`.
    ///
    /// # Safety
    /// `index` is below `count`, and matrix `index` is in use nowhere else.
    pub(crate) unsafe fn get_unchecked(&self, index: usize) -> MatMut<'_, T> {
        debug_assert!(index < self.count);
        let address = match self.place {
            PlaceMut::Addresses(addresses) => addresses[index],
            PlaceMut::Offsets(data, offsets) => data.wrapping_add(offsets[index]),
            PlaceMut::Stride(data, stride) => data.wrapping_add(index.wrapping_mul(stride)),
        };
        let Layout { rows, cols, row_stride, col_stride } = self.layout;
        // SAFETY: checked or vouched for when the batch was made; exclusive by the caller's promise.
        unsafe { MatMut::from_raw(address, rows, cols, row_stride, col_stride) }
    }
}

/// Whether every combination of `(step, size)`, each step taken 0 to size − 1 times, leads to a different place. Also
/// `false` for some layouts whose steps interleave without meeting.
fn are_distinct(mut steps: [(usize, usize); 3]) -> bool {
    if steps.iter().any(|&(_, size)| size == 0) {
        return true;
    }
    steps.sort_unstable();
    let mut span = 1usize;
    for (step, size) in steps.into_iter().filter(|&(_, size)| size > 1) {
        if step < span {
            return false;
        }
        span = span.saturating_add(step.saturating_mul(size - 1));
    }
    true
}

impl Layout {
    /// The same places, without strides that are never taken and could overflow.
    fn bounded(self) -> Self {
        let (row_stride, col_stride) = bounded_strides(self.rows, self.cols, self.row_stride, self.col_stride);
        Layout { row_stride, col_stride, ..self }
    }

    /// That a matrix which starts at `offset` ends inside `data`.
    fn check_inside<T>(self, data: &[T], offset: usize) -> Result<(), Error> {
        let Layout { rows, cols, row_stride, col_stride } = self;
        let rest = data.get(offset..).unwrap_or_default();
        MatRef::with_strides(rest, rows, cols, row_stride, col_stride).map(|_| ()).map_err(|error| match error {
            Error::ViewOutOfBounds { needed, .. } => {
                let needed = needed.saturating_add(offset);
                Error::ViewOutOfBounds { rows, cols, row_stride, col_stride, needed, found: data.len() }
            }
            other => other,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO_BY_THREE: Layout = Layout { rows: 2, cols: 3, row_stride: 3, col_stride: 1 };

    #[test]
    fn matrix_is_found_by_address_offset_and_stride() {
        let data: Vec<u32> = (0..24).collect();
        let views = [0, 9, 18].map(|at| MatRef::new(&data[at..], 2, 3).unwrap());
        let batches = [
            Matrices::by_address(&views).unwrap(),
            Matrices::by_offset(&data, TWO_BY_THREE, &[0, 9, 18]).unwrap(),
            Matrices::by_stride(&data, TWO_BY_THREE, 9, 3).unwrap(),
        ];
        for batch in batches {
            assert_eq!((batch.count(), batch.layout()), (3, TWO_BY_THREE));
            for (i, view) in views.iter().enumerate() {
                assert_eq!(batch.get(i).unwrap().as_ptr(), view.as_ptr());
            }
            assert!(batch.get(3).is_none());
        }
    }

    #[test]
    fn batch_past_the_end_is_refused() {
        let mut data = [0u32; 23];
        assert!(Matrices::by_stride(&data, TWO_BY_THREE, 9, 2).is_ok());
        let error = Matrices::by_stride(&data, TWO_BY_THREE, 9, 3).unwrap_err();
        assert!(matches!(error, Error::ViewOutOfBounds { needed: 24, found: 23, .. }), "{error}");
        assert!(Matrices::by_offset(&data, TWO_BY_THREE, &[0, 18]).is_err());
        assert!(Matrices::by_offset(&data, TWO_BY_THREE, &[usize::MAX]).is_err());
        assert!(Matrices::by_stride(&data, TWO_BY_THREE, usize::MAX, usize::MAX).is_err());
        assert!(MatricesMut::by_stride(&mut data, TWO_BY_THREE, 9, 3).is_err());
    }

    #[test]
    fn batch_of_unequal_views_is_refused() {
        let data = [0u32; 24];
        let first = MatRef::new(&data, 2, 3).unwrap();
        for other in [MatRef::new(&data, 3, 2).unwrap(), MatRef::with_strides(&data, 2, 3, 4, 1).unwrap()] {
            assert!(matches!(Matrices::by_address(&[first, other]), Err(Error::Size { .. })));
        }
        assert_eq!(Matrices::<u32>::by_address(&[]).unwrap().count(), 0);
    }

    #[test]
    fn mutable_batch_may_interleave_but_not_overlap() {
        let mut data = [0u32; 64];
        let heads = Layout { rows: 4, cols: 3, row_stride: 12, col_stride: 1 };
        assert!(MatricesMut::by_stride(&mut data, heads, 3, 4).is_ok(), "four heads side by side");
        assert!(MatricesMut::by_stride(&mut data, heads.transposed(), 3, 4).is_ok(), "and transposed");
        let flat = Layout { row_stride: 0, ..TWO_BY_THREE };
        for (layout, stride, count) in
            [(heads, 2, 4), (heads, 3, 5), (TWO_BY_THREE, 5, 2), (TWO_BY_THREE, 0, 2), (flat, 6, 2)]
        {
            let error = MatricesMut::by_stride(&mut data, layout, stride, count).unwrap_err();
            assert!(matches!(error, Error::Size { .. } | Error::ViewOverlaps { .. }), "{error}");
        }
        assert!(MatricesMut::by_stride(&mut data, TWO_BY_THREE, 0, 1).is_ok(), "one matrix needs no stride");
        assert!(MatricesMut::by_stride(&mut data, flat, 0, 0).is_ok(), "none needs nothing");
    }
}
