//! Queries, keys and values in one row.

use cke_kernels::Cpu;
use cke_kernels::attention::{AttentionPlan, KvDtype};
use std::ops::Range;

/// What the rows of a joined projection hold: the queries of all heads, then the keys, then the values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct QkvShape {
    /// Query heads.
    pub(crate) heads: usize,
    /// Key heads, and as many value heads: each serves the same number of query heads.
    pub(crate) key_heads: usize,
    /// Columns of a head.
    pub(crate) head_dim: usize,
}

impl QkvShape {
    /// Columns of the queries, and of the attention's output.
    pub(crate) fn query_width(self) -> usize {
        self.heads * self.head_dim
    }

    /// Columns of the keys, and as many of the values.
    pub(crate) fn key_width(self) -> usize {
        self.key_heads * self.head_dim
    }

    /// Columns of a joined row.
    pub(crate) fn row_width(self) -> usize {
        self.query_width() + 2 * self.key_width()
    }

    /// The columns of the queries in a joined row.
    pub(crate) fn queries(self) -> Range<usize> {
        0..self.query_width()
    }

    /// The columns of the keys in a joined row.
    pub(crate) fn keys(self) -> Range<usize> {
        self.query_width()..self.query_width() + self.key_width()
    }

    /// The columns of the values in a joined row.
    pub(crate) fn values(self) -> Range<usize> {
        self.query_width() + self.key_width()..self.row_width()
    }

    /// The attention that reads such rows, with scores multiplied by `scale` and caches of these numbers.
    ///
    /// # Errors
    /// Fails if no attention layer has these sizes.
    pub(crate) fn attention(self, cpu: &Cpu, scale: f32, cache: KvDtype) -> Result<AttentionPlan, cke_kernels::Error> {
        Ok(AttentionPlan::new(cpu, self.heads, self.key_heads, self.head_dim, scale)?.with_kv(cache))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_key_heads_take_fewer_columns() {
        let shape = QkvShape { heads: 6, key_heads: 2, head_dim: 5 };
        assert_eq!((shape.query_width(), shape.key_width(), shape.row_width()), (30, 10, 50));
        assert_eq!((shape.queries(), shape.keys(), shape.values()), (0..30, 30..40, 40..50));
    }

    #[test]
    fn its_attention_has_the_same_widths() {
        let (cpu, shape) = (Cpu::host().unwrap(), QkvShape { heads: 6, key_heads: 3, head_dim: 5 });
        let plan = shape.attention(cpu, 1.0, KvDtype::F32).unwrap();
        assert_eq!((plan.width(), plan.kv_width()), (shape.query_width(), shape.key_width()));
        let uneven = QkvShape { key_heads: 4, ..shape };
        assert!(uneven.attention(cpu, 1.0, KvDtype::F32).is_err());
    }
}
