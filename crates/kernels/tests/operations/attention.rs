//! Attention over a cache, against the oracle and against itself cut into pieces.

use crate::each_isa;
use cke_kernels::gemm::Ctx;
use cke_kernels::ops::attention::{AttentionPlan, KvCache, Mask, attention_reference};
use cke_kernels::scratch::Scratch;
use cke_kernels::threads::ThreadPool;
use cke_kernels::view::{MatMut, MatRef};
use cke_kernels::{Cpu, Error};
use cke_testkit::Data;
use cke_testkit::matrix::{Layout, View};
use cke_testkit::oracle;
use cke_testkit::tolerance::{assert_close_by, assert_identical};

/// Query heads, key heads, head dimension: one of each, odd, grouped, and those of real models.
const SIZES: [(usize, usize, usize); 7] =
    [(1, 1, 1), (3, 3, 17), (4, 2, 16), (2, 1, 32), (2, 2, 64), (1, 1, 80), (1, 1, 128)];
const LENGTHS: [usize; 6] = [1, 2, 7, 33, 64, 131];

/// Queries, keys and values of one sequence, and an attention layer over them.
struct Layer {
    plan: AttentionPlan,
    heads: usize,
    group: usize,
    dim: usize,
    len: usize,
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
        Layer { plan, heads, group: heads / kv_heads, dim, len, q, k, v }
    }

    fn append(&self, cache: &mut KvCache, from: usize, to: usize, pool: &ThreadPool) {
        let width = self.heads / self.group * self.dim;
        let part = |x: &[f32]| x[from * width..to * width].to_vec();
        let (k, v) = (part(&self.k), part(&self.v));
        let view = |x| MatRef::new(x, to - from, width).unwrap();
        self.plan.append(cache, view(&k), view(&v), pool).unwrap();
    }

    /// Attention with the sequence appended and queried in pieces of the given lengths.
    fn run(&self, pieces: &[usize], is_causal: bool, threads: usize) -> Vec<f32> {
        let pool = ThreadPool::new(threads).unwrap();
        let mut scratch = Scratch::new();
        let mut cache = self.plan.cache(self.len + 3).unwrap();
        let width = self.heads * self.dim;
        let mut out = vec![f32::NAN; self.len * width];
        if !is_causal {
            self.append(&mut cache, 0, self.len, &pool);
        }
        let mut first = 0;
        for &count in pieces {
            if is_causal {
                self.append(&mut cache, first, first + count, &pool);
            }
            let rows = first * width..(first + count) * width;
            let q = MatRef::new(&self.q[rows.clone()], count, width).unwrap();
            let out = MatMut::new(&mut out[rows], count, width).unwrap();
            let mask = if is_causal { Mask::Causal { first } } else { Mask::Full };
            self.plan.run(q, &cache, mask, out, &mut Ctx { pool: &pool, scratch: &mut scratch }).unwrap();
            first += count;
        }
        out
    }

    /// One head's part of a (len, heads · dim) matrix.
    fn head(&self, x: &[f32], head: usize) -> Vec<f32> {
        let width = x.len() / self.len;
        x.chunks_exact(width).flat_map(|row| row[head * self.dim..][..self.dim].to_vec()).collect()
    }

    fn check(&self, case: &str, found: &[f32], is_causal: bool) {
        let (len, dim) = (self.len, self.dim);
        for head in 0..self.heads {
            let q = self.head(&self.q, head);
            let (k, v) = (self.head(&self.k, head / self.group), self.head(&self.v, head / self.group));
            let layout = Layout::row_major(len, dim);
            let view = |x| View::new(x, layout);
            let mask = if is_causal { oracle::Mask::Causal } else { oracle::Mask::None };
            let scale = 1.0 / f64::from(dim as f32).sqrt();
            let wanted = oracle::attention(view(&q), view(&k), view(&v), scale, mask);
            // A score of up to about 20 carries an error of some 20·dim·ε into its weight.
            let tolerance = 1e-6 + 4.0 * dim as f64 * f64::from(f32::EPSILON);
            assert_close_by(&format!("{case}, head {head}"), &self.head(found, head), &wanted, tolerance, 1e-5);
            let scale = 1.0 / (dim as f32).sqrt();
            let twin = attention_reference(&q, &k, &v, dim, scale, |i| if is_causal { i + 1 } else { len });
            assert_close_by(&format!("{case}, twin of head {head}"), &twin, &wanted, tolerance, 1e-5);
        }
    }
}

