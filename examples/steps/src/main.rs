//! One matrix product in twelve steps, from three plain loops to the library: each is checked against f64, then all are timed in turns
//! beside the machine's own multiply-add peak.
//!
//! cargo run --release -p cke-steps                all steps, 1152×1152×1152
//! cargo run --release -p cke-steps -- 256         another size
//! cargo run --release -p cke-steps -- --step 3    one step
//! cargo run --release -p cke-steps -- --yours     your own product, from src/yours.rs
//! cargo run --release -p cke-steps -- --solutions the solutions of the exercises
//! cargo run --release -p cke-steps -- --low-precision  eight and four bits, in six steps of their own
//! cargo run --release -p cke-steps -- --tiles     why the register tile has the size it has

mod failure;
mod low_precision;
mod product;
mod race;
mod solutions;
mod step10_library;
mod step11_threads;
mod step1_naive;
mod step2_loop_order;
mod step3_vectors;
mod step4_cache_blocks;
mod step5_register_tile;
mod step9_panels;
mod steps;
mod tiles;
mod yours;

use cke_kernels::Cpu;
use cke_kernels::gemm::Blocking;
use cke_kernels::threads::ThreadPool;
use clap::Parser;
use failure::Failure;
use product::{Product, random_matrix};
use std::process::ExitCode;
use step9_panels::blocking;

/// One matrix product in twelve steps, from three plain loops to the library, each checked and timed beside the machine's peak.
#[derive(Parser)]
struct Arguments {
    /// Rows and columns of the square matrices
    #[arg(default_value_t = 1152, value_parser = clap::value_parser!(u32).range(1..=8192))]
    size: u32,
    /// Run only these steps
    #[arg(long, value_name = "STEP,…", value_delimiter = ',', value_parser = clap::value_parser!(u8).range(steps::NUMBERS))]
    step: Vec<u8>,
    /// Run your own product, from src/yours.rs, instead
    #[arg(long, conflicts_with_all = ["step", "threads", "low_precision"])]
    yours: bool,
    /// Run the solutions of the exercises instead
    #[arg(long, conflicts_with_all = ["step", "threads", "low_precision", "yours"])]
    solutions: bool,
    /// Threads of the steps that use several; by default as many as this process may use
    #[arg(short, long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Multiply in eight and four bits instead, in six steps of their own, on one thread
    #[arg(long, conflicts_with = "threads")]
    low_precision: bool,
    /// Compare register tiles, and blocks of 64×64, on operands in the first cache level
    #[arg(long, conflicts_with_all = ["size", "step", "threads", "low_precision", "yours", "solutions"])]
    tiles: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    match arguments {
        Arguments { tiles: true, .. } => compare_tiles(),
        Arguments { low_precision: true, size, step, .. } => low_precision::run(Cpu::host()?, *size as usize, step),
        _ => run_steps(arguments),
    }
}

fn run_steps(arguments: &Arguments) -> Result<(), Failure> {
    let cpu = Cpu::host()?;
    let n = arguments.size as usize;
    let (a, b) = (random_matrix(n, 1)?, random_matrix(n, 2)?);
    let product = Product { cpu, n, a: &a, b: &b };
    let threads = arguments.threads.map_or_else(ThreadPool::available, usize::from);
    let pool = ThreadPool::new(threads)?;

    let mut steps = match arguments {
        Arguments { yours: true, .. } => steps::yours(&product),
        Arguments { solutions: true, .. } => steps::solutions(&product),
        Arguments { step, .. } => steps::steps(&product, &pool, step),
    };
    let outcome = race::race(&product, &mut steps, threads)?;
    let Blocking { mc, kc, nc } = blocking(&product, 1);
    println!("{}, {}, {n}×{n}×{n} in f32, {};", cpu.brand(), cpu.isa(), outcome.peaks(threads));
    println!("blocks of step 9: mc = {mc}, kc = {kc}, nc = {nc}\n");
    print!("{}", outcome.table(&product, &steps).to_markdown());
    Ok(())
}

fn compare_tiles() -> Result<(), Failure> {
    let cpu = Cpu::host()?;
    let comparison = tiles::compare(cpu)?;
    println!("{}, {}, {}\n", cpu.brand(), cpu.isa(), comparison.machine());
    print!("{}", comparison.table().to_markdown());
    Ok(())
}
