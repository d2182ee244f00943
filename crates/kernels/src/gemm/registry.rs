//! THE list of microkernels. Dispatch, tests, benchmarks and reports all read it.
//!
//! To add a kernel: one file under `micro/`, one record here; its tests follow by themselves.

use super::micro;
use super::microkernel::{Form, Microkernel, Tile};
use crate::cpu::Isa;
use crate::scheme::{F32, F64, Scheme};

/// `record!(name, scheme, isa, form, lanes, rows, vectors)`: one record, its table made of the instances of `micro::form::isa`
/// for each number of rows and of vectors. A kernel of the dot form is narrowed by columns: its lanes count as one.
macro_rules! record {
    ($name:literal, $scheme:ident, $isa:ident $isa_fn:ident, $form:ident $form_mod:ident, $lanes:literal, [$($rows:literal)*], $vectors:tt) => {
        Microkernel {
            name: $name,
            needs: Isa::$isa.needs(),
            form: Form::$form,
            tile: Tile { mr: [$($rows),*].len(), nr: $lanes * record!(@count $vectors) },
            lanes: $lanes,
            functions: &[$(record!(@row $scheme, $isa_fn, $form_mod, $rows, $vectors)),*],
            sweeps: record!(@sweeps $form, $scheme, $isa_fn, [$($rows)*], $vectors),
            element: record!(@element $form, $scheme, $isa_fn),
            pack: micro::pack::$isa_fn::<<$scheme as Scheme>::B>,
            move_block: micro::pack::$isa_fn::<<$scheme as Scheme>::Acc>,
        }
    };
    (@count [$($vectors:literal)*]) => { [$($vectors),*].len() };
    (@element Outer, $scheme:ident, $isa_fn:ident) => { None };
    (@element Dot, $scheme:ident, $isa_fn:ident) => { Some(micro::dot::element::$isa_fn::<$scheme>) };
    (@sweeps Outer, $scheme:ident, $isa_fn:ident, [$($rows:literal)*], $vectors:tt) => {
        &[$(record!(@row $scheme, $isa_fn, sweep, $rows, $vectors)),*]
    };
    (@sweeps Dot, $scheme:ident, $isa_fn:ident, $rows:tt, $vectors:tt) => { &[] };
    (@row $scheme:ident, $isa_fn:ident, $form_mod:ident, $rows:literal, [$($vectors:literal)*]) => {
        &[$(micro::$form_mod::$isa_fn::<$scheme, $rows, $vectors>),*]
    };
}

/// Microkernels for f32, the most capable ISA first.
#[rustfmt::skip]
pub(crate) static F32_KERNELS: &[Microkernel<F32>] = &[
    #[cfg(target_arch = "x86_64")]
    record!("avx512_f32_6x64", F32, Avx512 avx512, Outer outer, 16, [1 2 3 4 5 6], [1 2 3 4]),
    #[cfg(target_arch = "x86_64")]
    record!("avx512_f32_8x48", F32, Avx512 avx512, Outer outer, 16, [1 2 3 4 5 6 7 8], [1 2 3]),
    #[cfg(target_arch = "x86_64")]
    record!("avx512_f32_12x32", F32, Avx512 avx512, Outer outer, 16, [1 2 3 4 5 6 7 8 9 10 11 12], [1 2]),
    #[cfg(target_arch = "x86_64")]
    record!("avx512_f32_16x16", F32, Avx512 avx512, Outer outer, 16, [1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16], [1]),
    #[cfg(target_arch = "x86_64")]
    record!("avx512_f32_4x96", F32, Avx512 avx512, Outer outer, 16, [1 2 3 4], [1 2 3 4 5 6]),
    #[cfg(target_arch = "x86_64")]
    record!("avx512_f32_1x256", F32, Avx512 avx512, Outer outer, 16, [1], [1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16]),
    #[cfg(target_arch = "x86_64")]
    record!("avx512_f32_dot_6x4", F32, Avx512 avx512, Dot dot, 1, [1 2 3 4 5 6], [1 2 3 4]),
    #[cfg(target_arch = "x86_64")]
    record!("avx512_f32_dot_4x6", F32, Avx512 avx512, Dot dot, 1, [1 2 3 4], [1 2 3 4 5 6]),
    #[cfg(target_arch = "x86_64")]
    record!("avx512_f32_dot_8x1", F32, Avx512 avx512, Dot dot, 1, [1 2 3 4 5 6 7 8], [1]),
    #[cfg(target_arch = "x86_64")]
    record!("avx512_f32_dot_1x8", F32, Avx512 avx512, Dot dot, 1, [1], [1 2 3 4 5 6 7 8]),
    #[cfg(target_arch = "x86_64")]
    record!("avx2_f32_6x16", F32, Avx2 avx2, Outer outer, 8, [1 2 3 4 5 6], [1 2]),
    #[cfg(target_arch = "x86_64")]
    record!("avx2_f32_1x96", F32, Avx2 avx2, Outer outer, 8, [1], [1 2 3 4 5 6 7 8 9 10 11 12]),
    #[cfg(target_arch = "x86_64")]
    record!("avx2_f32_dot_4x3", F32, Avx2 avx2, Dot dot, 1, [1 2 3 4], [1 2 3]),
    #[cfg(target_arch = "x86_64")]
    record!("avx2_f32_dot_3x4", F32, Avx2 avx2, Dot dot, 1, [1 2 3], [1 2 3 4]),
    #[cfg(target_arch = "x86_64")]
    record!("avx2_f32_dot_2x6", F32, Avx2 avx2, Dot dot, 1, [1 2], [1 2 3 4 5 6]),
    #[cfg(target_arch = "x86_64")]
    record!("avx2_f32_dot_8x1", F32, Avx2 avx2, Dot dot, 1, [1 2 3 4 5 6 7 8], [1]),
    #[cfg(target_arch = "x86_64")]
    record!("avx2_f32_dot_1x8", F32, Avx2 avx2, Dot dot, 1, [1], [1 2 3 4 5 6 7 8]),
    record!("scalar_f32_4x4", F32, Scalar scalar, Outer outer, 1, [1 2 3 4], [1 2 3 4]),
];

