//! Attention over a cache, against the oracle and against itself cut into pieces.

mod bf16;
mod int8;
mod pages;
mod soft_cap;
mod window;

use crate::each_isa;
use cke_kernels::attention::{AttentionPlan, KvCache, KvDtype, Mask, Operands, SequenceRows, attention_reference};
use cke_kernels::gemm::Ctx;
use cke_kernels::scratch::Scratch;
use cke_kernels::threads::{Serial, ThreadPool};
use cke_kernels::view::{MatMut, MatRef};
use cke_kernels::{Cpu, Error};
use cke_testkit::matrix::{Layout, View};
use cke_testkit::oracle;
use cke_testkit::tolerance::{assert_close_by, assert_identical};
use cke_testkit::{Data, Recorded};
use std::path::Path;

/// Query heads, key heads, head dimension: one of each, odd, grouped, and those of real models.
const SIZES: [(usize, usize, usize); 7] =
    [(1, 1, 1), (3, 3, 17), (4, 2, 16), (2, 1, 32), (2, 2, 64), (1, 1, 80), (1, 1, 128)];
const LENGTHS: [usize; 6] = [1, 2, 7, 33, 64, 131];

/// Queries, keys and values of one sequence, and an attention layer over them.
#[derive(Clone)]
struct Layer {
    plan: AttentionPlan,
    heads: usize,
    group: usize,
    dim: usize,
    len: usize,
    soft_cap: Option<f32>,
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
}

impl Layer {
    fn new(cpu: &Cpu, (heads, kv_heads, dim): (usize, usize, usize), len: usize) -> Layer {
        let mut data = Data::new((heads * 1000 + dim * 10 + len) as u64);
        let scale = 1.0 / (dim as f32).sqrt();
        let plan = AttentionPlan::new(cpu, heads, kv_heads, dim, scale).unwrap();
        let (q, k) = (data.normal(len * heads * dim, 0.0, 2.0), data.normal(len * kv_heads * dim, 0.0, 1.0));
        let v = data.normal(len * kv_heads * dim, 0.5, 1.0);
        Layer { plan, heads, group: heads / kv_heads, dim, len, soft_cap: None, q, k, v }
    }

    /// Attention of the positions from `from` to `to`: (to − from, heads · dim).
    fn step(&self, from: usize, to: usize, cache: Option<&mut KvCache>, mask: Mask, pool: &ThreadPool) -> Vec<f32> {
        let (width, kv_width) = (self.heads * self.dim, self.heads / self.group * self.dim);
        let rows = to - from;
        let view = |x| MatRef::new(x, rows, kv_width).unwrap();
        let mut out = vec![f32::NAN; rows * width];
        let operands = Operands {
            queries: MatRef::new(&self.q[from * width..to * width], rows, width).unwrap(),
            keys: view(&self.k[from * kv_width..to * kv_width]),
            values: view(&self.v[from * kv_width..to * kv_width]),
            out: MatMut::new(&mut out, rows, width).unwrap(),
        };
        let ctx = &mut Ctx { pool, scratch: &mut Scratch::new() };
        self.plan.run([SequenceRows { rows, cache }].into_iter(), mask, operands, ctx).unwrap();
        out
    }

    /// Attention of the whole sequence without a cache.
    fn whole(&self, mask: Mask, threads: usize) -> Vec<f32> {
        self.step(0, self.len, None, mask, &ThreadPool::new(threads).unwrap())
    }

    /// Attention with the sequence read in pieces of the given lengths.
    fn pieces(&self, mask: Mask, pieces: &[usize], threads: usize) -> Vec<f32> {
        let pool = ThreadPool::new(threads).unwrap();
        let mut cache = self.plan.cache(self.len + 3).unwrap();
        let mut out = Vec::new();
        for &count in pieces {
            let first = cache.len();
            out.extend(self.step(first, first + count, Some(&mut cache), mask, &pool));
            assert_eq!(cache.len(), first + count);
        }
        out
    }

    /// One head's part of a (len, heads · dim) matrix.
    fn head(&self, x: &[f32], head: usize) -> Vec<f32> {
        let width = x.len() / self.len;
        x.chunks_exact(width).flat_map(|row| row[head * self.dim..][..self.dim].to_vec()).collect()
    }

    /// Compares with the oracle, and so the twin.
    fn check(&self, case: &str, found: &[f32], mask: Mask) {
        // A score of up to about 20 carries an error of some 20·dim·ε into its weight.
        let tolerance = 1e-6 + 4.0 * self.dim as f64 * f64::from(f32::EPSILON);
        self.check_within(case, found, mask, tolerance);
    }

