//! Why the register tile has the size it has: tiles of many sizes, and blocks of 64×64, on operands that lie in the first cache level,
//! so that nothing but the instructions makes the difference.
//!
//! Beside each measurement stands what a core could do at most that starts two multiply-adds, two loads and one store of a vector in
//! a cycle, and needs four cycles for a multiply-add, as cores with two full-width multiply-add units do.

use crate::failure::Failure;
use crate::product::{Product, random_matrix};
use crate::step3_vectors::add_row;
use crate::step4_cache_blocks::{self, BLOCK};
use crate::step5_register_tile::{self, MR, Operands, TileOfC, lanes, tile};
use cke_kernels::simd::{Op, Simd, dispatch};
use cke_kernels::{Cpu, Error, Isa};
use cke_perf::clock;
use cke_perf::core_clock::measure_core_clock;
use cke_perf::counters::{Counters, Event};
use cke_perf::peak::measure_peak;
use cke_perf::report::{Align, Column, Table};

/// Rounds, of which the best counts.
const ROUNDS: usize = 10;
/// Products that are timed together: some tens of microseconds.
const REPEATS: usize = 50;
/// Length of K of the tiles: a panel of 64 columns then takes 32 KiB.
const K: usize = 128;

const MULTIPLY_ADDS_PER_CYCLE: f64 = 2.0;
const LOADS_PER_CYCLE: f64 = 2.0;
const STORES_PER_CYCLE: f64 = 1.0;
const LATENCY: f64 = 4.0;

/// What a kernel does in each step of its inner loops, in vectors.
#[derive(Clone, Copy)]
struct Instructions {
    multiply_adds: usize,
    loads: usize,
    stores: usize,
    /// Chains of multiply-adds that do not wait for each other.
    chains: usize,
}

impl Instructions {
    fn tile(rows: usize, vectors: usize) -> Self {
        Instructions { multiply_adds: rows * vectors, loads: rows + vectors, stores: 0, chains: rows * vectors }
    }

    /// One row of a block: a broadcast, and for each multiply-add a load of B, a load of C and a store of C.
    fn row_of_block(lanes: usize) -> Self {
        let vectors = BLOCK / lanes;
        Instructions { multiply_adds: vectors, loads: 2 * vectors + 1, stores: vectors, chains: vectors }
    }

    /// The largest share of the peak that the model allows.
    fn limit(self) -> f64 {
        let multiply_adds = self.multiply_adds as f64 / MULTIPLY_ADDS_PER_CYCLE;
        let loads = self.loads as f64 / LOADS_PER_CYCLE;
        let stores = self.stores as f64 / STORES_PER_CYCLE;
        let latency = LATENCY * (self.multiply_adds / self.chains) as f64;
        multiply_adds / multiply_adds.max(loads).max(stores).max(latency)
    }
}

struct Contestant<'a> {
    name: String,
    instructions: Instructions,
    /// Of one call, which does REPEATS products.
    flops: f64,
    run: Box<dyn FnMut() + 'a>,
}

/// The best of all rounds.
pub(crate) struct Comparison {
    lanes: usize,
    peak: f64,
    ghz: f64,
    rows: Vec<Row>,
}

struct Row {
    name: String,
    instructions: Instructions,
    gflops: f64,
    instructions_per_cycle: Option<f64>,
}

pub(crate) fn compare(cpu: &Cpu) -> Result<Comparison, Failure> {
    let (a, b) = (random_matrix(K, 1)?, random_matrix(K, 2)?);
    let product = Product { cpu, n: BLOCK, a: &a[..BLOCK * BLOCK], b: &b[..BLOCK * BLOCK] };
    let mut contestants = whole_blocks(product)?;
    contestants.extend(tiles(cpu, &a, &b)?);
    let mut counters = Counters::open(&[Event::Cycles, Event::Instructions]).ok();

    let (mut peak, mut ghz) = (0.0f64, 0.0f64);
    let mut seconds = vec![f64::INFINITY; contestants.len()];
    for _ in 0..ROUNDS {
        peak = peak.max(measure_peak(cpu.isa(), 1)?.gflops);
        ghz = ghz.max(measure_core_clock(1)?.ghz);
        for (contestant, best) in contestants.iter_mut().zip(&mut seconds) {
            for _ in 0..ROUNDS {
                *best = best.min(clock::time(&mut contestant.run));
            }
        }
    }
    let row = |(mut contestant, seconds): (Contestant<'_>, f64)| Row {
        instructions_per_cycle: counters.as_mut().and_then(|c| c.count(&mut contestant.run).1.instructions_per_cycle()),
        name: contestant.name,
        instructions: contestant.instructions,
        gflops: contestant.flops / seconds / 1e9,
    };
    let rows = contestants.into_iter().zip(seconds).map(row).collect();
    Ok(Comparison { lanes: lanes(cpu.isa()), peak, ghz, rows })
}

