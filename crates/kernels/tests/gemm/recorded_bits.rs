//! Results of today against those recorded in `recorded_bits.txt`: a change of the code that is meant to keep every bit must leave
//! this test green. A change that is meant to give other bits records them anew, and says so:
//!
//! ```sh
//! CKE_RECORD_BITS=1 cargo test -p cke-kernels --test gemm recorded_bits
//! ```
//! A line is an instruction set, a case, and a hash of the result. Recording keeps the lines of instruction sets that the machine does
//! not have.

use crate::epilogue::{EpilogueKind, EpilogueOperands};
use crate::kernels::cpus;
use crate::numbers::{Number, Tested};
use crate::one_off::{Case, Operands as OneOffOperands};
use crate::operands::{Operands, run_packed, view};
use cke_kernels::cpu::{Cpu, Isa};
use cke_kernels::gemm::{GemmPlan, Shape};
use cke_kernels::scheme::{F32, F64, Scheme};
use cke_kernels::threads::Serial;
use cke_testkit::shapes::GemmCase;
use cke_testkit::{Data, Layout, Recorded};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

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

/// Packed weights with the kernel that is chosen, plain and with every part of an epilogue.
fn packed(cpu: &Cpu, recorded: &mut Recorded) {
    for (m, n, k) in [(1, 100, 768), (5, 33, 130), (29, 150, 1100), (128, 96, 257), (3, 20, 20_000)] {
        let case = GemmCase::row_major(m, n, k);
        let mut operands = Operands::new(case, 902);
        let plan = GemmPlan::<F32>::new(cpu, Shape { m, n, k });
        let packed = plan.pack_b(view(&operands.b)).expect("sizes agree");
        for (what, kind) in [("plain", EpilogueKind::NONE), ("finished", EpilogueKind::FULL)] {
            let extra = EpilogueOperands::new(kind, m, n, 903);
            run_packed(&plan, &operands.a, &packed, &mut operands.c, &extra.epilogue(), &Serial).expect("sizes agree");
            let name = format!("{} {} packed {m}x{n}x{k} {what}", cpu.isa(), F32::NAME);
            recorded.result(&name, operands.c.to_row_major().into_iter().map(Number::bits));
        }
    }
}

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gemm/recorded_bits.txt")
}

/// Of machines that are not at hand, too: the file has what others recorded.
#[test]
fn packed_products_have_the_same_recorded_bits_wherever_multiply_adds_fuse() {
    let text = fs::read_to_string(file()).expect("there are recorded results");
    let mut hashes = BTreeMap::new();
    for (name, hash) in text.lines().filter_map(|line| line.rsplit_once(": ")) {
        let (isa, case) = name.split_once(' ').expect("an instruction set and a case");
        if isa != Isa::Scalar.name() && case.contains(" packed ") {
            assert_eq!(*hashes.entry(case).or_insert(hash), hash, "{name}");
        }
    }
    assert!(!hashes.is_empty());
}

#[test]
fn results_have_the_recorded_bits() {
    let mut recorded = Recorded::read(&file());
    for cpu in cpus() {
        one_off::<F32>(&cpu, &mut recorded);
        one_off::<F64>(&cpu, &mut recorded);
        packed(&cpu, &mut recorded);
    }
    recorded.check();
}