    /// The same where results may be `tolerance` off.
    fn check_within(&self, case: &str, found: &[f32], mask: Mask, tolerance: f64) {
        let (len, dim) = (self.len, self.dim);
        let (scale, scale_of_twin) = (1.0 / f64::from(dim as f32).sqrt(), 1.0 / (dim as f32).sqrt());
        let score = |x: f64| self.soft_cap.map(f64::from).map_or(scale * x, |cap| cap * (scale * x / cap).tanh());
        let score_of_twin =
            |x: f32| self.soft_cap.map_or(scale_of_twin * x, |cap| cap * (scale_of_twin * x / cap).tanh());
        let visible = |i: usize| match mask {
            Mask::Full => 0..len,
            Mask::Causal => 0..i + 1,
            Mask::Window(width) => (i + 1).saturating_sub(width)..i + 1,
        };
        let of_oracle = match mask {
            Mask::Full => oracle::Mask::None,
            Mask::Causal => oracle::Mask::Causal,
            Mask::Window(width) => oracle::Mask::Window(width),
        };
        for head in 0..self.heads {
            let q = self.head(&self.q, head);
            let (k, v) = (self.head(&self.k, head / self.group), self.head(&self.v, head / self.group));
            let view = |x| View::new(x, Layout::row_major(len, dim));
            let wanted = oracle::attention(view(&q), view(&k), view(&v), score, of_oracle);
            assert_close_by(&format!("{case}, head {head}"), &self.head(found, head), &wanted, tolerance, 1e-5);
            let twin = attention_reference(&q, &k, &v, dim, score_of_twin, visible);
            assert_close_by(&format!("{case}, twin of head {head}"), &twin, &wanted, tolerance, 1e-5);
        }
    }
}

/// The bits of `tests/operations/attention_bits.txt`; see `tests/gemm/recorded_bits.rs` on how they are recorded.
#[test]
fn attention_has_the_recorded_bits() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/operations/attention_bits.txt");
    let mut recorded = Recorded::read(&file);
    each_isa(|cpu| {
        for size in SIZES {
            for len in [1, 33, 700] {
                let mut layer = Layer::new(cpu, size, len);
                // Without the logarithms of normal data, which are the system's.
                let mut data = Data::new(904);
                for values in [&mut layer.q, &mut layer.k, &mut layer.v] {
                    *values = data.uniform_in(values.len(), -3.0, 3.0);
                }
                for mask in [Mask::Full, Mask::Causal] {
                    let name = format!("{} {size:?} {len} positions {mask:?}", cpu.isa());
                    recorded.result(&name, layer.whole(mask, 1).into_iter().map(|x| u64::from(x.to_bits())));
                    let in_bf16 = Layer { plan: layer.plan.with_kv(KvDtype::Bf16), ..layer.clone() };
                    let multiplied = if bf16::rounds_all(&in_bf16) { "vdpbf16ps" } else { "widened" };
                    let name = format!("{}-{multiplied} {size:?} {len} positions {mask:?} in bf16", cpu.isa());
                    recorded.result(&name, in_bf16.whole(mask, 1).into_iter().map(|x| u64::from(x.to_bits())));
                }
            }
        }
    });
    recorded.check();
}

#[test]
fn attention_any_size_matches_oracle() {
    each_isa(|cpu| {
        for size in SIZES {
            for len in LENGTHS {
                let layer = Layer::new(cpu, size, len);
                for mask in [Mask::Full, Mask::Causal] {
                    let case = format!("{} {size:?}, {len} positions, {mask:?}", cpu.isa());
                    layer.check(&case, &layer.whole(mask, 1), mask);
                }
            }
        }
    });
}

#[test]
fn attention_over_several_kv_blocks_matches_oracle() {
    each_isa(|cpu| {
        let layer = Layer::new(cpu, (2, 1, 8), 1300);
        for mask in [Mask::Full, Mask::Causal] {
            layer.check(&format!("{} {mask:?}", cpu.isa()), &layer.whole(mask, 2), mask);
        }
    });
}

#[test]
fn attention_in_pieces_on_threads_has_same_bits() {
    each_isa(|cpu| {
        for size in SIZES {
            let layer = Layer::new(cpu, size, 67);
            let whole = layer.whole(Mask::Causal, 1);
            for (pieces, threads) in [(&[1; 67][..], 1), (&[30, 1, 36], 2), (&[66, 1], 3), (&[67], 2), (&[67], 16)] {
                let case = format!("{} {size:?} {pieces:?} on {threads}", cpu.isa());
                assert_identical(&case, &layer.pieces(Mask::Causal, pieces, threads), &whole);
            }
            let whole = layer.whole(Mask::Full, 1);
            assert_identical("without a mask", &layer.whole(Mask::Full, 16), &whole);
        }
    });
}

