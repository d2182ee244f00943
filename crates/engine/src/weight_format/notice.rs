//! What to expect of a CPU without instructions for the numbers that weights are held in.

use super::{WeightFormat, typical};
use cke_kernels::cpu::Features;
use cke_kernels::scheme::Int8;
use cke_kernels::{Cpu, Isa};

impl WeightFormat {
    /// What to expect if `cpu` has no instructions that multiply these numbers, in one line; `None` if it has. Of
    /// [`WeightFormat::Stored`] it speaks as of `main`, the format that comes closest to most of the weights.
    pub fn notice(self, main: WeightFormat, cpu: &Cpu) -> Option<String> {
        let held = if self == WeightFormat::Stored { main } else { self };
        let (cause, prompts) = match held {
            WeightFormat::Bf16 if held.multiplies_in_f32(cpu) => ("this CPU widens bf16 to f32", NO_FASTER),
            WeightFormat::F16 => ("f16 is widened to f32 on every CPU", NO_FASTER),
            WeightFormat::Int8 | WeightFormat::Int4 if !sums_products_of_bytes(cpu) => {
                ("this CPU has no instruction that sums products of bytes", held.prompts_of_bytes(cpu))
            }
            _ => return None,
        };
        let kernel = held.kernel(cpu);
        let place = match self {
            WeightFormat::Stored => {
                format!("auto holds most weights in {held} or close to it and runs like `{kernel}`")
            }
            _ => format!("{self} runs on `{kernel}`"),
        };
        let bytes = match held {
            WeightFormat::Int8 => "about a quarter of the bytes",
            WeightFormat::Int4 => "about a fifth of the bytes",
            _ => "half the bytes",
        };
        Some(format!("{place}: {cause}, so prompts {prompts}; generation reads {bytes}"))
    }

    /// How fast prompts are where products of bytes take several instructions.
    fn prompts_of_bytes(self, cpu: &Cpu) -> &'static str {
        match (cpu.isa(), self) {
            (Isa::Avx2, WeightFormat::Int8) => "are 1.2 to 1.5 times as fast as in f32",
            (Isa::Avx2, _) => "are 1.3 to 1.9 times as fast as in f32",
            (Isa::Neon, _) => NO_FASTER,
            // In f32 twice as wide as the kernels for bytes, or one element at a time.
            (Isa::Avx512 | Isa::Scalar, _) => "are slower than in f32",
        }
    }
}

const NO_FASTER: &str = "are no faster than in f32";

/// Whether the kernels of integers have `vpdpbusd`, `sdot` or `smmla`, whose kernels take `sdot` for few rows.
fn sums_products_of_bytes(cpu: &Cpu) -> bool {
    let needs = typical::<Int8>(cpu).record().needs();
    [Features::AVX512_VNNI, Features::AVX_VNNI, Features::DOTPROD].into_iter().any(|sums| needs.contains(sums))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(format: WeightFormat, cpu: &Cpu) -> Option<String> {
        format.notice(WeightFormat::F32, cpu)
    }

    #[test]
    fn formats_that_a_cpu_has_no_instructions_for_say_so_and_name_the_kernel() {
        let cpu = Cpu::host().unwrap().capped(Isa::Scalar);
        for format in WeightFormat::ALL {
            // Kernels of weights in groups are called as their format in files.
            let numbers = if format == WeightFormat::Int4 { "q4_1" } else { format.name() };
            assert!(format.kernel(&cpu).contains(numbers));
            match notice(format, &cpu) {
                Some(notice) => {
                    assert!(notice.starts_with(&format!("{format} runs on `{}`: ", format.kernel(&cpu))), "{notice}");
                    assert!(notice.contains("prompts are ") && notice.contains("f32; generation reads "), "{notice}");
                }
                None => assert_eq!(format, WeightFormat::F32),
            }
        }
    }

    #[test]
    fn weights_held_as_stored_are_spoken_of_as_most_of_them() {
        let cpu = Cpu::host().unwrap().capped(Isa::Scalar);
        for main in WeightFormat::ALL {
            let (found, own) = (WeightFormat::Stored.notice(main, &cpu), notice(main, &cpu));
            assert_eq!(found.is_some(), own.is_some(), "{main}");
            if let (Some(found), Some(own)) = (found, own) {
                assert!(found.starts_with("auto ") && found.contains(main.kernel(&cpu)), "{found}");
                assert_eq!(found.split(": ").nth(1), own.split(": ").nth(1));
            }
        }
    }

    #[test]
    fn integers_are_named_exactly_where_no_instruction_sums_products_of_bytes() {
        let host = Cpu::host().unwrap();
        for isa in Isa::ALL.into_iter().filter(|isa| host.has(isa.needs())) {
            let cpu = host.capped(isa);
            let kernel = WeightFormat::Int8.kernel(&cpu);
            let sums = ["vnni", "dotprod", "i8mm"].iter().any(|instructions| kernel.contains(instructions));
            for format in [WeightFormat::Int8, WeightFormat::Int4] {
                assert_eq!(notice(format, &cpu).is_none(), sums, "{format} on {isa}");
            }
        }
    }
}
