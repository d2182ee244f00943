//! Results of today against those recorded in `recorded_bits.txt`: a change of the code that is meant to keep every bit must leave
//! this test green. A change that is meant to give other bits records them anew, and says so:
//!
//! ```sh
//! CKE_RECORD_BITS=1 cargo test -p cke-kernels --test gemm recorded_bits
//! ```
//! A line is what the bits depend on, a case, and a hash of the result. They depend on the instruction set, on whether multiply-adds are
//! `fused`, or on nothing: the same `anywhere`. So x86-64 and 64-bit ARM are held to each other by what either has recorded. Recording
//! keeps the lines of instruction sets that the machine does not have.

use crate::depends_on::{ANYWHERE, multiply_add};
use crate::epilogue::{EpilogueKind, EpilogueOperands};
use crate::kernels::cpus;
use crate::numbers::{Number, Tested};
use crate::one_off::{Case, Operands as OneOffOperands};
use crate::operands::{Operands, run_packed, view};
use cke_kernels::cpu::Cpu;
use cke_kernels::gemm::grouped::{AnyFormat, FormatVisitor, GroupFormat};
use cke_kernels::gemm::{GemmPlan, Shape, Supported};
use cke_kernels::scheme::{Bf16, F16, F32, F64, Grouped, Int8, Int8Groups, Int8PerChannel, Scheme};
use cke_kernels::threads::Serial;
use cke_testkit::shapes::GemmCase;
use cke_testkit::{Data, Layout, Recorded};
use std::path::Path;

/// A case with nothing packed ahead for each of the ways through one, and as many again by lot.
fn one_off<S: Tested>(cpu: &Cpu, recorded: &mut Recorded) {
    let mut data = Data::new(901);
    let fixed = [[1, 1, 1], [7, 9, 300], [1, 300, 700], [300, 1, 700], [16, 16, 5000], [12, 40, 1000], [40, 300, 200]];
    let drawn: Vec<_> = (0..60).map(|_| [8, 8, 11].map(|bits| below_power_of_two(&mut data, bits))).collect();
    for (index, [m, n, k]) in fixed.into_iter().chain(drawn).enumerate() {
        let plain = Case::plain((m, n, k));
        let along_k = Case { b: Layout::col_major(k, n), ..plain };
        for (name, case) in [("nn", plain), ("nt", along_k), ("any", Case::any_product((m, n, k), &mut data))] {
            let operands = OneOffOperands::<S::E>::new(case, &mut data);
            let name = format!("{} {} one-off {index} {m}x{n}x{k} {name}", cpu.isa(), S::NAME);
            let found = operands.run::<S>(cpu, &Serial).to_row_major();
            recorded.result(&name, found.into_iter().map(Number::bits));
        }
    }
}

/// A size of up to `bits` bits, each number of which is as likely as any other.
fn below_power_of_two(data: &mut Data, bits: usize) -> usize {
    let limit = 1 << (1 + data.below(bits));
    1 + data.below(limit - 1)
}

/// Rows and columns on both sides of tiles, and sums of one chain to several of each length.
const SIZES: &[(usize, usize, usize)] =
    &[(1, 100, 768), (5, 33, 130), (29, 150, 1100), (128, 96, 257), (3, 20, 20_000)];
/// Fewer products for each of many schemes: plain Rust in emulation takes its time.
const FEWER: &[(usize, usize, usize)] = &[(1, 100, 768), (5, 33, 130), (29, 50, 1100), (3, 20, 5000)];

/// Packed weights with the kernel that is chosen: plain, with the bits that `depends_on` says, and with every part of an epilogue, whose
/// activation depends on whether its multiply-adds fuse.
fn packed<S: Scheme<A = f32, B = f32, C = f32>>(
    cpu: &Cpu,
    sizes: &[(usize, usize, usize)],
    depends_on: impl Fn(Supported<S>) -> &'static str,
    recorded: &mut Recorded,
) {
    for &(m, n, k) in sizes {
        let case = GemmCase::row_major(m, n, k);
        let mut operands = Operands::new(case, 902);
        let plan = GemmPlan::<S>::new(cpu, Shape { m, n, k });
        let packed = plan.pack_b(view(&operands.b)).expect("sizes agree");
        let plain = depends_on(plan.kernel());
        let finished = if plain == ANYWHERE { multiply_add(cpu) } else { plain };
        for (on, what, kind) in [(plain, "plain", EpilogueKind::NONE), (finished, "finished", EpilogueKind::FULL)] {
            let extra = EpilogueOperands::new(kind, m, n, 903);
            run_packed(&plan, &operands.a, &packed, &mut operands.c, &extra.epilogue(), &Serial).expect("sizes agree");
            let name = format!("{on} {} packed {m}x{n}x{k} {what}", S::NAME);
            recorded.result(&name, operands.c.to_row_major().into_iter().map(Number::bits));
        }
    }
}

/// Weights in groups.
struct InGroups<'a>(&'a Cpu, &'a mut Recorded);

impl FormatVisitor for InGroups<'_> {
    type Output = ();

    fn visit<F: GroupFormat>(self) {
        packed::<Grouped<F>>(self.0, FEWER, |_| ANYWHERE, self.1);
    }
}

/// bf16 has its own rounding only where the CPU multiplies it.
fn bf16_depends_on(kernel: Supported<Bf16>) -> &'static str {
    if kernel.record().name().contains("vdpbf16ps") { "vdpbf16ps" } else { ANYWHERE }
}

#[test]
fn results_have_the_recorded_bits() {
    let mut recorded = Recorded::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gemm/recorded_bits.txt"));
    for cpu in cpus() {
        one_off::<F32>(&cpu, &mut recorded);
        one_off::<F64>(&cpu, &mut recorded);
        packed::<F32>(&cpu, SIZES, |_| multiply_add(&cpu), &mut recorded);
        packed::<Bf16>(&cpu, FEWER, bf16_depends_on, &mut recorded);
        packed::<F16>(&cpu, FEWER, |_| ANYWHERE, &mut recorded);
        packed::<Int8>(&cpu, FEWER, |_| ANYWHERE, &mut recorded);
        packed::<Int8Groups<16>>(&cpu, FEWER, |_| ANYWHERE, &mut recorded);
        packed::<Int8Groups<32>>(&cpu, FEWER, |_| ANYWHERE, &mut recorded);
        packed::<Int8Groups<64>>(&cpu, FEWER, |_| ANYWHERE, &mut recorded);
        packed::<Int8Groups<256>>(&cpu, FEWER, |_| ANYWHERE, &mut recorded);
        packed::<Int8PerChannel>(&cpu, FEWER, |_| ANYWHERE, &mut recorded);
        for format in AnyFormat::ALL {
            format.visit(InGroups(&cpu, &mut recorded));
        }
    }
    recorded.check();
}
