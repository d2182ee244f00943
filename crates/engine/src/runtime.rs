//! What a model runs on: a CPU description and a pool of threads.

use crate::error::Error;
use cke_kernels::Cpu;
use cke_kernels::gemm::Ctx;
use cke_kernels::scratch::Scratch;
use cke_kernels::threads::{Parallel, ThreadPool};

/// The CPU and the threads that models run on; shared by any number of models.
#[derive(Debug)]
pub struct Runtime {
    cpu: Cpu,
    pool: ThreadPool,
}

impl Runtime {
    /// This machine with `threads` threads; `None` takes as many as the process may use.
    ///
    /// # Errors
    /// Where `CKE_ISA` or `CKE_REQUIRE_ISA` cannot be honoured or a thread cannot be had.
    pub fn new(threads: Option<usize>) -> Result<Runtime, Error> {
        Ok(Runtime::with_cpu(*Cpu::host()?, threads)?)
    }

    /// As [`Runtime::new`], on a CPU description of the caller's choice.
    ///
    /// # Errors
    /// Where a thread cannot be had.
    pub fn with_cpu(cpu: Cpu, threads: Option<usize>) -> Result<Runtime, cke_kernels::Error> {
        let pool = ThreadPool::new(threads.unwrap_or_else(ThreadPool::available))?;
        Ok(Runtime { cpu, pool })
    }

    /// The CPU.
    pub fn cpu(&self) -> &Cpu {
        &self.cpu
    }

    /// The threads.
    pub fn pool(&self) -> &ThreadPool {
        &self.pool
    }

    /// How many threads work at once.
    pub fn threads(&self) -> usize {
        self.pool.threads()
    }

    pub(crate) fn ctx<'a>(&'a self, scratch: &'a mut Scratch) -> Ctx<'a> {
        Ctx { pool: &self.pool, scratch }
    }
}
