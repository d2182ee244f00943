//! A program's own threads instead of the library's: anything that can run numbered tasks, here with threads of the standard library
//! that are started for each call.
//!
//! cargo run --release -p cke-examples --bin own_pool

#![allow(unsafe_code, reason = "the kernels rely on what a pool promises")]

use cke_kernels::Cpu;
use cke_kernels::gemm::{Ctx, Gemm};
use cke_kernels::scheme::F32;
use cke_kernels::scratch::Scratch;
use cke_kernels::threads::{Parallel, Serial};
use cke_kernels::view::{MatMut, MatRef};
use std::sync::atomic::{AtomicUsize, Ordering};

/// So many threads for each call, the calling one among them.
struct Scoped {
    threads: usize,
    tasks_done: AtomicUsize,
}

// SAFETY: the number of threads stays, the counter gives each task to one thread, each thread has its own number below `threads`, and the
// scope ends when all of them have.
unsafe impl Parallel for Scoped {
    fn threads(&self) -> usize {
        self.threads
    }

    fn run(&self, tasks: usize, work: &(dyn Fn(usize, usize) + Sync)) {
        let next = AtomicUsize::new(0);
        let take_tasks = |worker: usize| {
            while let Some(task) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|&task| task < tasks) {
                work(task, worker);
                self.tasks_done.fetch_add(1, Ordering::Relaxed);
            }
        };
        std::thread::scope(|scope| {
            for worker in 1..self.threads {
                let take_tasks = &take_tasks;
                scope.spawn(move || take_tasks(worker));
            }
            take_tasks(0);
        });
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let size = 500;
    let a: Vec<f32> = (0..size * size).map(|i| (i % 19) as f32 / 19.0).collect();
    let b: Vec<f32> = (0..size * size).map(|i| (i % 23) as f32 / 23.0).collect();
    let product = Gemm::<F32>::new(MatRef::new(&a, size, size)?, MatRef::new(&b, size, size)?);

    let own = Scoped { threads: 4, tasks_done: AtomicUsize::new(0) };
    let (mut together, mut alone) = (vec![0.0; size * size], vec![0.0; size * size]);
    let pools: [(&dyn Parallel, &mut [f32]); 2] = [(&own, &mut together), (&Serial, &mut alone)];
    for (pool, c) in pools {
        let ctx = &mut Ctx { pool, scratch: &mut Scratch::new() };
        product.run(Cpu::host()?, MatMut::new(c, size, size)?, ctx)?;
    }
    assert_eq!(together, alone, "the same bits");
    println!("own pool: {} tasks on {} threads, the same bits as on one", own.tasks_done.into_inner(), own.threads);
    Ok(())
}
