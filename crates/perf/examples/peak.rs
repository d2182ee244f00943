//! Prints the multiply-add peak and the read bandwidth of this machine, for one thread and for all.
//!
//! Run with `cargo run --release -p cke-perf --example peak`.
#![allow(clippy::print_stdout, reason = "an example prints its result")]

use cke_kernels::Cpu;
use cke_perf::bandwidth::{buffer_bytes, measure_read_bandwidth};
use cke_perf::host::Host;
use cke_perf::peak::measure_peak;
use cke_perf::report::{Align, Column, Table};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let cpu = Cpu::host()?;
    let host = Host::detect(cpu);
    print!("{}", host.table().to_markdown());
    println!();

    let mut threads = vec![1, host.usable_threads];
    threads.dedup();
    let bytes = buffer_bytes(host.last_level_cache_bytes, host.memory_available_bytes);
    let mut table = Table::new(vec![
        Column::new("threads", Align::Right),
        Column::new("isa", Align::Left),
        Column::new("GFLOP/s", Align::Right),
        Column::new("GB/s", Align::Right),
    ]);
    for threads in threads {
        let peak = measure_peak(cpu.detected_isa(), threads)?;
        let read = measure_read_bandwidth(threads, bytes)?;
        table.push(vec![
            threads.to_string(),
            peak.isa.to_string(),
            format!("{:.1}", peak.gflops),
            format!("{:.1}", read.gb_per_s),
        ]);
    }
    print!("{}", table.to_markdown());
    Ok(())
}
