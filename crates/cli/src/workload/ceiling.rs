//! What the machine can do: the ceilings that a model's rates are compared with.

use crate::error::CliError;
use cke_engine::weight_format::WeightFormat;
use cke_kernels::{Cpu, Isa};
use cke_perf::arithmetic::Arithmetic;
use cke_perf::bandwidth::measure_read_bandwidth;
use cke_perf::peak::measure_peak;
use cke_perf::throughput::MeasureError;
use std::fmt;

/// The best multiply-add peak and read bandwidth seen so far with one number of threads.
///
/// Rates of a shared machine change from minute to minute, so both are measured again before each repetition of the
/// tests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MachineCeiling {
    isa: Isa,
    /// What the layers' kernels multiply.
    arithmetic: Arithmetic,
    threads: usize,
    /// Size of the buffer to read; `None` if nothing needs the bandwidth.
    buffer_bytes: Option<usize>,
    /// GFLOP/s.
    pub(crate) peak_gflops: f64,
    /// GB/s; 0 if it was not wanted.
    pub(crate) bandwidth_gb_per_s: f64,
}

impl MachineCeiling {
    /// Nothing measured yet; `numbers` are those of the models' layers.
    pub(crate) fn new(cpu: &Cpu, numbers: WeightFormat, threads: usize, buffer_bytes: Option<usize>) -> MachineCeiling {
        let arithmetic = match numbers {
            WeightFormat::Bf16 if !numbers.multiplies_in_f32(cpu) => Arithmetic::Bf16,
            WeightFormat::F32 | WeightFormat::Bf16 | WeightFormat::F16 | WeightFormat::Stored => Arithmetic::F32,
            WeightFormat::Int8 => Arithmetic::Int8,
            WeightFormat::Int4 => Arithmetic::Int4,
        };
        // The machine's own, whatever the models may use of it.
        let isa = cpu.detected_isa();
        MachineCeiling { isa, arithmetic, threads, buffer_bytes, peak_gflops: 0.0, bandwidth_gb_per_s: 0.0 }
    }

    /// Measures once more, on the CPUs that the calling thread may run on.
    ///
    /// # Errors
    /// If threads cannot be started or memory cannot be allocated.
    pub(crate) fn measure(&mut self) -> Result<(), CliError> {
        let failed = |error: MeasureError| CliError::Failed(error.to_string());
        self.peak_gflops = self.peak_gflops.max(self.measure_peak().map_err(failed)?);
        if let Some(bytes) = self.buffer_bytes {
            let bandwidth = measure_read_bandwidth(self.threads, bytes).map_err(failed)?;
            self.bandwidth_gb_per_s = self.bandwidth_gb_per_s.max(bandwidth.gb_per_s);
        }
        Ok(())
    }

    /// What the layers multiply.
    pub(crate) fn numbers(&self) -> &'static str {
        self.arithmetic.name()
    }

    /// That of what the layers multiply; of f32 on a CPU that multiplies bytes no faster.
    fn measure_peak(&self) -> Result<f64, MeasureError> {
        if self.arithmetic != Arithmetic::F32 {
            match self.arithmetic.measure_peak(self.threads) {
                Err(MeasureError::Unsupported { .. }) => (),
                peak => return Ok(peak?.gflops),
            }
        }
        Ok(measure_peak(self.isa, self.threads)?.gflops)
    }
}

impl fmt::Display for MachineCeiling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.threads == 1 { "" } else { "s" };
        let MachineCeiling { isa, threads, peak_gflops, bandwidth_gb_per_s, .. } = self;
        let numbers = self.numbers();
        write!(f, "this machine with {threads} thread{plural}: {peak_gflops:.1} GFLOP/s in {numbers} ({isa})")?;
        if self.buffer_bytes.is_some() { write!(f, ", {bandwidth_gb_per_s:.1} GB/s read from memory") } else { Ok(()) }
    }
}
