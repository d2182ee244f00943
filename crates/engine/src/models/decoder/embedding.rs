//! What the stream of a decoder begins as.

use crate::activations::{Activations, Lookup};
use crate::error::Error;
use crate::linear::Linear;
use crate::models::causal::Sequence;
use crate::models::{embed_step, for_each_row};
use crate::runtime::Runtime;
use crate::source::Source;
use crate::table::Table;
use cke_kernels::ops::elementwise::scale;
use cke_kernels::ops::embedding::{add_rows, gather_rows};

/// x = scale · tokens[token] + positions[position]
#[derive(Debug)]
pub(in crate::models) struct Embedding {
    pub(in crate::models) width: usize,
    pub(in crate::models) tokens: TokenTable,
    /// (positions, width), row-major; `None` if positions turn queries and keys instead.
    pub(in crate::models) positions: Option<Table>,
    pub(in crate::models) scale: Option<f32>,
}

/// The rows of the tokens.
#[derive(Debug)]
pub(in crate::models) enum TokenTable {
    /// The weights of the head serve as the table.
    Head,
    /// (vocabulary, width), row-major.
    Rows(Table),
    /// Packed as the weights of a layer are, a token for each output.
    Packed(Linear),
}

impl TokenTable {
    /// The (vocabulary, width) matrix of a source in the numbers that it has there.
    pub(in crate::models) fn load(
        runtime: &Runtime,
        source: &Source<'_>,
        name: &str,
        width: usize,
        vocabulary: usize,
    ) -> Result<TokenTable, Error> {
        if source.has_floats(name)? {
            return Ok(TokenTable::Rows(source.table(runtime.pool(), name, vocabulary, width)?));
        }
        Ok(TokenTable::Packed(Linear::as_stored(runtime, source, name, width, vocabulary)?))
    }
}

impl Embedding {
    /// Bytes of the tables that are held for it alone.
    pub(super) fn bytes(&self) -> usize {
        let tokens = match &self.tokens {
            TokenTable::Head => 0,
            TokenTable::Rows(table) => size_of_val(&table[..]),
            TokenTable::Packed(table) => table.bytes(),
        };
        tokens + self.positions.as_deref().map_or(0, size_of_val)
    }

    /// The stream of all pending tokens.
    pub(super) fn run(
        &self,
        head: &Linear,
        sequences: &[Sequence],
        state: &mut Activations,
        runtime: &Runtime,
    ) -> Result<(), Error> {
        let (width, cpu) = (self.width, runtime.cpu());
        state.lookups.clear();
        for sequence in sequences {
            let places = sequence.pending.iter().zip(sequence.positions());
            state.lookups.extend(places.map(|(&token, position)| Lookup { token, kind: 0, position }));
        }
        let (lookups, rows) = (&state.lookups, state.lookups.len());
        runtime.step(
            || embed_step(rows, width),
            || {
                for_each_row(runtime.pool(), state.stream.of_mut(0..rows), width, |row, x| {
                    let Lookup { token, position, .. } = lookups[row];
                    match &self.tokens {
                        TokenTable::Head => head.copy_output(token as usize, x)?,
                        TokenTable::Rows(table) => gather_rows(table, width, &[token], x)?,
                        TokenTable::Packed(table) => table.copy_output(token as usize, x)?,
                    }
                    if let Some(factor) = self.scale {
                        scale(cpu, x, factor);
                    }
                    self.positions.as_ref().map_or(Ok(()), |table| add_rows(cpu, table, width, &[position], x))
                })
            },
        )
    }
}
