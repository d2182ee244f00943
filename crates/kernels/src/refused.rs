//! What the compiler must refuse, because memory would not be safe: each of these compiled once.

/// A record whose ISA is raised, or whose tile is changed, after its promises were made.
///
/// ```compile_fail,E0616
/// use cke_kernels::gemm::Microkernel;
/// use cke_kernels::scheme::F32;
///
/// fn relabel(kernel: &mut Microkernel<F32>) {
///     kernel.isa = cke_kernels::Isa::Scalar;
/// }
/// ```
///
/// ```compile_fail,E0616
/// use cke_kernels::gemm::{Microkernel, Tile};
/// use cke_kernels::scheme::F32;
///
/// fn widen(kernel: &mut Microkernel<F32>) {
///     kernel.tile = Tile { mr: 6, nr: 4096 };
/// }
/// ```
///
/// ```compile_fail,E0616
/// use cke_kernels::gemm::Microkernel;
/// use cke_kernels::scheme::F32;
///
/// fn narrow(kernel: &mut Microkernel<F32>) {
///     kernel.lanes = 1;
/// }
/// ```
///
/// ```compile_fail,E0616
/// use cke_kernels::gemm::{Form, Microkernel};
/// use cke_kernels::scheme::F32;
///
/// fn reshape(kernel: &mut Microkernel<F32>) {
///     kernel.form = Form::Dot;
/// }
/// ```
pub struct MicrokernelFields;

/// A pool that promises nothing, and runs every task twice.
///
/// ```compile_fail,E0200
/// use cke_kernels::threads::Parallel;
///
/// struct Twice;
///
/// impl Parallel for Twice {
///     fn threads(&self) -> usize {
///         1
///     }
///
///     fn run(&self, tasks: usize, work: &(dyn Fn(usize, usize) + Sync)) {
///         (0..tasks).chain(0..tasks).for_each(|task| work(task, 0));
///     }
/// }
/// ```
pub struct SafePool;

/// A watched pool that another one takes the place of, which has fewer threads.
///
/// ```compile_fail,E0616
/// use cke_kernels::threads::{Observed, TaskObserver, ThreadPool};
///
/// fn replace<O: TaskObserver>(watched: &mut Observed<ThreadPool, O>) {
///     watched.pool = ThreadPool::new(1).unwrap();
/// }
/// ```
pub struct ObservedPool;