/// One token after a long context: with more threads than heads, the keys are shared out among them.
#[test]
fn attention_of_one_token_has_same_bits_whoever_reads_the_keys() {
    each_isa(|cpu| {
        let layers = [
            ((2, 2, 17), KvDtype::F32),
            ((2, 1, 64), KvDtype::F32),
            ((2, 1, 9), KvDtype::Bf16),
            ((2, 1, 9), KvDtype::Int8),
        ];
        for (size, kv) in layers {
            let mut layer = Layer::new(cpu, size, 1300);
            layer.plan = layer.plan.with_kv(kv);
            let whole = layer.whole(Mask::Causal, 1);
            for threads in [1, 8] {
                let found = layer.pieces(Mask::Causal, &[1291, 1, 1, 2, 5], threads);
                assert_identical(&format!("{} {size:?} {kv} on {threads}", cpu.isa()), &found, &whole);
            }
        }
    });
}

#[test]
fn attention_of_several_sequences_is_that_of_each() {
    each_isa(|cpu| {
        let layer = Layer::new(cpu, (4, 2, 16), 40);
        let (width, kv_width) = (64, 32);
        // Rows of the second sequence, none for the third, and two more of the first.
        let (mut first, mut second, mut third) =
            (layer.plan.cache(40).unwrap(), layer.plan.cache(30).unwrap(), layer.plan.cache(1).unwrap());
        let pool = ThreadPool::new(2).unwrap();
        layer.step(0, 38, Some(&mut first), Mask::Causal, &pool);
        let rows = |x: &[f32], width: usize| [&x[..30 * width], &x[38 * width..]].concat();
        let (q, k, v) = (rows(&layer.q, width), rows(&layer.k, kv_width), rows(&layer.v, kv_width));
        let mut out = vec![f32::NAN; 32 * width];
        let operands = Operands {
            queries: MatRef::new(&q, 32, width).unwrap(),
            keys: MatRef::new(&k, 32, kv_width).unwrap(),
            values: MatRef::new(&v, 32, kv_width).unwrap(),
            out: MatMut::new(&mut out, 32, width).unwrap(),
        };
        let sequences = [(30, &mut second), (0, &mut third), (2, &mut first)]
            .map(|(rows, cache)| SequenceRows { rows, cache: Some(cache) })
            .into_iter();
        let ctx = &mut Ctx { pool: &pool, scratch: &mut Scratch::new() };
        layer.plan.run(sequences, Mask::Causal, operands, ctx).unwrap();
        let whole = layer.whole(Mask::Causal, 1);
        assert_identical("both", &out, &rows(&whole, width));
        assert_eq!((first.len(), second.len(), third.len()), (40, 30, 0));
    });
}

#[test]
fn truncated_cache_forgets() {
    each_isa(|cpu| {
        let layer = Layer::new(cpu, (2, 2, 17), 40);
        let pool = ThreadPool::new(1).unwrap();
        let mut cache = layer.plan.cache(40).unwrap();
        layer.step(0, 40, Some(&mut cache), Mask::Causal, &pool);
        cache.truncate(5);
        let out = layer.step(5, 9, Some(&mut cache), Mask::Causal, &pool);
        let width = 34;
        assert_identical("rows 5 to 8", &out, &layer.whole(Mask::Causal, 1)[5 * width..9 * width]);
    });
}

