//! One key head: softmax(scale · Q·Kᵀ)·V for some of its queries, a KV block at a time.
//!
//! ```text
//! for each KV block s that a query sees:
//!     S  = Q·Kₛᵀ          mₛ = max S          P = e^(scale · (S − mₛ))          lₛ = Σ P          Oₛ = P·Vₛ
//!     m' = max(m, mₛ)     O = O·e^(scale · (m − m')) + Oₛ·e^(scale · (mₛ − m')),     l likewise
//! out = O / l
//! ```
//!
//! All queries of a position that share the key head are rows of the same products, which therefore read its keys and values once.
//!
//! Source: Milakov and Gimelshein, "Online normalizer calculation for softmax", 2018; Dao et al., "FlashAttention", 2022; Ainslie et al.,
//! "GQA", 2023. KV blocks begin at fixed positions and are joined in their order, so a query's bits depend neither on the other queries nor
//! on which thread computed which block.

use super::cache::{HeadPanels, Panels};
use super::mask::Visible;
use super::parts::{Divide, Join, OutRows, Part};
use super::queries::Queries;
use super::rounded::{self, RoundRows};
use super::weights::Weights;
use super::widened::{WidenKeys, WidenValues};
use super::{AttentionPlan, KvFormat};
use crate::gemm::chains::chain_start;
use crate::gemm::loops::WholeB;
use crate::gemm::macro_kernel::Product;
use crate::gemm::strided::Strided;
use crate::simd::dispatch;
use std::ops::Range;

/// Values of a sequence that are weighed in a chain of their own, before the chains of the product. The weights here are divided by
/// their sum in the end, which costs more roundings than the weights that add up to 1 of two products with a softmax between them;
/// this makes up for it where keys are few.
const FIRST_CHAIN: usize = 32;

/// A key head of one sequence and the query heads that share it, a group.
#[derive(Clone, Copy)]
pub(super) struct KeyHead<'a> {
    pub(super) plan: &'a AttentionPlan,
    pub(super) panels: HeadPanels<'a>,
    /// The query of row 0 and the group's first head; those of the other heads follow it, those of the next row lie `query_stride` elements on.
    pub(super) queries: *const f32,
    pub(super) query_stride: usize,
    /// The first query's result; the others likewise.
    pub(super) out: *mut f32,
    pub(super) out_stride: usize,
    /// What the queries of a row see.
    pub(super) visible: Visible,
}

/// What one task works with, for some queries at a time.
pub(super) struct Work<'a> {
    /// (queries, head_dim)
    pub(super) copy: &'a mut [f32],
    /// (queries, keys of a KV block)
    pub(super) scores: &'a mut [f32],
    /// The keys of a KV block, then its values, if they are widened.
    pub(super) widened: &'a mut [f32],
    /// Of the KV blocks joined so far.
    pub(super) joined: Part<'a>,
    /// What the block at hand gives.
    pub(super) own: Part<'a>,
}

