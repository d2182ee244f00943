//! A test for microkernels, wherever they come from: each tile that a kernel can be asked for, against a plain loop in f64.
//!
//! Operands are small whole numbers, so that every sum is exact in whatever order it is made, and one wrong term shows. NaN lies
//! around the operands, and in C where it must not be read; C and copies of B are looked at beyond their ends.

mod block;
mod call;
mod elements;
mod fault;
mod operands;
mod prepared;

pub use self::fault::{Fault, KernelFault};
pub use self::prepared::check_prepared_kernel;

use self::call::{Call, ToDo};
use self::elements::Elements;
use self::operands::Operands as _;
use super::epilogue::{Epilogue, TileEpilogue};
use super::microkernel::{Form, Supported, Tile};
use crate::scheme::{Output, Uniform};

/// Tests a kernel on every number of rows and columns of its tile, with depths up to 33, one and two pairs and everything that
/// [`Store`](super::Store) can ask for; then that it sums in the chains that [`TileArgs::chains`](super::TileArgs::chains) lists.
///
/// What it cannot see: reads and writes far beside the operands, or that leave no trace; run it under a sanitiser for those.
///
/// # Errors
/// Returns the first fault found.
pub fn check_kernel<S: Uniform>(kernel: Supported<S>) -> Result<(), KernelFault>
where
    S::E: Into<f64> + From<f32>,
{
    for (seed, &k) in (1..).zip(DEPTHS) {
        for pairs in [1, 2] {
            let operands = Elements::<S>::new(kernel, k, pairs, 1.0, seed);
            let sums = operands.sums();
            for call in calls(kernel, &operands) {
                call.check(&|row, col| call.wanted(row, col, sums[row * kernel.tile().nr + col]))?;
            }
        }
    }
    check_order(kernel)?;
    check_chains(kernel)
}

/// Depths on both sides of the borders of loops along k.
const DEPTHS: &[usize] = &[0, 1, 2, 3, 7, 8, 9, 16, 17, 33];

/// Compares tiles of every size with the largest one, bit for bit, on operands whose sums are rounded.
fn check_order<S: Uniform>(kernel: Supported<S>) -> Result<(), KernelFault>
where
    S::E: Into<f64> + From<f32>,
{
    let Tile { mr, nr } = kernel.tile();
    let operands = Elements::<S>::new(kernel, 33, 1, 1.0 / 3.0, 99);
    let call = |rows, cols| Call { kernel, operands: &operands, rows, cols, to_do: ToDo::Overwrite, split: None };
    let whole = call(mr, nr).run()?;
    for (rows, cols) in tiles(kernel.tile()) {
        let part = call(rows, cols);
        let found = part.run()?;
        for (row, col) in part.places() {
            let (wanted, found) = (whole[row * nr + col], found[row * cols + col]);
            if wanted != found {
                return Err(part.fault(Fault::Order { row, col, wanted, found }));
            }
        }
    }
    Ok(())
}

/// Compares one call with two calls of which the second goes on where a chain ends, bit for bit: in the smallest and the largest tile,
/// over pairs in whose middle chains end.
fn check_chains<S: Uniform>(kernel: Supported<S>) -> Result<(), KernelFault>
where
    S::E: Into<f64> + From<f32>,
{
    if kernel.record().form() == Form::Dot {
        return Ok(());
    }
    let Tile { mr, nr } = kernel.tile();
    let operands = Elements::<S>::new(kernel, 200, 2, 1.0 / 3.0, 77);
    for to_do in [ToDo::Overwrite, ToDo::Accumulate, ToDo::Scale { alpha: 0.3, beta: 0.7 }] {
        for (rows, cols) in [(1, 1), (mr, nr)] {
            let call = |split| Call { kernel, operands: &operands, rows, cols, to_do, split };
            let wanted = call(None).run()?;
            for at in [128, 256] {
                let parts = call(Some(at));
                for ((row, col), (&wanted, found)) in parts.places().zip(wanted.iter().zip(parts.run()?)) {
                    if wanted != found {
                        return Err(parts.fault(Fault::Chains { row, col, at, wanted, found }));
                    }
                }
            }
        }
    }
    Ok(())
}

/// Every number of rows and of columns.
fn tiles(tile: Tile) -> impl Iterator<Item = (usize, usize)> {
    (1..=tile.mr).flat_map(move |rows| (1..=tile.nr).map(move |cols| (rows, cols)))
}

/// Every call that is made with these operands.
fn calls<S: Uniform>(kernel: Supported<S>, operands: &Elements<S>) -> impl Iterator<Item = Call<'_, S>>
where
    S::E: Into<f64> + From<f32>,
{
    let to_dos = ToDo::ALL.into_iter().filter(move |&to_do| match to_do {
        ToDo::CopyB => kernel.record().form() == Form::Outer && operands.values().pairs == 1,
        ToDo::Epilogue { .. } => {
            <S::E as Output>::Epilogue::cut(&Epilogue { bias: Some(&[1.0]), ..Epilogue::default() }, 0, 0).is_some()
        }
        _ => true,
    });
    tiles(kernel.tile()).flat_map(move |(rows, cols)| {
        to_dos.clone().map(move |to_do| Call { kernel, operands, rows, cols, to_do, split: None })
    })
}