#[test]
fn impossible_calls_are_errors() {
    let cpu = Cpu::host().unwrap();
    for (heads, kv_heads, dim) in [(0, 1, 8), (2, 0, 8), (2, 2, 0), (3, 2, 8)] {
        assert!(matches!(AttentionPlan::new(cpu, heads, kv_heads, dim, 1.0), Err(Error::Size { .. })));
    }
    for kv in KvDtype::ALL {
        let plan = AttentionPlan::new(cpu, 1, 1, isize::MAX as usize / 4, 1.0).unwrap().with_kv(kv);
        assert!(matches!(plan.cache(1).unwrap().reserve(1), Err(Error::OutOfMemory { .. })), "{kv}");
    }
    let plan = AttentionPlan::new(cpu, 2, 2, 8, 1.0).unwrap();
    let pool = ThreadPool::new(1).unwrap();
    let mut cache = plan.cache(4).unwrap();
    let data = vec![1.0; 5 * 32];
    let view = |rows, cols| MatRef::new(&data[..rows * cols], rows, cols).unwrap();
    let mut run = |rows, queries, keys, values, out_rows: usize, out_stride| {
        let mut out = vec![7.0; 5 * 32];
        let out = MatMut::with_strides(&mut out, out_rows, 16, 16 * out_stride, out_stride).unwrap();
        let ctx = &mut Ctx { pool: &pool, scratch: &mut Scratch::new() };
        let sequence = SequenceRows { rows, cache: Some(&mut cache) };
        let result = plan.run([sequence].into_iter(), Mask::Causal, Operands { queries, keys, values, out }, ctx);
        (result.is_ok(), cache.len())
    };
    let strided = MatRef::with_strides(&data, 2, 16, 32, 2).unwrap();
    let good = view(2, 16);
    assert_eq!(run(5, view(5, 16), view(5, 16), view(5, 16), 5, 1), (false, 0), "no room");
    assert_eq!(run(2, view(2, 15), good, good, 2, 1), (false, 0), "width of the queries");
    assert_eq!(run(2, good, view(2, 15), good, 2, 1), (false, 0), "width of the keys");
    assert_eq!(run(2, good, good, view(3, 16), 2, 1), (false, 0), "rows of the values");
    assert_eq!(run(2, good, strided, good, 2, 1), (false, 0), "column stride of the keys");
    assert_eq!(run(2, good, good, good, 2, 2), (false, 0), "column stride of the output");
    assert_eq!(run(2, good, good, good, 3, 1), (false, 0), "rows of the output");
    assert_eq!(run(1, good, good, good, 2, 1), (false, 0), "rows of the sequences");
    assert_eq!(run(2, good, good, good, 2, 1), (true, 2));
    assert_eq!(run(3, view(3, 16), view(3, 16), view(3, 16), 3, 1), (false, 2), "no room behind what is there");
}

/// A call of `sequences` on operands of this many rows, all zeros.
fn run_sequences<'t>(
    plan: &AttentionPlan,
    rows: usize,
    sequences: impl ExactSizeIterator<Item = SequenceRows<'t>>,
    mask: Mask,
    scratch: &mut Scratch,
) -> Result<(), Error> {
    let (q, k, v) =
        (vec![0.0; rows * plan.width()], vec![0.0; rows * plan.kv_width()], vec![0.0; rows * plan.kv_width()]);
    let mut out = vec![0.0; rows * plan.width()];
    let operands = Operands {
        queries: MatRef::new(&q, rows, plan.width())?,
        keys: MatRef::new(&k, rows, plan.kv_width())?,
        values: MatRef::new(&v, rows, plan.kv_width())?,
        out: MatMut::new(&mut out, rows, plan.width())?,
    };
    plan.run(sequences, mask, operands, &mut Ctx { pool: &Serial, scratch })
}

#[test]
fn cache_of_another_plan_is_refused_and_stays_as_it_is() {
    let cpu = Cpu::host().expect("the environment names no bad ISA");
    let small = AttentionPlan::new(cpu, 1, 1, 1, 1.0).expect("sizes are good");
    let large = AttentionPlan::new(cpu, 64, 64, 128, 1.0).expect("sizes are good");
    let mut cache = small.cache(8).expect("little memory");
    let sequences = [SequenceRows { rows: 2, cache: Some(&mut cache) }].into_iter();
    let error = run_sequences(&large, 2, sequences, Mask::Causal, &mut Scratch::new()).expect_err("the format differs");
    assert_eq!(error, Error::CacheForAnotherPlan { wanted: large.format(), found: small.format() });
    let text = error.to_string();
    assert!(text.contains("64 key heads of 128") && text.contains("1 key heads of 1 "), "{text}");
    assert_eq!(cache.len(), 0);
    // Plans that differ in query heads and scale alone share caches.
    let grouped = AttentionPlan::new(cpu, 4, 1, 1, 0.5).expect("sizes are good");
    run_sequences(
        &grouped,
        2,
        [SequenceRows { rows: 2, cache: Some(&mut cache) }].into_iter(),
        Mask::Causal,
        &mut Scratch::new(),
    )
    .expect("it fits");
    assert_eq!(cache.len(), 2);
}

