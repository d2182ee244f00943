//! Which microkernel each number scheme runs on this CPU.

use super::{left, right};
use cke_kernels::Cpu;
use cke_kernels::gemm::{Form, Shape, Supported, candidates, choose, cycles};
use cke_kernels::scheme::Scheme;
use cke_perf::report::Table;
use serde::Serialize;

/// Products that models are made of: tokens × outputs × inputs.
const SHAPES: [Shape; 4] = [
    Shape { m: 1, n: 3072, k: 768 },
    Shape { m: 128, n: 3072, k: 768 },
    Shape { m: 512, n: 768, k: 3072 },
    Shape { m: 128, n: 384, k: 384 },
];

/// The kernel for one product, among those that the choice is between on this CPU.
#[derive(Debug, Serialize)]
pub(super) struct KernelChoice {
    scheme: &'static str,
    m: usize,
    n: usize,
    k: usize,
    kernel: &'static str,
    /// Where products have the same bits.
    equal_bits_on: &'static str,
    /// By estimate, the fastest first; the chosen one is among them.
    candidates: Vec<Candidate>,
}

/// A kernel that could run the product.
#[derive(Debug, Serialize)]
struct Candidate {
    kernel: &'static str,
    /// What it needs of the CPU.
    needs: String,
    /// What the cost model expects, cycles of one core.
    estimated_cycles: usize,
}

/// The choices of one scheme.
pub(super) fn choices<S: Scheme>(cpu: &Cpu) -> Vec<KernelChoice> {
    let rates = cpu.core_family().rates();
    let choice = |shape: Shape| {
        let candidate = |kernel: Supported<S>| {
            let record = kernel.record();
            let estimated_cycles = cycles(record, &rates, shape);
            Candidate { kernel: record.name(), needs: record.needs().to_string(), estimated_cycles }
        };
        let kernels = candidates::<S>(cpu, Form::Blocks).chain(candidates::<S>(cpu, Form::Outer));
        let mut candidates: Vec<Candidate> = kernels.map(candidate).collect();
        candidates.sort_by_key(|candidate| candidate.estimated_cycles);
        let (Shape { m, n, k }, kernel) = (shape, choose::<S>(cpu, shape).record().name());
        KernelChoice { scheme: S::NAME, m, n, k, kernel, equal_bits_on: equal_bits_on(S::NAME, kernel), candidates }
    };
    SHAPES.into_iter().map(choice).collect()
}

/// Where products of a scheme have the bits of this kernel; a name says which arithmetic it computes by if its scheme has several.
fn equal_bits_on(scheme: &str, kernel: &str) -> &'static str {
    match scheme {
        "f16" | "int8" | "int4" => "every instruction set",
        "bf16" if kernel.contains("_widen_") => "every instruction set",
        "bf16" => "CPUs with vdpbf16ps",
        _ if kernel.starts_with("scalar_") => "scalar",
        _ => "avx2, avx512, neon",
    }
}

/// The choices, each with how much longer the other candidates are expected to take.
pub(super) fn table(choices: &[KernelChoice]) -> Table {
    let mut table = Table::new(vec![
        left("scheme"),
        right("m n k"),
        left("kernel"),
        left("equal bits on"),
        left("others, estimated"),
    ]);
    for KernelChoice { scheme, m, n, k, kernel, equal_bits_on, candidates } in choices {
        let chosen = candidates.iter().find(|other| other.kernel == *kernel).map_or(1, |other| other.estimated_cycles);
        let others = candidates.iter().filter(|other| other.kernel != *kernel).map(|other| {
            let more = 100.0 * (other.estimated_cycles as f64 / chosen as f64 - 1.0);
            format!("{} {more:+.0}%", other.kernel)
        });
        let others = others.collect::<Vec<_>>().join(", ");
        table.push(vec![
            (*scheme).to_owned(),
            format!("{m} {n} {k}"),
            (*kernel).to_owned(),
            (*equal_bits_on).to_owned(),
            others,
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use cke_kernels::Isa;
    use cke_kernels::scheme::F32;

    #[test]
    fn choices_every_isa_names_a_kernel_among_the_candidates() {
        let cpu = Cpu::host().expect("CKE_ISA is valid");
        for isa in Isa::ALL.into_iter().filter(|&isa| cpu.has(isa.needs())) {
            for choice in choices::<F32>(&cpu.capped(isa)) {
                assert!(choice.kernel.starts_with(isa.name()), "{choice:?}");
                assert!(choice.candidates.iter().any(|other| other.kernel == choice.kernel), "{choice:?}");
                assert!(choice.candidates.is_sorted_by_key(|other| other.estimated_cycles), "{choice:?}");
            }
        }
    }
}
