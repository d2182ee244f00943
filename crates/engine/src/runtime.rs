//! What a model runs on: a CPU description, a pool of threads and the numbers of its layers.
//!
//! `Runtime::new(None)` has a thread for each core and weights in f32; [`Runtime::with_weights`] and [`Runtime::with_kv`] choose other
//! numbers.

use crate::error::Error;
use crate::profile::{Profile, Recorder, Step};
use crate::weight_format::WeightFormat;
use cke_kernels::Cpu;
use cke_kernels::attention::KvDtype;
use cke_kernels::threads::{Observed, Parallel, ThreadPool};

/// The CPU and the threads that models run on; shared by any number of models.
#[derive(Debug)]
pub struct Runtime {
    cpu: Cpu,
    pool: Pool,
    weight_format: WeightFormat,
    kv_dtype: Option<KvDtype>,
}

#[derive(Debug)]
enum Pool {
    Plain(ThreadPool),
    Recorded(Observed<ThreadPool, Recorder>),
}

impl Runtime {
    /// This machine with `threads` threads; `None` stands for [`ThreadPool::available`], the limit of the environment or one for each
    /// core that the process may use.
    ///
    /// # Errors
    /// If `CKE_ISA` or `CKE_REQUIRE_ISA` cannot be honoured or a thread cannot be started.
    pub fn new(threads: Option<usize>) -> Result<Runtime, Error> {
        Ok(Runtime::with_cpu(*Cpu::host()?, threads)?)
    }

    /// As [`Runtime::new`], on a CPU description of the caller's choice.
    ///
    /// # Errors
    /// If a thread cannot be started.
    pub fn with_cpu(cpu: Cpu, threads: Option<usize>) -> Result<Runtime, cke_kernels::Error> {
        let pool = ThreadPool::new(threads.unwrap_or_else(ThreadPool::available))?;
        Ok(Runtime { cpu, pool: Pool::Plain(pool), weight_format: WeightFormat::default(), kv_dtype: None })
    }

    /// The same runtime, from now on with notes of every operation that runs on it.
    #[must_use]
    pub fn recording(self) -> Runtime {
        match self.pool {
            Pool::Plain(pool) => {
                let observer = Recorder::new(pool.threads());
                Runtime { pool: Pool::Recorded(Observed::new(pool, observer)), ..self }
            }
            Pool::Recorded(_) => self,
        }
    }

    /// What was recorded since the last call; nothing where the runtime does not record.
    pub fn take_profile(&self) -> Profile {
        match &self.pool {
            Pool::Plain(pool) => Profile { threads: pool.threads(), operations: Vec::new(), intervals: Vec::new() },
            Pool::Recorded(pool) => pool.observer().take(),
        }
    }

    /// The same runtime, from now on loading the weights of linear layers in this format.
    #[must_use]
    pub fn with_weights(self, weight_format: WeightFormat) -> Runtime {
        Runtime { weight_format, ..self }
    }

    /// In which format weights are loaded.
    pub fn weight_format(&self) -> WeightFormat {
        self.weight_format
    }

    /// The same runtime, from now on loading models whose attention takes keys and values in these numbers.
    #[must_use]
    pub fn with_kv(self, kv_dtype: KvDtype) -> Runtime {
        Runtime { kv_dtype: Some(kv_dtype), ..self }
    }

    /// In which numbers attention takes keys and values.
    pub fn kv_dtype(&self) -> KvDtype {
        self.kv_dtype.unwrap_or_else(|| self.weight_format.kv_dtype())
    }

    /// The CPU.
    pub fn cpu(&self) -> &Cpu {
        &self.cpu
    }

    /// The threads.
    pub fn pool(&self) -> &dyn Parallel {
        match &self.pool {
            Pool::Plain(pool) => pool,
            Pool::Recorded(pool) => pool,
        }
    }

    /// How many threads work at once.
    pub fn threads(&self) -> usize {
        self.pool().threads()
    }

    /// Runs `work` as one operation, described where somebody takes notes.
    pub(crate) fn step<T>(&self, describe: impl FnOnce() -> Step, work: impl FnOnce() -> T) -> T {
        match &self.pool {
            Pool::Plain(_) => work(),
            Pool::Recorded(pool) => pool.observer().record(describe(), work),
        }
    }
}
