//! Hardware counters over CKE's own products, if the system provides them.

use crate::error::CliError;
use crate::status_line::StatusLine;
use cke_kernels::Cpu;
use cke_kernels::gemm::{Ctx, Gemm};
use cke_kernels::scheme::F32;
use cke_kernels::scratch::Scratch;
use cke_kernels::threads::Serial;
use cke_kernels::view::{MatMut, MatRef};
use cke_perf::clock::Stopwatch;
use cke_perf::counters::{Counted, Counters, Event};
use cke_perf::peers::Product;
use cke_report::audit::{Case, CountedProduct, Counting, label};
use std::time::Instant;

/// How long a product is repeated.
const SECONDS: f64 = 0.03;
/// Products of more flops would take long without telling more.
const MOST_FLOPS: u64 = 3 << 30;

/// Counts while CKE computes each of the `cases` on one thread.
///
/// # Errors
/// If a product cannot be computed.
pub(super) fn count(cpu: &Cpu, cases: &[Case], progress: &StatusLine) -> Result<Counting, CliError> {
    let mut counters = match Counters::open(&Event::HARDWARE) {
        Ok(counters) => counters,
        Err(error) => return Ok(Counting::Unavailable { reason: error.to_string() }),
    };
    let is_short = |case: &&Case| case.product.work(cke_perf::peers::Dtype::F32).flops <= MOST_FLOPS;
    let (short, begun): (Vec<&Case>, _) = (cases.iter().filter(is_short).collect(), Instant::now());
    let counted = short.iter().enumerate().map(|(i, case)| {
        progress.show_step(&format!("hardware counters: {}", label(&case.product)), begun, i, short.len());
        count_product(cpu, &case.product, &mut counters)
    });
    Ok(Counting::Counted { products: counted.collect::<Result<_, cke_kernels::Error>>()? })
}

fn count_product(cpu: &Cpu, product: &Product, counters: &mut Counters) -> Result<CountedProduct, cke_kernels::Error> {
    let Product { m, n, k, transpose_a, transpose_b, .. } = *product;
    let (a, b, mut c) = (numbers(m * k), numbers(k * n), vec![0.0; m * n]);
    let stored = |data, rows, cols, is_transposed| -> Result<MatRef<'_, f32>, cke_kernels::Error> {
        if is_transposed {
            MatRef::new(data, cols, rows).map(MatRef::transposed)
        } else {
            MatRef::new(data, rows, cols)
        }
    };
    let gemm = Gemm::<F32>::new(stored(&a, m, k, transpose_a)?, stored(&b, k, n, transpose_b)?);
    let mut scratch = Scratch::new();
    let mut ctx = Ctx { pool: &Serial, scratch: &mut scratch };
    let mut run = || gemm.run(cpu, MatMut::new(&mut c, m, n)?, &mut ctx);
    run()?;
    let (calls, counts) = counters.count(|| {
        let watch = Stopwatch::start();
        let mut calls = 0u64;
        while calls == 0 || watch.seconds() < SECONDS {
            run()?;
            calls += 1;
        }
        Ok::<u64, cke_kernels::Error>(calls)
    });
    let flops = (2 * m * n * k) as f64 * calls? as f64;
    Ok(CountedProduct { label: label(product), ratios: Counted::new(counts, flops).ratios })
}

/// Numbers between ½ and 1½, none of them zero or denormal.
fn numbers(count: usize) -> Vec<f32> {
    (0..count).map(|i| 0.5 + (i % 97) as f32 / 97.0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn count_gives_products_or_a_reason() {
        let cpu = Cpu::host().expect("the environment names no bad ISA");
        let case =
            |text: &str| Case { family: cke_report::audit::Family::Odd, product: text.parse().expect("a product") };
        let cases = [case("3 5 7"), case("4 6 8 t t")];
        match count(cpu, &cases, &StatusLine::new()).expect("small products") {
            Counting::Counted { products } => assert_eq!(products.len(), 2),
            Counting::Unavailable { reason } => assert!(!reason.is_empty()),
        }
    }
}
