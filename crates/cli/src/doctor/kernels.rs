//! Which microkernel each number scheme runs on this CPU.

use super::{left, right};
use cke_kernels::Cpu;
use cke_kernels::gemm::{Shape, choose, cycles, rivals};
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

/// The kernel for one product, among all that this CPU can run.
#[derive(Debug, Serialize)]
pub(super) struct KernelChoice {
    scheme: &'static str,
    m: usize,
    n: usize,
    k: usize,
    kernel: &'static str,
    /// By estimate, the fastest first; the chosen one is among them.
    rivals: Vec<Rival>,
}

/// A kernel that could run the product.
#[derive(Debug, Serialize)]
struct Rival {
    kernel: &'static str,
    isa: &'static str,
    /// What the cost model expects, cycles of one core.
    estimated_cycles: usize,
}

/// The choices of one scheme.
pub(super) fn choices<S: Scheme>(cpu: &Cpu) -> Vec<KernelChoice> {
    let choice = |shape: Shape| {
        let rival = |kernel: cke_kernels::gemm::Supported<S>| {
            let record = kernel.record();
            Rival { kernel: record.name(), isa: record.isa().name(), estimated_cycles: cycles(record, shape) }
        };
        let mut rivals: Vec<Rival> = rivals::<S>(cpu).map(rival).collect();
        rivals.sort_by_key(|rival| rival.estimated_cycles);
        let Shape { m, n, k } = shape;
        KernelChoice { scheme: S::NAME, m, n, k, kernel: choose::<S>(cpu, shape).record().name(), rivals }
    };
    SHAPES.into_iter().map(choice).collect()
}

/// The choices, each with how much longer its rivals are expected to take.
pub(super) fn table(choices: &[KernelChoice]) -> Table {
    let mut table = Table::new(vec![left("scheme"), right("m n k"), left("kernel"), left("rivals, estimated")]);
    for KernelChoice { scheme, m, n, k, kernel, rivals } in choices {
        let chosen = rivals.iter().find(|rival| rival.kernel == *kernel).map_or(1, |rival| rival.estimated_cycles);
        let others = rivals.iter().filter(|rival| rival.kernel != *kernel).map(|rival| {
            let more = 100.0 * (rival.estimated_cycles as f64 / chosen as f64 - 1.0);
            format!("{} {more:+.0}%", rival.kernel)
        });
        let others = others.collect::<Vec<_>>().join(", ");
        table.push(vec![(*scheme).to_owned(), format!("{m} {n} {k}"), (*kernel).to_owned(), others]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use cke_kernels::Isa;
    use cke_kernels::scheme::F32;

    #[test]
    fn choices_every_isa_names_a_kernel_among_its_rivals() {
        let cpu = Cpu::host().expect("CKE_ISA is valid");
        for isa in Isa::ALL.into_iter().filter(|&isa| cpu.has(isa)) {
            for choice in choices::<F32>(&cpu.capped(isa)) {
                assert!(choice.kernel.starts_with(isa.name()), "{choice:?}");
                assert!(choice.rivals.iter().any(|rival| rival.kernel == choice.kernel), "{choice:?}");
                assert!(choice.rivals.is_sorted_by_key(|rival| rival.estimated_cycles), "{choice:?}");
            }
        }
    }
}