/// Microkernels for f64, the most capable ISA first.
#[rustfmt::skip]
pub(crate) static F64_KERNELS: &[Microkernel<F64>] = &[
    #[cfg(target_arch = "x86_64")]
    record!("avx512_f64_6x32", F64, Avx512 avx512, Outer outer, 8, [1 2 3 4 5 6], [1 2 3 4]),
    #[cfg(target_arch = "x86_64")]
    record!("avx512_f64_8x24", F64, Avx512 avx512, Outer outer, 8, [1 2 3 4 5 6 7 8], [1 2 3]),
    #[cfg(target_arch = "x86_64")]
    record!("avx512_f64_12x16", F64, Avx512 avx512, Outer outer, 8, [1 2 3 4 5 6 7 8 9 10 11 12], [1 2]),
    #[cfg(target_arch = "x86_64")]
    record!("avx512_f64_16x8", F64, Avx512 avx512, Outer outer, 8, [1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16], [1]),
    #[cfg(target_arch = "x86_64")]
    record!("avx512_f64_4x48", F64, Avx512 avx512, Outer outer, 8, [1 2 3 4], [1 2 3 4 5 6]),
    #[cfg(target_arch = "x86_64")]
    record!("avx512_f64_1x128", F64, Avx512 avx512, Outer outer, 8, [1], [1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16]),
    #[cfg(target_arch = "x86_64")]
    record!("avx512_f64_dot_6x4", F64, Avx512 avx512, Dot dot, 1, [1 2 3 4 5 6], [1 2 3 4]),
    #[cfg(target_arch = "x86_64")]
    record!("avx512_f64_dot_4x6", F64, Avx512 avx512, Dot dot, 1, [1 2 3 4], [1 2 3 4 5 6]),
    #[cfg(target_arch = "x86_64")]
    record!("avx512_f64_dot_8x1", F64, Avx512 avx512, Dot dot, 1, [1 2 3 4 5 6 7 8], [1]),
    #[cfg(target_arch = "x86_64")]
    record!("avx512_f64_dot_1x8", F64, Avx512 avx512, Dot dot, 1, [1], [1 2 3 4 5 6 7 8]),
    #[cfg(target_arch = "x86_64")]
    record!("avx2_f64_6x8", F64, Avx2 avx2, Outer outer, 4, [1 2 3 4 5 6], [1 2]),
    #[cfg(target_arch = "x86_64")]
    record!("avx2_f64_1x48", F64, Avx2 avx2, Outer outer, 4, [1], [1 2 3 4 5 6 7 8 9 10 11 12]),
    #[cfg(target_arch = "x86_64")]
    record!("avx2_f64_dot_4x3", F64, Avx2 avx2, Dot dot, 1, [1 2 3 4], [1 2 3]),
    #[cfg(target_arch = "x86_64")]
    record!("avx2_f64_dot_3x4", F64, Avx2 avx2, Dot dot, 1, [1 2 3], [1 2 3 4]),
    #[cfg(target_arch = "x86_64")]
    record!("avx2_f64_dot_2x6", F64, Avx2 avx2, Dot dot, 1, [1 2], [1 2 3 4 5 6]),
    #[cfg(target_arch = "x86_64")]
    record!("avx2_f64_dot_8x1", F64, Avx2 avx2, Dot dot, 1, [1 2 3 4 5 6 7 8], [1]),
    #[cfg(target_arch = "x86_64")]
    record!("avx2_f64_dot_1x8", F64, Avx2 avx2, Dot dot, 1, [1], [1 2 3 4 5 6 7 8]),
    record!("scalar_f64_4x4", F64, Scalar scalar, Outer outer, 1, [1 2 3 4], [1 2 3 4]),
];

#[cfg(test)]
mod tests {
    use super::super::macro_kernel;
    use super::*;

    fn check_records<S: Scheme>() {
        for kernel in S::kernels() {
            let Tile { mr, nr } = kernel.tile();
            let form = if kernel.form() == Form::Dot { "dot_" } else { "" };
            assert_eq!(kernel.name(), format!("{}_{}_{form}{mr}x{nr}", kernel.isa(), S::NAME));
            assert_eq!(kernel.functions.len(), mr);
            assert!(kernel.functions.iter().all(|row| row.len() * kernel.lanes() == nr), "{}", kernel.name());
            assert!(mr * nr <= macro_kernel::MAX_TILE, "{}", kernel.name());
            assert!(mr * nr * size_of::<S::Acc>() <= macro_kernel::MAX_TILE_BYTES, "{}", kernel.name());
        }
    }

    #[test]
    fn records_agree_with_their_names() {
        check_records::<F32>();
        check_records::<F64>();
    }

    fn isas<S: Scheme>() -> Vec<Isa> {
        S::kernels().iter().map(|kernel| kernel.isa()).collect()
    }

    #[test]
    fn every_isa_has_a_kernel() {
        let wanted: &[Isa] = if cfg!(target_arch = "x86_64") { &Isa::ALL } else { &[Isa::Scalar] };
        for isas in [isas::<F32>(), isas::<F64>()] {
            assert!(wanted.iter().all(|isa| isas.contains(isa)));
        }
    }
}
