//! The run state of a forward pass: activations that are allocated once and reused.

use crate::cancel::Cancellation;
use crate::error::Error;
use crate::qkv_shape::QkvShape;
use crate::runtime::Runtime;
use cke_kernels::gemm::{Ctx, RowBuf};
use cke_kernels::scratch::{AlignedBuf, Scratch};
use std::ops::Range;

/// Rows for each thread that go through the products around an attention layer together: few enough that what one product leaves is
/// still in the caches when the next one reads it, enough that the arithmetic hides the reading of the weights.
const ROWS_PER_THREAD: usize = 256;

/// The rows that one forward pass computes, and how they are cut.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    rows: usize,
    part: usize,
}

impl Cut {
    /// Equal parts of `rows` rows for `threads` threads.
    pub(crate) fn new(rows: usize, threads: usize) -> Cut {
        let parts = rows.div_ceil(ROWS_PER_THREAD * threads).max(1);
        Cut { rows, part: rows.div_ceil(parts) }
    }

    /// All of them.
    pub(crate) fn rows(self) -> usize {
        self.rows
    }

    /// The parts, in order.
    pub(crate) fn parts(self) -> impl Iterator<Item = Range<usize>> {
        (0..self.rows).step_by(self.part.max(1)).map(move |start| start..self.rows.min(start + self.part))
    }
}

/// Columns of a model's buffers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Widths {
    /// Of the residual stream.
    pub(crate) stream: usize,
    /// Inside the feed-forward layer.
    pub(crate) inner: usize,
    /// Of queries, keys and values.
    pub(crate) qkv: QkvShape,
}

/// A buffer of rows of one width. It grows to the largest number of rows seen and stays.
#[derive(Debug)]
pub(crate) struct Rows {
    data: AlignedBuf<f32>,
    width: usize,
}

impl Rows {
    /// No rows yet.
    fn none() -> Result<Rows, Error> {
        Ok(Rows { data: AlignedBuf::zeroed(0)?, width: 0 })
    }

    /// Room for `rows` rows; what the buffer held is lost where it grows.
    fn reserve(&mut self, rows: usize, width: usize) -> Result<(), Error> {
        self.width = width;
        if self.data.len() < rows * width {
            self.data = AlignedBuf::zeroed(rows * width)?;
        }
        Ok(())
    }

    /// Some rows, one after the other.
    pub(crate) fn of(&self, rows: Range<usize>) -> &[f32] {
        &self.data[rows.start * self.width..rows.end * self.width]
    }

    /// The same, to be written.
    pub(crate) fn of_mut(&mut self, rows: Range<usize>) -> &mut [f32] {
        &mut self.data[rows.start * self.width..rows.end * self.width]
    }

    /// Overwrites row `to` with row `from`.
    pub(crate) fn copy_row(&mut self, from: usize, to: usize) {
        self.data.copy_within(from * self.width..(from + 1) * self.width, to * self.width);
    }
}

/// Buffers of a transformer's forward pass.
#[derive(Debug)]
pub struct Activations {
    /// The residual stream.
    pub(crate) stream: Rows,
    /// Normalised stream.
    pub(crate) normed: Rows,
    /// Attention's output, as wide as the queries.
    pub(crate) attended: Rows,
    /// Queries, keys and values side by side, as a [`QkvShape`] says.
    pub(crate) qkv: Rows,
    /// The stream between attention and feed-forward layer, of the rows of a part.
    pub(crate) middle: Rows,
    /// Inside the feed-forward layer, of the rows of a part.
    pub(crate) inner: Rows,
    /// The same as the second layer's kernel reads it.
    pub(crate) inner_rows: RowBuf,
    pub(crate) workspace: Workspace,
    /// For each row.
    pub(crate) lookups: Vec<Lookup>,
    /// For each way of turning queries and keys, those of each row.
    pub(crate) angles: Vec<Angles>,
    cancellation: Option<Cancellation>,
}

/// What one operation needs and the next one may overwrite.
#[derive(Debug, Default)]
pub(crate) struct Workspace {
    pub(crate) scratch: Scratch,
    /// Rows that several parts of a layer multiply by.
    pub(crate) rows: RowBuf,
    /// Gates that wait for what they let through, where the weights of both have different formats.
    pub(crate) gates: Scratch,
}

/// What the operations of a pass run with.
#[derive(Debug)]
pub(crate) struct OpContext<'a> {
    pub(crate) runtime: &'a Runtime,
    pub(crate) workspace: &'a mut Workspace,
}

impl OpContext<'_> {
    /// What kernels take of it.
    pub(crate) fn of_kernels(&mut self) -> Ctx<'_> {
        Ctx { pool: self.runtime.pool(), scratch: &mut self.workspace.scratch }
    }
}

/// What a row of the stream begins as: the sum of a row of each table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lookup {
    pub(crate) token: u32,
    /// The token's type, where a model has types.
    pub(crate) kind: u32,
    pub(crate) position: u32,
}

/// Cosines and sines of the angles by which each row's queries and keys are turned: (rows, pairs of a head).
#[derive(Clone, Debug, Default)]
pub(crate) struct Angles {
    pub(crate) pairs: usize,
    pub(crate) cos: Vec<f32>,
    pub(crate) sin: Vec<f32>,
}

impl Activations {
    /// Buffers for no rows yet.
    pub(crate) fn new() -> Result<Activations, Error> {
        Ok(Activations {
            stream: Rows::none()?,
            normed: Rows::none()?,
            attended: Rows::none()?,
            qkv: Rows::none()?,
            middle: Rows::none()?,
            inner: Rows::none()?,
            inner_rows: RowBuf::new(),
            workspace: Workspace::default(),
            lookups: Vec::new(),
            angles: Vec::new(),
            cancellation: None,
        })
    }

    /// Ends forward passes with [`Error::Cancelled`] from when on that is wanted.
    pub fn cancel_by(&mut self, cancellation: Cancellation) {
        self.cancellation = Some(cancellation);
    }

    /// Fails if the pass is to end.
    pub(crate) fn check_cancelled(&self) -> Result<(), Error> {
        match &self.cancellation {
            Some(cancellation) if cancellation.is_wanted() => Err(Error::Cancelled),
            _ => Ok(()),
        }
    }

    /// Bytes of the buffers for the rows of `cut`, without the workspace. There is room for what feed-forward layers hand on as floats, and
    /// as rows, which take half of that, about, at most.
    pub(crate) fn bytes_for(cut: Cut, widths: Widths) -> usize {
        let floats = sizes(cut, widths).iter().map(|(rows, width)| rows * width).sum::<usize>() * size_of::<f32>();
        floats + cut.part * widths.inner * size_of::<u16>()
    }

    /// Room for the rows of `cut`; what the buffers held is lost where they grow.
    pub(crate) fn reserve(&mut self, cut: Cut, widths: Widths) -> Result<(), Error> {
        let Activations { stream, normed, attended, qkv, middle, inner, .. } = self;
        let buffers = [stream, normed, attended, qkv, middle, inner];
        buffers.into_iter().zip(sizes(cut, widths)).try_for_each(|(buffer, (rows, width))| buffer.reserve(rows, width))
    }
}

/// Rows and width of each buffer for the rows of `cut`.
fn sizes(Cut { rows, part }: Cut, widths: Widths) -> [(usize, usize); 6] {
    let Widths { stream, inner, qkv } = widths;
    let (attended, qkv) = ((rows, qkv.query_width()), (rows, qkv.row_width()));
    [(rows, stream), (rows, stream), attended, qkv, (part, stream), (part, inner)]
}