impl KeyHead<'_> {
    /// The KV blocks that some queries see keys of.
    pub(super) fn kv_blocks(&self, queries: &Queries) -> Range<usize> {
        self.plan.kv_blocks(self.visible.to_rows(queries.rows()))
    }

    /// The results of the given queries.
    ///
    /// # Safety
    /// The queries exist, their results are valid for writes and used by nobody else, the panels hold every key that they see, and `work` has
    /// room for them.
    pub(super) unsafe fn run(&self, queries: &Queries, work: &mut Work<'_>) {
        let Work { copy, scores, widened, joined, own } = work;
        // SAFETY: promised by the caller.
        unsafe {
            let rows = self.rows(queries, copy);
            for (index, block) in self.kv_blocks(queries).enumerate() {
                if index == 0 {
                    self.kv_block(queries, rows, block, (scores, widened), joined);
                } else {
                    self.kv_block(queries, rows, block, (scores, widened), own);
                    self.join(queries, joined, own);
                }
            }
            self.divide(queries, joined);
        }
    }

    /// Joins a part of these queries to those before it.
    pub(super) fn join<'p>(&self, queries: &Queries, joined: &mut Part<'p>, own: &Part<'p>) {
        let (queries, head_dim, scale) = (queries.len(), self.plan.format.head_dim, self.plan.scaling.of_differences());
        dispatch(&self.plan.cpu, Join { queries, head_dim, scale, joined, own });
    }

    /// The results of the queries from all of their KV blocks, joined.
    ///
    /// # Safety
    /// As [`KeyHead::run`] of the results.
    pub(super) unsafe fn divide(&self, queries: &Queries, joined: &Part<'_>) {
        let AttentionPlan { cpu, format, .. } = self.plan;
        // SAFETY: promised by the caller.
        let out = unsafe { OutRows::new(self.out, self.out_stride, format.head_dim, queries.places()) };
        dispatch(cpu, Divide { joined, out });
    }

    /// The rows of some queries as the kernel reads them: where they are if the same number of elements lies between them, otherwise in
    /// `copy`.
    ///
    /// # Safety
    /// The queries exist, and `copy` has room for them.
    pub(super) unsafe fn rows(&self, queries: &Queries, copy: &mut [f32]) -> Strided<u8> {
        let (group, dim) = (self.plan.group, self.plan.format.head_dim);
        let mut places =
            queries.places().map(|(row, head)| self.queries.wrapping_add(row * self.query_stride + head * dim));
        // SAFETY: a query that exists by the caller's promise.
        let query = |place: *const f32| unsafe { std::slice::from_raw_parts(place, dim) };
        let (data, row_stride) = if self.plan.rounds_rows() {
            dispatch(&self.plan.cpu, RoundRows { rows: places.map(query), k: dim, out: copy });
            (copy.as_ptr(), rounded::row_len(dim))
        } else if group == 1 || queries.rows().len() == 1 {
            let first = places.next().unwrap_or(self.queries);
            (first, if group == 1 { self.query_stride } else { dim })
        } else {
            for (place, copy) in places.zip(copy.chunks_exact_mut(dim)) {
                copy.copy_from_slice(query(place));
            }
            (copy.as_ptr(), dim)
        };
        // An element of f32, or a pair in its place.
        Strided { data, row_stride, col_stride: 1 }.bytes()
    }

    /// part ← Σ e^(scale · (score − max)) · value over what the queries see of one of their KV blocks, with max and Σ e^… of each.
    ///
    /// # Safety
    /// As [`KeyHead::run`], with the queries' rows and room for them in `scores` and `part`, and for the block in `widened`.
    pub(super) unsafe fn kv_block(
        &self,
        queries: &Queries,
        rows: Strided<u8>,
        block: usize,
        (scores, widened): (&mut [f32], &mut [f32]),
        part: &mut Part<'_>,
    ) {
        let (plan, m) = (self.plan, queries.len());
        let (keys, panels) = (self.keys_of(queries, block), self.panels.of_block(plan.format, block));
        // SAFETY: the keys exist by the caller's promise.
        let of_keys = unsafe { self.widened_keys(&keys, panels, widened) };
        let row_len = keys.scored().len().next_multiple_of(plan.kernel.lanes());
        let scores = &mut scores[..m * row_len];
        // SAFETY: the queries and the keys exist by the caller's promise; the scores have room for m rows.
        unsafe { self.scores(m, rows, &keys, of_keys, scores, row_len) };
        let scored = keys.scored();
        let within = |key: usize| key.clamp(scored.start, scored.end) - scored.start;
        let visible =
            queries.places().map(|(row, _)| self.visible.to(row)).map(|seen| within(seen.start)..within(seen.end));
        let (scaling, rounds, stats) = (plan.scaling, plan.rounds_rows(), &mut part.stats);
        dispatch(&plan.cpu, Weights { scores, row_len, visible, scaling, rounds, stats });
        // SAFETY: the values exist by the caller's promise; the weights are m rows, and the part has room for as many.
        unsafe {
            let of_values = self.widened_values(&keys, panels, widened);
            self.weigh_values(m, &keys, of_values, scores, row_len, part.out);
        }
    }

    /// The panels whose keys the kernel reads: widened ones if they are in eight bits.
    ///
    /// # Safety
    /// The panels hold these keys, and nobody writes to them as long as the result lives.
    unsafe fn widened_keys(&self, keys: &BlockKeys, panels: Panels, widened: &mut [f32]) -> Panels {
        let AttentionPlan { cpu, format, .. } = self.plan;
        if !format.is_quantized() {
            return panels;
        }
        let scored = keys.scored();
        let positions = scored.start - keys.start..scored.end - keys.start;
        // SAFETY: promised by the caller.
        dispatch(cpu, unsafe { WidenKeys::new(*format, panels, positions, &mut *widened) });
        Panels { keys: widened.as_mut_ptr().cast(), ..panels }
    }

    /// The panels whose values the kernel reads, likewise.
    ///
    /// # Safety
    /// The panels hold the values of these keys, and nobody writes to them as long as the result lives.
    unsafe fn widened_values(&self, keys: &BlockKeys, panels: Panels, widened: &mut [f32]) -> Panels {
        let AttentionPlan { cpu, format, kv_block: capacity, .. } = self.plan;
        if !format.is_quantized() {
            return panels;
        }
        let positions = keys.skipped..keys.end - keys.start;
        // SAFETY: promised by the caller.
        dispatch(cpu, unsafe { WidenValues::new(*format, panels, positions, *capacity, &mut *widened) });
        Panels { values: widened.as_mut_ptr().cast(), capacity: *capacity, ..panels }
    }

    /// What is computed of a KV block for some queries.
    fn keys_of(&self, queries: &Queries, block: usize) -> BlockKeys {
        let (seen, len) = (self.visible.to_rows(queries.rows()), self.plan.kv_block);
        let start = block * len;
        let (skipped, end) = (seen.start.saturating_sub(start), seen.end.min(start + len));
        let first = if start == 0 { end.min(FIRST_CHAIN) } else { 0 };
        let skipped = if skipped < first { 0 } else { first + chain_start(skipped - first) };
        BlockKeys { start, first, skipped, nr: self.plan.format.panel.cols, end }
    }

    /// scores (m, scored keys) ← Q·Kᵀ
    ///
    /// # Safety
    /// As [`KeyHead::kv_block`], with room for m rows of `row_len` scores.
    unsafe fn scores(
        &self,
        m: usize,
        rows: Strided<u8>,
        keys: &BlockKeys,
        panels: Panels,
        scores: &mut [f32],
        row_len: usize,
    ) {
        let (k, panel, scored) = (self.plan.format.head_dim, self.plan.format.panel, keys.scored());
        let product = self.product(m, scored.len(), k, scores, row_len);
        // They begin where a panel does.
        let first = panels.keys.wrapping_add((scored.start - keys.start) / panel.cols * panel.panel_bytes(k));
        let b = self.panels_from(first, panel.panel_bytes(k));
        // SAFETY: promised by the caller.
        unsafe { product.run_alone(0..k, rows, b) };
    }

    /// out (m, head_dim) ← P·V, the weights P being (m, scored keys).
    ///
    /// # Safety
    /// As [`KeyHead::kv_block`], with m rows of `row_len` weights and room for m rows of output.
    unsafe fn weigh_values(
        &self,
        m: usize,
        keys: &BlockKeys,
        panels: Panels,
        weights: &[f32],
        row_len: usize,
        out: &mut [f32],
    ) {
        let plan = self.plan;
        let KvFormat { head_dim: dim, panel, .. } = plan.format;
        if keys.skipped > keys.first {
            out[..m * dim].fill(0.0);
        }
        let [first, all] = [keys.first, keys.end - keys.start];
        let chains = [
            (0, keys.skipped..first, 0.0),
            (first, keys.skipped.max(first)..all, if keys.skipped < first { 1.0 } else { 0.0 }),
        ];
        for (before, steps, beta) in chains {
            if steps.is_empty() {
                continue;
            }
            let product = Product { beta, ..self.product(m, dim, steps.end - before, out, dim) };
            // Of key `before` of the block, though there may be no weight of it. All numbers of keys are even here.
            let in_a_place = if plan.rounds_rows() { 2 } else { 1 };
            let (before_all, scored) = (before / in_a_place, (keys.scored().start - keys.start) / in_a_place);
            let data = weights.as_ptr().wrapping_add(before_all).wrapping_sub(scored);
            let a = Strided { data, row_stride: row_len, col_stride: 1 };
            // Chains begin where blocks of panels do.
            let first = panels.values.wrapping_add(before / panel.block_k * panel.block_bytes);
            let b = self.panels_from(first, panel.panel_bytes(panels.capacity));
            // SAFETY: the steps' weights and values exist, and `out` has room, by the caller's promise.
            unsafe { product.run_alone(steps.start - before..steps.end - before, a.bytes(), b) };
        }
    }

    /// The panels from `first` on, one every `panel_bytes`.
    fn panels_from(&self, first: *const u8, panel_bytes: usize) -> WholeB {
        let panels_of_tile = self.plan.kernel.tile().nr / self.plan.format.panel.cols;
        WholeB::of_rows(first, panels_of_tile * panel_bytes, self.plan.format.panel.block_bytes)
    }

    /// A product of rows and panels: c (m, n) ← A (m, k) · B (k, n).
    fn product<'p>(&self, m: usize, n: usize, k: usize, c: &mut [f32], c_row_stride: usize) -> Product<'p, f32> {
        let (kernel, c) = (self.plan.kernel, c.as_mut_ptr());
        Product { kernel, m, n, k, c, c_row_stride, c_col_stride: 1, alpha: 1.0, beta: 0.0, epilogue: None }
    }
}

/// What is computed of a KV block: chains of values that no query sees are left out, but none begins elsewhere for it.
struct BlockKeys {
    /// Where the block begins.
    start: usize,
    /// Keys of the first chain.
    first: usize,
    /// Keys of the block before the first chain that is computed.
    skipped: usize,
    /// Keys of a panel.
    nr: usize,
    /// Behind the last key that is seen.
    end: usize,
}

impl BlockKeys {
    /// Keys whose scores are computed: whole panels from the start of the first chain on.
    fn scored(&self) -> Range<usize> {
        self.start + self.skipped / self.nr * self.nr..self.end
    }
}
