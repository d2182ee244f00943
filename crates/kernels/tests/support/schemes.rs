//! Every scheme whose matrices are f32, and on what its products run.

use cke_kernels::gemm::grouped::{AnyFormat, FormatVisitor, GroupFormat};
use cke_kernels::gemm::{Form, Supported};
use cke_kernels::scheme::{Bf16, F16, F32, Grouped, Int8, Int8Groups, Int8PerChannel, Scheme};
use cke_kernels::{Cpu, Isa};

/// Schemes whose matrices are f32.
pub(crate) trait Floats: Scheme<A = f32, B = f32, C = f32> {}
impl<S: Scheme<A = f32, B = f32, C = f32>> Floats for S {}

/// What is tested of each scheme.
pub(crate) trait Test {
    fn run<S: Floats>(&self);
}

pub(crate) fn for_each_scheme(test: &impl Test) {
    struct OfFormat<'t, T>(&'t T);
    impl<T: Test> FormatVisitor for OfFormat<'_, T> {
        type Output = ();

        fn visit<F: GroupFormat>(self) {
            self.0.run::<Grouped<F>>();
        }
    }
    test.run::<F32>();
    test.run::<Bf16>();
    test.run::<F16>();
    test.run::<Int8>();
    test.run::<Int8Groups<16>>();
    test.run::<Int8Groups<32>>();
    test.run::<Int8Groups<64>>();
    test.run::<Int8Groups<256>>();
    test.run::<Int8PerChannel>();
    for format in AnyFormat::ALL {
        format.visit(OfFormat(test));
    }
}

/// The CPU with each ISA that it has.
pub(crate) fn cpus() -> impl Iterator<Item = Cpu> {
    let cpu = Cpu::host().unwrap();
    Isa::ALL.into_iter().filter(|&isa| cpu.has(isa.needs())).map(|isa| cpu.capped(isa))
}

pub(crate) fn kernels<S: Floats>() -> impl Iterator<Item = Supported<S>> {
    let cpu = Cpu::host().unwrap();
    S::records().filter(|record| record.form() != Form::Dot).filter_map(|record| record.on(cpu))
}

pub(crate) fn bits(c: &[f32]) -> Vec<u32> {
    c.iter().map(|x| x.to_bits()).collect()
}