/// A cache of one plan takes the memory that the plan says, and another plan refuses it by a message that names its format.
fn assert_refused(by: &AttentionPlan, of: &AttentionPlan, named: &str) {
    let mut cache = of.cache(3).expect("little memory");
    cache.reserve(3).expect("little memory");
    assert_eq!(cache.bytes(), of.cache_bytes(3));
    let sequences = [SequenceRows { rows: 1, cache: Some(&mut cache) }].into_iter();
    let error = run_sequences(by, 1, sequences, Mask::Causal, &mut Scratch::new()).expect_err("the format differs");
    assert_eq!(error, Error::CacheForAnotherPlan { wanted: by.format(), found: of.format() });
    assert!(error.to_string().contains(named), "{error}");
}

#[test]
fn cache_of_another_plan_among_good_ones_changes_none() {
    let cpu = Cpu::host().expect("the environment names no bad ISA");
    let plan = AttentionPlan::new(cpu, 2, 2, 8, 1.0).expect("sizes are good");
    for other in [(4, 4, 8), (2, 2, 4), (2, 1, 8)] {
        let other = AttentionPlan::new(cpu, other.0, other.1, other.2, 1.0).expect("sizes are good");
        let (mut good, mut bad) = (plan.cache(4).expect("little memory"), other.cache(4).expect("little memory"));
        let sequences =
            [SequenceRows { rows: 1, cache: Some(&mut good) }, SequenceRows { rows: 1, cache: Some(&mut bad) }];
        let outcome = run_sequences(&plan, 2, sequences.into_iter(), Mask::Causal, &mut Scratch::new());
        assert!(matches!(outcome, Err(Error::CacheForAnotherPlan { .. })), "{outcome:?}");
        assert_eq!((good.len(), bad.len()), (0, 0));
    }
}

/// An iterator whose length is not what it says.
struct Claims<I>(I, usize);

impl<I: Iterator> Iterator for Claims<I> {
    type Item = I::Item;

    fn next(&mut self) -> Option<I::Item> {
        self.0.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.1, Some(self.1))
    }
}

impl<I: Iterator> ExactSizeIterator for Claims<I> {}

#[test]
fn sequences_that_are_fewer_or_more_than_their_iterator_says_are_refused() {
    let cpu = Cpu::host().expect("the environment names no bad ISA");
    let plan = AttentionPlan::new(cpu, 2, 2, 8, 1.0).expect("sizes are good");
    let mut scratch = Scratch::new();
    {
        // Leaves jobs in the scratch whose caches are gone when the next call looks at it.
        let mut caches = [0; 3].map(|_| plan.cache(4).expect("little memory"));
        let sequences: Vec<_> = caches.iter_mut().map(|cache| SequenceRows { rows: 1, cache: Some(cache) }).collect();
        run_sequences(&plan, 3, sequences.into_iter(), Mask::Causal, &mut scratch).expect("sizes agree");
    }
    let mut cache = plan.cache(4).expect("little memory");
    for claimed in [0, 1, 3, 100] {
        let sequences = vec![SequenceRows { rows: 1, cache: None }, SequenceRows { rows: 1, cache: Some(&mut cache) }];
        let outcome = run_sequences(&plan, 2, Claims(sequences.into_iter(), claimed), Mask::Causal, &mut scratch);
        assert!(matches!(outcome, Err(Error::Size { wanted, .. }) if wanted == claimed), "{claimed}: {outcome:?}");
    }
    let outcome = run_sequences(&plan, 2, Claims([].into_iter(), usize::MAX), Mask::Causal, &mut scratch);
    assert!(matches!(outcome, Err(Error::OutOfMemory { .. })), "{outcome:?}");
    assert_eq!(cache.len(), 0);
}

#[test]
fn sizes_that_no_address_space_has_are_errors() {
    let cpu = Cpu::host().expect("the environment names no bad ISA");
    for (heads, key_heads, dim) in
        [(1 << 40, 1, 1 << 40), (usize::MAX, 1, 2), (1 << 62, 1 << 62, 4), (1, 1, usize::MAX)]
    {
        let outcome = AttentionPlan::new(cpu, heads, key_heads, dim, 1.0);
        assert!(matches!(outcome, Err(Error::Size { .. })), "{heads} heads of {dim}: {outcome:?}");
    }
    let plan = AttentionPlan::new(cpu, 2, 2, 8, 1.0).expect("sizes are good");
    for capacity in [usize::MAX, usize::MAX - 7, 1 << 60] {
        assert!(matches!(plan.cache(capacity), Err(Error::OutOfMemory { .. })), "{capacity}");
        assert_eq!(
            (plan.cache_bytes(capacity), plan.scratch_bytes(2, usize::MAX, capacity, false)),
            (usize::MAX, usize::MAX)
        );
    }
}
