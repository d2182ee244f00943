//! One kind of attention, ready to run.

use cke_kernels::Cpu;
use cke_kernels::Error;
use cke_kernels::attention::{AttentionPlan, KvCache, KvDtype, Mask, Operands, SequenceRows};
use cke_kernels::gemm::Ctx;
use cke_kernels::scratch::AlignedBuf;
use cke_kernels::view::{MatMut, MatRef};
use cke_perf::random::Random;

/// What is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Case {
    pub(super) rows: Rows,
    pub(super) positions: usize,
    pub(super) heads: Heads,
    pub(super) kv: KvDtype,
}

/// Which positions are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rows {
    /// All of them.
    Prompt,
    /// The last one.
    Query,
}

/// The sizes of an attention layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Heads {
    pub(super) queries: usize,
    pub(super) keys: usize,
    pub(super) size: usize,
}

impl Rows {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Rows::Prompt => "prompt",
            Rows::Query => "one query",
        }
    }

    /// How many of these positions are computed.
    pub(super) const fn count(self, positions: usize) -> usize {
        match self {
            Rows::Prompt => positions,
            Rows::Query => 1,
        }
    }
}

impl Heads {
    /// The layer, with keys and values in f32.
    ///
    /// # Errors
    /// If key heads do not divide the query heads, or a row is longer than an address space.
    pub(super) fn plan(self, cpu: &Cpu) -> Result<AttentionPlan, Error> {
        AttentionPlan::new(cpu, self.queries, self.keys, self.size, 1.0 / (self.size as f32).sqrt())
    }
}

impl Case {
    /// Operations of a call: each query with each key that it sees, and each weight with its value.
    pub(super) fn flops(self) -> f64 {
        let (positions, width) = (self.positions as f64, (self.heads.queries * self.heads.size) as f64);
        let pairs = match self.rows {
            Rows::Prompt => positions * (positions + 1.0) / 2.0,
            Rows::Query => positions,
        };
        4.0 * width * pairs
    }
}

/// Operands of a case.
pub(super) struct Task {
    plan: AttentionPlan,
    key_heads: usize,
    cache: KvCache,
    /// Positions that are in the cache before a call.
    before: usize,
    rows: usize,
    queries: AlignedBuf<f32>,
    keys: AlignedBuf<f32>,
    values: AlignedBuf<f32>,
    out: AlignedBuf<f32>,
}

/// Positions that fill the cache at a time.
const FILLED_AT_ONCE: usize = 512;
/// What operands are drawn from.
const SEED: u64 = 0xA77E;

impl Task {
    /// # Errors
    /// If memory cannot be allocated.
    pub(super) fn new(cpu: &Cpu, case: Case, ctx: &mut Ctx<'_>) -> Result<Task, Error> {
        let plan = case.heads.plan(cpu)?.with_kv(case.kv);
        let rows = case.rows.count(case.positions);
        // Rows that fill the cache have room, too.
        let most = rows.max(FILLED_AT_ONCE.min(case.positions));
        let mut random = Random::new(SEED);
        let mut numbers = |width: usize| -> Result<AlignedBuf<f32>, Error> {
            let mut numbers = AlignedBuf::zeroed(most.saturating_mul(width))?;
            numbers.iter_mut().for_each(|x| *x = random.uniform() as f32);
            Ok(numbers)
        };
        let (queries, keys, values) = (numbers(plan.width())?, numbers(plan.kv_width())?, numbers(plan.kv_width())?);
        let out = AlignedBuf::zeroed(queries.len())?;
        let (cache, before) = (plan.cache(case.positions)?, case.positions - rows);
        let mut task = Task { plan, key_heads: case.heads.keys, cache, before, rows, queries, keys, values, out };
        while task.cache.len() < before {
            let rows = FILLED_AT_ONCE.min(before - task.cache.len());
            task.append(rows, ctx)?;
        }
        Ok(task)
    }

    /// The name of the kernel.
    pub(super) fn kernel(&self) -> &'static str {
        self.plan.kernel_name()
    }

    /// Bytes of all keys and values.
    pub(super) fn bytes(&self) -> usize {
        let positions = self.before + self.rows;
        let (numbers, scales) = (2 * positions * self.plan.kv_width(), 2 * positions * self.key_heads);
        match self.plan.format().dtype() {
            KvDtype::F32 => 4 * numbers,
            KvDtype::Int8 => numbers + 4 * scales,
            _ => 2 * numbers,
        }
    }

    /// Brings the cache to where calls begin.
    pub(super) fn rewind(&mut self) {
        self.cache.truncate(self.before);
    }

    /// The call.
    ///
    /// # Errors
    /// If memory cannot be allocated.
    pub(super) fn run(&mut self, ctx: &mut Ctx<'_>) -> Result<(), Error> {
        self.append(self.rows, ctx)
    }

    fn append(&mut self, rows: usize, ctx: &mut Ctx<'_>) -> Result<(), Error> {
        let (width, kv_width) = (self.plan.width(), self.plan.kv_width());
        let operands = Operands {
            queries: MatRef::new(&self.queries[..rows * width], rows, width)?,
            keys: MatRef::new(&self.keys[..rows * kv_width], rows, kv_width)?,
            values: MatRef::new(&self.values[..rows * kv_width], rows, kv_width)?,
            out: MatMut::new(&mut self.out[..rows * width], rows, width)?,
        };
        let sequence = SequenceRows { rows, cache: Some(&mut self.cache) };
        self.plan.run([sequence].into_iter(), Mask::Causal, operands, ctx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cke_kernels::scratch::Scratch;
    use cke_kernels::threads::Serial;

    #[test]
    fn calls_begin_where_the_ones_before_began() {
        let cpu = Cpu::host().expect("CKE_ISA is valid");
        let heads = Heads { queries: 4, keys: 2, size: 8 };
        let mut scratch = Scratch::new();
        for kv in KvDtype::ALL {
            for (rows, before, count) in [(Rows::Prompt, 0, 700), (Rows::Query, 699, 1)] {
                let mut ctx = Ctx { pool: &Serial, scratch: &mut scratch };
                let case = Case { rows, positions: 700, heads, kv };
                let mut task = Task::new(cpu, case, &mut ctx).expect("little memory");
                assert_eq!((task.cache.len(), task.rows), (before, count));
                let mut run = |task: &mut Task| {
                    task.rewind();
                    task.run(&mut ctx).expect("little memory");
                    (task.cache.len(), task.out[..32 * count].to_vec())
                };
                let first = run(&mut task);
                assert_eq!(first, run(&mut task));
                assert!(first.0 == 700 && first.1.iter().all(|x| x.is_finite() && *x != 0.0));
            }
        }
    }

    #[test]
    fn flops_and_bytes_are_those_of_the_definition() {
        let heads = Heads { queries: 12, keys: 4, size: 64 };
        let case = |rows| Case { rows, positions: 3, heads, kv: KvDtype::Bf16 };
        assert_eq!(case(Rows::Prompt).flops(), 4.0 * 768.0 * 6.0);
        assert_eq!(case(Rows::Query).flops(), 4.0 * 768.0 * 3.0);
        let cpu = Cpu::host().expect("CKE_ISA is valid");
        let mut ctx = Ctx { pool: &Serial, scratch: &mut Scratch::new() };
        let task = Task::new(cpu, case(Rows::Query), &mut ctx).expect("little memory");
        assert_eq!(task.bytes(), 2 * 3 * 4 * 64 * 2);
    }
}
