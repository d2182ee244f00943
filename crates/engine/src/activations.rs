//! The run state of a forward pass: activations that are allocated once and reused.

use crate::error::Error;
use cke_kernels::scratch::{AlignedBuf, Scratch};

/// Buffers of a transformer's forward pass; they grow to the largest number of rows seen and stay.
#[derive(Debug)]
pub struct Activations {
    /// The residual stream and its successor: (rows, width) each.
    pub(crate) stream: AlignedBuf<f32>,
    pub(crate) next_stream: AlignedBuf<f32>,
    /// Normalised stream, then attention's output: (rows, width).
    pub(crate) normed: AlignedBuf<f32>,
    pub(crate) attended: AlignedBuf<f32>,
    /// Queries, keys and values side by side: (rows, 3 · width).
    pub(crate) qkv: AlignedBuf<f32>,
    /// Inside the feed-forward layer: (rows, inner).
    pub(crate) inner: AlignedBuf<f32>,
    pub(crate) scratch: Scratch,
}

impl Activations {
    /// Buffers for no rows yet.
    pub(crate) fn new() -> Result<Activations, Error> {
        let empty = || AlignedBuf::zeroed(0);
        Ok(Activations {
            stream: empty()?,
            next_stream: empty()?,
            normed: empty()?,
            attended: empty()?,
            qkv: empty()?,
            inner: empty()?,
            scratch: Scratch::new(),
        })
    }

    /// Bytes of the buffers for `rows` rows, without the scratch.
    pub(crate) fn bytes_for(rows: usize, width: usize, inner: usize) -> usize {
        rows * row_lengths(width, inner).iter().sum::<usize>() * size_of::<f32>()
    }

    /// Room for `rows` rows; what the buffers held is lost where they grow.
    pub(crate) fn reserve(&mut self, rows: usize, width: usize, inner: usize) -> Result<(), Error> {
        let buffers = [
            &mut self.stream,
            &mut self.next_stream,
            &mut self.normed,
            &mut self.attended,
            &mut self.qkv,
            &mut self.inner,
        ];
        for (buffer, row) in buffers.into_iter().zip(row_lengths(width, inner)) {
            if buffer.len() < rows * row {
                *buffer = AlignedBuf::zeroed(rows * row)?;
            }
        }
        Ok(())
    }

    /// The first `rows` rows of every buffer, for which there is room.
    pub(crate) fn rows(&mut self, rows: usize, width: usize, inner: usize) -> Rows<'_> {
        Rows {
            stream: &mut self.stream[..rows * width],
            next_stream: &mut self.next_stream[..rows * width],
            normed: &mut self.normed[..rows * width],
            attended: &mut self.attended[..rows * width],
            qkv: &mut self.qkv[..rows * 3 * width],
            inner: &mut self.inner[..rows * inner],
            scratch: &mut self.scratch,
        }
    }
}

/// The buffers of [`Activations`] cut to the rows of one forward pass.
pub(crate) struct Rows<'a> {
    pub(crate) stream: &'a mut [f32],
    pub(crate) next_stream: &'a mut [f32],
    pub(crate) normed: &'a mut [f32],
    pub(crate) attended: &'a mut [f32],
    pub(crate) qkv: &'a mut [f32],
    pub(crate) inner: &'a mut [f32],
    pub(crate) scratch: &'a mut Scratch,
}

/// Elements of a row in each buffer, in the order of the fields.
fn row_lengths(width: usize, inner: usize) -> [usize; 6] {
    [width, width, width, width, 3 * width, inner]
}
