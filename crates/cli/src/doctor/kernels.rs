//! Which microkernel each number scheme runs on this CPU.

use super::{left, right};
use cke_kernels::attention::{AttentionPlan, KvDtype};
use cke_kernels::gemm::grouped::{AnyFormat, FormatVisitor, GroupFormat};
use cke_kernels::gemm::{Form, Shape, Supported, candidates, choose, cycles};
use cke_kernels::scheme::{Bf16, F16, F32, Grouped, Int4, Int8, Scheme};
use cke_kernels::{Cpu, Error};
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

/// What computes one kind of numbers for a layer of a typical size, or attention.
#[derive(Debug, Serialize)]
pub(super) struct Family {
    numbers: String,
    /// Instruction set and arithmetic.
    family: String,
    kernel: &'static str,
    /// Where results have the same bits.
    equal_bits_on: &'static str,
}

impl Family {
    fn of_layers<S: Scheme>(cpu: &Cpu) -> Family {
        Family::new(S::NAME.to_owned(), S::NAME, choose::<S>(cpu, TYPICAL).record().name())
    }

    /// Of heads as most models have them.
    fn of_attention(cpu: &Cpu, kv: KvDtype) -> Result<Family, Error> {
        let kernel = AttentionPlan::new(cpu, 1, 1, HEAD_SIZE, 1.0)?.with_kv(kv).kernel_name();
        // Numbers in eight bits are widened before.
        let multiplied = if kv == KvDtype::Int8 { KvDtype::F32 } else { kv };
        Ok(Family::new(format!("attention with keys and values in {kv}"), multiplied.name(), kernel))
    }

    fn new(numbers: String, scheme: &str, kernel: &'static str) -> Family {
        Family { numbers, family: family(scheme, kernel), kernel, equal_bits_on: equal_bits_on(scheme, kernel) }
    }
}

/// What a kernel's name says besides the scheme and the tile.
fn family(scheme: &str, kernel: &str) -> String {
    let without_tile = kernel.rsplit_once('_').map_or(kernel, |(name, _)| name);
    without_tile.replacen(&format!("_{scheme}"), "", 1).replace('_', " ")
}

/// A layer of a typical size.
const TYPICAL: Shape = SHAPES[1];
/// Elements of a head.
const HEAD_SIZE: usize = 64;

/// The family of each format of weights in groups.
struct OfFormat<'a>(&'a Cpu);

impl FormatVisitor for OfFormat<'_> {
    type Output = Family;

    fn visit<F: GroupFormat>(self) -> Family {
        Family::of_layers::<Grouped<F>>(self.0)
    }
}

/// What computes layers in each kind of numbers, and attention.
///
/// # Errors
/// Those of the plan of an attention.
pub(super) fn families(cpu: &Cpu) -> Result<Vec<Family>, Error> {
    let mut families = vec![
        Family::of_layers::<F32>(cpu),
        Family::of_layers::<Bf16>(cpu),
        Family::of_layers::<F16>(cpu),
        Family::of_layers::<Int8>(cpu),
        Family::of_layers::<Int4>(cpu),
    ];
    let others = AnyFormat::ALL.iter().filter(|format| format.name() != Int4::NAME);
    families.extend(others.map(|format| format.visit(OfFormat(cpu))));
    for kv in KvDtype::ALL {
        families.push(Family::of_attention(cpu, kv)?);
    }
    Ok(families)
}

/// The families; numbers of one family that follow each other are in one row.
pub(super) fn family_table(families: &[Family]) -> Table {
    let mut table = Table::new(vec![left("numbers"), left("computed by"), left("equal bits on")]);
    for alike in families.chunk_by(|x, y| (&x.family, x.equal_bits_on) == (&y.family, y.equal_bits_on)) {
        let numbers: Vec<&str> = alike.iter().map(|family| shown(&family.numbers)).collect();
        table.push(vec![numbers.join(", "), alike[0].family.clone(), alike[0].equal_bits_on.to_owned()]);
    }
    table
}

/// The name of numbers, with what else is computed by them.
fn shown(numbers: &str) -> &str {
    match numbers {
        "int4" => "int4 (also Q4_0)",
        "int4_128" => "int4_128 (GPTQ, AWQ)",
        other => other,
    }
}

/// Where products of a scheme have the bits of this kernel; a name says which arithmetic it computes by if its scheme has several.
fn equal_bits_on(scheme: &str, kernel: &str) -> &'static str {
    match scheme {
        "f16" | "int8" => "every instruction set",
        _ if AnyFormat::ALL.iter().any(|format| format.name() == scheme) => "every instruction set",
        "bf16" if kernel.contains("_widen_") => "every instruction set",
        "bf16" if kernel.contains("_tdpbf16ps_") => "CPUs with tdpbf16ps",
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

    #[test]
    fn families_name_every_kind_of_numbers_and_tables_put_formats_together() {
        let cpu = Cpu::host().expect("CKE_ISA is valid");
        let all = families(cpu).expect("one head");
        for name in ["f32", "bf16", "f16", "int8", "int4", "q8_0", "q6_k", "iq4_nl"] {
            let family = all.iter().find(|family| family.numbers == name).expect(name);
            assert!(family.kernel.contains(&format!("_{name}_")), "{family:?}");
        }
        assert_eq!(all.iter().filter(|family| family.numbers.starts_with("attention")).count(), KvDtype::ALL.len());
        let table = family_table(&all).to_markdown();
        assert!(table.lines().count() < all.len() && table.contains("q5_0, q5_1"), "{table}");
        assert_eq!(family("q4_k", "avx512_vnni_q4_k_4x48"), "avx512 vnni");
        assert_eq!(family("bf16", "avx512_bf16_vdpbf16ps_4x96"), "avx512 vdpbf16ps");
        assert_eq!(family("bf16", "avx512_amx_bf16_tdpbf16ps_32x32"), "avx512 amx tdpbf16ps");
    }

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