/// The same product of 64×64 matrices through memory and through registers.
fn whole_blocks(product: Product<'_>) -> Result<Vec<Contestant<'_>>, Error> {
    let lanes = lanes(product.cpu.isa());
    let nr = step5_register_tile::nr(lanes);
    let row_of_block = Instructions::row_of_block(lanes);
    let tile = Instructions::tile(MR, nr / lanes);
    type Multiply = fn(&Product<'_>, &mut [f32]);
    let ways: [(&str, Instructions, Multiply); 3] = [
        ("64×64×64, step 4", row_of_block, step4_cache_blocks::multiply),
        ("64×64×64, step 4, p outside i", row_of_block, multiply_p_outside),
        ("64×64×64, step 8", tile, |product, c| step5_register_tile::multiply(product, MR, c)),
    ];
    let contestant = |(name, instructions, multiply): (&str, Instructions, Multiply)| {
        let mut c = random_matrix(BLOCK, 3)?;
        let run = move || (0..REPEATS).for_each(|_| multiply(&product, &mut c));
        let flops = REPEATS as f64 * product.flops();
        Ok(Contestant { name: name.to_owned(), instructions, flops, run: Box::new(run) })
    };
    ways.into_iter().map(contestant).collect()
}

/// The block with p outside i: a row of C comes back only after all others.
fn multiply_p_outside(product: &Product<'_>, c: &mut [f32]) {
    struct Multiply<'a>(&'a Product<'a>, &'a mut [f32]);
    impl Op for Multiply<'_> {
        type Output = ();

        #[inline(always)]
        fn run<S: Simd<f32>>(self, s: S) {
            let (Product { n, a, b, .. }, c) = (*self.0, self.1);
            c.fill(0.0);
            for p in 0..n {
                for i in 0..n {
                    add_row(s, &mut c[i * n..][..n], a[i * n + p], &b[p * n..][..n]);
                }
            }
        }
    }
    dispatch(product.cpu, Multiply(product, c));
}

/// Tiles from one chain of multiply-adds up to more than there are registers.
fn tiles<'a>(cpu: &'a Cpu, a: &'a [f32], b: &'a [f32]) -> Result<Vec<Contestant<'a>>, Error> {
    Ok(match cpu.isa() {
        // 32 registers each.
        Isa::Avx512 | Isa::Neon => vec![
            one_tile::<1, 1>(cpu, a, b)?,
            one_tile::<1, 4>(cpu, a, b)?,
            one_tile::<2, 4>(cpu, a, b)?,
            one_tile::<4, 4>(cpu, a, b)?,
            one_tile::<6, 4>(cpu, a, b)?,
            one_tile::<8, 3>(cpu, a, b)?,
            one_tile::<12, 2>(cpu, a, b)?,
            one_tile::<8, 4>(cpu, a, b)?,
        ],
        Isa::Avx2 | Isa::Scalar => vec![
            one_tile::<1, 1>(cpu, a, b)?,
            one_tile::<1, 2>(cpu, a, b)?,
            one_tile::<2, 2>(cpu, a, b)?,
            one_tile::<4, 2>(cpu, a, b)?,
            one_tile::<6, 2>(cpu, a, b)?,
            one_tile::<4, 3>(cpu, a, b)?,
            one_tile::<12, 1>(cpu, a, b)?,
            one_tile::<8, 2>(cpu, a, b)?,
        ],
    })
}

fn one_tile<'a, const ROWS: usize, const VECTORS: usize>(
    cpu: &'a Cpu,
    a: &'a [f32],
    b: &'a [f32],
) -> Result<Contestant<'a>, Error> {
    let width = VECTORS * lanes(cpu.isa());
    let operands = Operands { a, a_stride: K, b, b_stride: width, k: K };
    let mut c = random_matrix(K, 3)?;
    Ok(Contestant {
        name: format!("tile of {ROWS}×{width}"),
        instructions: Instructions::tile(ROWS, VECTORS),
        flops: (REPEATS * 2 * ROWS * width * K) as f64,
        run: Box::new(move || dispatch(cpu, RepeatTile::<ROWS, VECTORS> { operands, c: &mut c })),
    })
}

struct RepeatTile<'a, const ROWS: usize, const VECTORS: usize> {
    operands: Operands<'a>,
    c: &'a mut [f32],
}

impl<const ROWS: usize, const VECTORS: usize> Op for RepeatTile<'_, ROWS, VECTORS> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<f32>>(self, s: S) {
        let width = VECTORS * S::LANES;
        for _ in 0..REPEATS {
            tile::<S, ROWS, VECTORS>(s, self.operands, TileOfC { c: self.c, stride: width, cols: width }, true);
        }
    }
}

impl Comparison {
    /// Peak and clock in a line.
    pub(crate) fn machine(&self) -> String {
        format!("multiply-add peak {:.0} GFLOP/s, {:.2} GHz, one thread", self.peak, self.ghz)
    }

    pub(crate) fn table(&self) -> Table {
        let mut columns = vec![
            Column::new("", Align::Left),
            Column::new("chains", Align::Right),
            Column::new("loads a multiply-add", Align::Right),
            Column::new("stores a multiply-add", Align::Right),
            Column::new("possible", Align::Right),
            Column::new("of peak", Align::Right),
            Column::new("multiply-adds a cycle", Align::Right),
        ];
        let has_counters = self.rows.iter().any(|row| row.instructions_per_cycle.is_some());
        if has_counters {
            columns.push(Column::new("instructions a cycle", Align::Right));
        }
        let mut table = Table::new(columns);
        for Row { name, instructions, gflops, instructions_per_cycle } in &self.rows {
            let per_multiply_add = |count: usize| format!("{:.2}", count as f64 / instructions.multiply_adds as f64);
            table.push(vec![
                name.clone(),
                instructions.chains.to_string(),
                per_multiply_add(instructions.loads),
                per_multiply_add(instructions.stores),
                format!("{:.0}%", 100.0 * instructions.limit()),
                format!("{:.1}%", 100.0 * gflops / self.peak),
                format!("{:.2}", gflops / (2.0 * self.lanes as f64 * self.ghz)),
                instructions_per_cycle.map(|rate| format!("{rate:.2}")).unwrap_or_default(),
            ]);
        }
        table
    }
}
