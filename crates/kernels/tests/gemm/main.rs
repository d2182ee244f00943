//! Matrix products, tested for every record of the registry that this machine can run.
//!
//! A record that it cannot run is named on stderr; `CKE_REQUIRE_ISA` makes the suite fail unless that ISA is in use.

mod batch;
mod brgemm;
#[path = "../support/depends_on.rs"]
mod depends_on;
mod determinism;
mod epilogue;
mod errors;
mod kernels;
mod memory_bounds;
mod microkernel;
mod numbers;
mod one_off;
mod operands;
mod own_kernel;
mod packing;
mod products;
mod properties;
mod recorded_bits;
mod refusing_allocator;
mod special_values;
mod unused_strides;

#[global_allocator]
static ALLOCATOR: refusing_allocator::RefusingAllocator = refusing_allocator::RefusingAllocator;