#[test]
fn attention_any_size_matches_oracle() {
    each_isa(|cpu| {
        for size in SIZES {
            for len in LENGTHS {
                let layer = Layer::new(cpu, size, len);
                for is_causal in [false, true] {
                    let case = format!("{} {size:?}, {len} positions, causal {is_causal}", cpu.isa());
                    layer.check(&case, &layer.run(&[len], is_causal, 1), is_causal);
                }
            }
        }
    });
}

#[test]
fn attention_in_pieces_on_threads_has_same_bits() {
    each_isa(|cpu| {
        for size in SIZES {
            let layer = Layer::new(cpu, size, 67);
            for is_causal in [false, true] {
                let whole = layer.run(&[67], is_causal, 1);
                for (pieces, threads) in [(&[1; 67][..], 1), (&[30, 1, 36], 2), (&[66, 1], 3), (&[67], 2)] {
                    let case = format!("{} {size:?} causal {is_causal} {pieces:?} on {threads}", cpu.isa());
                    assert_identical(&case, &layer.run(pieces, is_causal, threads), &whole);
                }
            }
        }
    });
}

#[test]
fn truncated_cache_forgets() {
    each_isa(|cpu| {
        let layer = Layer::new(cpu, (2, 2, 17), 40);
        let pool = ThreadPool::new(1).unwrap();
        let mut cache = layer.plan.cache(40).unwrap();
        layer.append(&mut cache, 0, 40, &pool);
        cache.truncate(5);
        layer.append(&mut cache, 5, 9, &pool);
        let width = 34;
        let mut out = vec![f32::NAN; width];
        let q = MatRef::new(&layer.q[8 * width..9 * width], 1, width).unwrap();
        let mut scratch = Scratch::new();
        let ctx = &mut Ctx { pool: &pool, scratch: &mut scratch };
        let mask = Mask::Causal { first: 8 };
        layer.plan.run(q, &cache, mask, MatMut::new(&mut out, 1, width).unwrap(), ctx).unwrap();
        assert_identical("row 8", &out, &layer.run(&[40], true, 1)[8 * width..9 * width]);
    });
}

#[test]
fn impossible_calls_are_errors() {
    let cpu = Cpu::host().unwrap();
    for (heads, kv_heads, dim) in [(0, 1, 8), (2, 0, 8), (2, 2, 0), (3, 2, 8)] {
        assert!(matches!(AttentionPlan::new(cpu, heads, kv_heads, dim, 1.0), Err(Error::Size { .. })));
    }
    let plan = AttentionPlan::new(cpu, 2, 2, 8, 1.0).unwrap();
    let pool = ThreadPool::new(1).unwrap();
    let mut cache = plan.cache(4).unwrap();
    let data = vec![1.0; 5 * 16];
    let view = |rows, cols| MatRef::new(&data[..rows * cols], rows, cols).unwrap();
    assert!(plan.append(&mut cache, view(5, 16), view(5, 16), &pool).is_err(), "no room");
    assert!(plan.append(&mut cache, view(2, 15), view(2, 16), &pool).is_err(), "width of the keys");
    assert!(plan.append(&mut cache, view(2, 16), view(3, 16), &pool).is_err(), "rows of the values");
    let strided = MatRef::with_strides(&data, 2, 16, 16, 2).unwrap();
    assert!(plan.append(&mut cache, strided, view(2, 16), &pool).is_err(), "column stride of the keys");
    assert!(cache.is_empty());

    let mut out = vec![7.0; 16];
    let mut scratch = Scratch::new();
    let mut run = |cache: &KvCache, mask| {
        let ctx = &mut Ctx { pool: &pool, scratch: &mut scratch };
        plan.run(view(1, 16), cache, mask, MatMut::new(&mut out, 1, 16).unwrap(), ctx)
    };
    assert!(run(&cache, Mask::Full).is_err(), "nothing to attend to");
    plan.append(&mut cache, view(2, 16), view(2, 16), &pool).unwrap();
    assert!(run(&cache, Mask::Causal { first: 2 }).is_err(), "query behind the last key");
    assert!(run(&cache, Mask::Causal { first: 1 }).is_ok());
}
