//! THE list of microkernels. Dispatch, tests, benchmarks and reports all read it.
//!
//! To add a kernel: one file under `micro/`, one record here; its tests follow by themselves.

use super::format::{KBlocks, PanelFormat, RowFormat};
use super::halves;
use super::micro::copy::CopyBlock;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use super::micro::dot::{Dot, DotElement};
use super::micro::outer::Outer;
use super::micro::row_steps::RowSteps;
use super::micro::sweep::Sweep;
use super::microkernel::{Form, Microkernel, Tile, TileKernel};
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use super::{bf16, f16};
use crate::cpu::{Features, Isa};
use crate::scheme::{self, Scheme};
use crate::simd::{Entry, Scalar};

#[cfg(target_arch = "x86_64")]
use super::micro::tile_block::every_size;
#[cfg(target_arch = "x86_64")]
use crate::simd::{Amx, Avx2, Avx512};

/// `tile_functions!(Avx2, Outer, f32, [1 2 3], [1 2])`: the table of functions of a microkernel, one for each number of rows and of
/// vectors, made of a [`Body`](crate::simd::Body) with these two parameters for an instruction set.
#[macro_export]
macro_rules! tile_functions {
    ($isa:ty, $body:ident, $element:ty, [$($rows:literal)*], $vectors:tt) => {
        &[$($crate::tile_functions!(@row $isa, $body, $element, $rows, $vectors)),*]
    };
    (@row $isa:ty, $body:ident, $element:ty, $rows:literal, [$($vectors:literal)*]) => {
        &[$(<$isa as $crate::simd::Entry<$body<$element, $rows, $vectors>>>::FUNCTION),*]
    };
}

/// `record!(name, scheme, element, isa, form, lanes, rows, vectors)`: one record, its table made of the form's body for each number of
/// rows and of vectors. A kernel of the dot form is narrowed by columns: its lanes count as one.
macro_rules! record {
    ($name:literal, $scheme:ident, $element:ident, $isa:ident, $form:ident, $lanes:literal, $rows:tt, $vectors:tt) => {
        Microkernel::of_rows::<$isa>(TileKernel {
            name: $name,
            needs: Isa::$isa.needs(),
            form: Form::$form,
            tile: Tile { mr: record!(@count $rows), nr: $lanes * record!(@count $vectors) },
            lanes: $lanes,
            rows: RowFormat::of_elements::<$element>(<scheme::$scheme as Scheme>::NAME),
            panel: PanelFormat::of_elements::<$element>(<scheme::$scheme as Scheme>::NAME, $lanes * record!(@count $vectors)),
            k_blocks: record!(@k_blocks $form),
            functions: tile_functions!($isa, $form, $element, $rows, $vectors),
            rows_at_once: 1,
            sweeps: record!(@sweeps $form, $isa, $element, $rows, $vectors),
            element: record!(@element $form, $isa, $element),
            row_steps: record!(@row_steps $form, $isa, $element),
            copy: <$isa as Entry<CopyBlock<$element>>>::FUNCTION,
            session: None,
            expansion: None,
        })
    };
    (@k_blocks Outer) => { KBlocks::Chains };
    (@k_blocks Dot) => { KBlocks::Segments };
    (@count [$($sizes:literal)*]) => { [$($sizes),*].len() };
    (@element Outer, $isa:ident, $element:ident) => { None };
    (@element Dot, $isa:ident, $element:ident) => { Some(<$isa as Entry<DotElement<$element>>>::FUNCTION) };
    (@row_steps Outer, $isa:ident, $element:ident) => { Some(<$isa as Entry<RowSteps<$element>>>::FUNCTION) };
    (@row_steps Dot, $isa:ident, $element:ident) => { None };
    (@sweeps Outer, $isa:ident, $element:ident, $rows:tt, $vectors:tt) => {
        tile_functions!($isa, Sweep, $element, $rows, $vectors)
    };
    (@sweeps Dot, $isa:ident, $element:ident, $rows:tt, $vectors:tt) => { &[] };
}

/// The kernels of f32: groups that need the same of the CPU, the most capable first.
pub(crate) static F32: &[&[Microkernel<scheme::F32>]] = &[
    #[cfg(target_arch = "x86_64")]
    F32_AVX512,
    #[cfg(target_arch = "x86_64")]
    F32_AVX2,
    #[cfg(target_arch = "aarch64")]
    aarch64::F32_NEON,
    F32_SCALAR,
];

#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
static F32_AVX512: &[Microkernel<scheme::F32>] = &[
    record!("avx512_f32_6x64", F32, f32, Avx512, Outer, 16, [1 2 3 4 5 6], [1 2 3 4]),
    record!("avx512_f32_8x48", F32, f32, Avx512, Outer, 16, [1 2 3 4 5 6 7 8], [1 2 3]),
    record!("avx512_f32_12x32", F32, f32, Avx512, Outer, 16, [1 2 3 4 5 6 7 8 9 10 11 12], [1 2]),
    record!("avx512_f32_16x16", F32, f32, Avx512, Outer, 16, [1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16], [1]),
    record!("avx512_f32_4x96", F32, f32, Avx512, Outer, 16, [1 2 3 4], [1 2 3 4 5 6]),
    record!("avx512_f32_1x256", F32, f32, Avx512, Outer, 16, [1], [1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16]),
    record!("avx512_f32_dot_6x4", F32, f32, Avx512, Dot, 1, [1 2 3 4 5 6], [1 2 3 4]),
    record!("avx512_f32_dot_4x6", F32, f32, Avx512, Dot, 1, [1 2 3 4], [1 2 3 4 5 6]),
    record!("avx512_f32_dot_8x1", F32, f32, Avx512, Dot, 1, [1 2 3 4 5 6 7 8], [1]),
    record!("avx512_f32_dot_1x8", F32, f32, Avx512, Dot, 1, [1], [1 2 3 4 5 6 7 8]),
];

#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
static F32_AVX2: &[Microkernel<scheme::F32>] = &[
    record!("avx2_f32_6x16", F32, f32, Avx2, Outer, 8, [1 2 3 4 5 6], [1 2]),
    record!("avx2_f32_12x8", F32, f32, Avx2, Outer, 8, [1 2 3 4 5 6 7 8 9 10 11 12], [1]),
    record!("avx2_f32_3x24", F32, f32, Avx2, Outer, 8, [1 2 3], [1 2 3]),
    record!("avx2_f32_2x32", F32, f32, Avx2, Outer, 8, [1 2], [1 2 3 4]),
    record!("avx2_f32_1x96", F32, f32, Avx2, Outer, 8, [1], [1 2 3 4 5 6 7 8 9 10 11 12]),
    record!("avx2_f32_dot_4x3", F32, f32, Avx2, Dot, 1, [1 2 3 4], [1 2 3]),
    record!("avx2_f32_dot_3x4", F32, f32, Avx2, Dot, 1, [1 2 3], [1 2 3 4]),
    record!("avx2_f32_dot_2x6", F32, f32, Avx2, Dot, 1, [1 2], [1 2 3 4 5 6]),
    record!("avx2_f32_dot_8x1", F32, f32, Avx2, Dot, 1, [1 2 3 4 5 6 7 8], [1]),
    record!("avx2_f32_dot_1x8", F32, f32, Avx2, Dot, 1, [1], [1 2 3 4 5 6 7 8]),
];

#[rustfmt::skip]
static F32_SCALAR: &[Microkernel<scheme::F32>] = &[
    record!("scalar_f32_4x4", F32, f32, Scalar, Outer, 1, [1 2 3 4], [1 2 3 4]),
];

/// The kernels of f64: groups that need the same of the CPU, the most capable first.
pub(crate) static F64: &[&[Microkernel<scheme::F64>]] = &[
    #[cfg(target_arch = "x86_64")]
    F64_AVX512,
    #[cfg(target_arch = "x86_64")]
    F64_AVX2,
    #[cfg(target_arch = "aarch64")]
    aarch64::F64_NEON,
    F64_SCALAR,
];

#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
static F64_AVX512: &[Microkernel<scheme::F64>] = &[
    record!("avx512_f64_6x32", F64, f64, Avx512, Outer, 8, [1 2 3 4 5 6], [1 2 3 4]),
    record!("avx512_f64_8x24", F64, f64, Avx512, Outer, 8, [1 2 3 4 5 6 7 8], [1 2 3]),
    record!("avx512_f64_12x16", F64, f64, Avx512, Outer, 8, [1 2 3 4 5 6 7 8 9 10 11 12], [1 2]),
    record!("avx512_f64_16x8", F64, f64, Avx512, Outer, 8, [1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16], [1]),
    record!("avx512_f64_4x48", F64, f64, Avx512, Outer, 8, [1 2 3 4], [1 2 3 4 5 6]),
    record!("avx512_f64_1x128", F64, f64, Avx512, Outer, 8, [1], [1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16]),
    record!("avx512_f64_dot_6x4", F64, f64, Avx512, Dot, 1, [1 2 3 4 5 6], [1 2 3 4]),
    record!("avx512_f64_dot_4x6", F64, f64, Avx512, Dot, 1, [1 2 3 4], [1 2 3 4 5 6]),
    record!("avx512_f64_dot_8x1", F64, f64, Avx512, Dot, 1, [1 2 3 4 5 6 7 8], [1]),
    record!("avx512_f64_dot_1x8", F64, f64, Avx512, Dot, 1, [1], [1 2 3 4 5 6 7 8]),
];

#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
static F64_AVX2: &[Microkernel<scheme::F64>] = &[
    record!("avx2_f64_6x8", F64, f64, Avx2, Outer, 4, [1 2 3 4 5 6], [1 2]),
    record!("avx2_f64_12x4", F64, f64, Avx2, Outer, 4, [1 2 3 4 5 6 7 8 9 10 11 12], [1]),
    record!("avx2_f64_3x12", F64, f64, Avx2, Outer, 4, [1 2 3], [1 2 3]),
    record!("avx2_f64_2x16", F64, f64, Avx2, Outer, 4, [1 2], [1 2 3 4]),
    record!("avx2_f64_1x48", F64, f64, Avx2, Outer, 4, [1], [1 2 3 4 5 6 7 8 9 10 11 12]),
    record!("avx2_f64_dot_4x3", F64, f64, Avx2, Dot, 1, [1 2 3 4], [1 2 3]),
    record!("avx2_f64_dot_3x4", F64, f64, Avx2, Dot, 1, [1 2 3], [1 2 3 4]),
    record!("avx2_f64_dot_2x6", F64, f64, Avx2, Dot, 1, [1 2], [1 2 3 4 5 6]),
    record!("avx2_f64_dot_8x1", F64, f64, Avx2, Dot, 1, [1 2 3 4 5 6 7 8], [1]),
    record!("avx2_f64_dot_1x8", F64, f64, Avx2, Dot, 1, [1], [1 2 3 4 5 6 7 8]),
];

#[rustfmt::skip]
static F64_SCALAR: &[Microkernel<scheme::F64>] = &[
    record!("scalar_f64_4x4", F64, f64, Scalar, Outer, 1, [1 2 3 4], [1 2 3 4]),
];

#[cfg(target_arch = "x86_64")]
const AVX512_BF16: Features = Isa::Avx512.needs().union(Features::AVX512_BF16);
#[cfg(target_arch = "x86_64")]
const AMX_BF16: Features = AVX512_BF16.union(Features::AMX_BF16);
#[cfg(target_arch = "x86_64")]
const AVX2_F16C: Features = Isa::Avx2.needs().union(Features::F16C);

/// `widen!("name", module::function, isa, needs, lanes, [1 2 3], [1 2])`: one record that widens weights of 16 bits, its functions one for
/// each number of rows and of vectors.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! widen {
    ($name:literal, $module:ident::$function:ident, $isa:ident, $needs:expr, $lanes:literal, $rows:tt, $vectors:tt) => {
        halves::widening::<_, $isa>($name, $needs, $lanes, half_functions!($module::$function, $rows, $vectors))
    };
}

/// The table of functions of a kernel of weights of 16 bits.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! half_functions {
    ($module:ident::$function:ident, [$($rows:literal)*], $vectors:tt) => {
        &[$(half_functions!(@row $module, $function, $rows, $vectors)),*]
    };
    (@row $module:ident, $function:ident, $rows:literal, [$($vectors:literal)*]) => {
        &[$($module::tile::$function::<$rows, $vectors>),*]
    };
}

/// `widen_by_loops!("name", Scheme)`: the record of plain loops.
macro_rules! widen_by_loops {
    ($name:literal, $scheme:ident) => {
        halves::widening::<_, Scalar>(
            $name,
            Features::NONE,
            16,
            &[
                &[halves::tile::scalar::<scheme::$scheme, 1>],
                &[halves::tile::scalar::<scheme::$scheme, 2>],
                &[halves::tile::scalar::<scheme::$scheme, 3>],
                &[halves::tile::scalar::<scheme::$scheme, 4>],
            ],
        )
    };
}

/// The kernels of bf16: groups that need the same of the CPU, the most capable first. Which of the two arithmetics of
/// [`bf16`](super::bf16) a group computes by is part of its kernels' names.
pub(crate) static BF16: &[&[Microkernel<scheme::Bf16>]] = &[
    #[cfg(target_arch = "x86_64")]
    BF16_AMX,
    #[cfg(target_arch = "x86_64")]
    BF16_AVX512_BF16,
    #[cfg(target_arch = "x86_64")]
    BF16_AVX512,
    #[cfg(target_arch = "x86_64")]
    BF16_AVX2,
    #[cfg(target_arch = "aarch64")]
    aarch64::BF16_NEON,
    BF16_SCALAR,
];

#[cfg(target_arch = "x86_64")]
static BF16_AMX: &[Microkernel<scheme::Bf16>] =
    &[bf16::tiles::record::<Amx>("avx512_amx_bf16_tdpbf16ps_32x32", AMX_BF16, every_size!(bf16::tiles::amx))];

/// `pairs!("name", [1 2 3], [1 2])`: one record of `vdpbf16ps`.
#[cfg(target_arch = "x86_64")]
macro_rules! pairs {
    ($name:literal, $rows:tt, $vectors:tt) => {
        bf16::pairing($name, AVX512_BF16, half_functions!(bf16::avx512_bf16, $rows, $vectors))
    };
}

#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
static BF16_AVX512_BF16: &[Microkernel<scheme::Bf16>] = &[
    pairs!("avx512_bf16_vdpbf16ps_8x48", [1 2 3 4 5 6 7 8], [1 2 3]),
    pairs!("avx512_bf16_vdpbf16ps_6x64", [1 2 3 4 5 6], [1 2 3 4]),
    pairs!("avx512_bf16_vdpbf16ps_4x96", [1 2 3 4], [1 2 3 4 5 6]),
    pairs!("avx512_bf16_vdpbf16ps_6x16", [1 2 3 4 5 6], [1]),
];

#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
static BF16_AVX512: &[Microkernel<scheme::Bf16>] = &[
    widen!("avx512_bf16_widen_16x16", bf16::avx512, Avx512, Isa::Avx512.needs(), 16, [1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16], [1]),
];

#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
static BF16_AVX2: &[Microkernel<scheme::Bf16>] = &[
    widen!("avx2_bf16_widen_6x16", bf16::avx2, Avx2, Isa::Avx2.needs(), 8, [1 2 3 4 5 6], [1 2]),
];

static BF16_SCALAR: &[Microkernel<scheme::Bf16>] = &[widen_by_loops!("scalar_bf16_widen_4x16", Bf16)];

/// The kernels of f16: groups that need the same of the CPU, the most capable first.
pub(crate) static F16: &[&[Microkernel<scheme::F16>]] = &[
    #[cfg(target_arch = "x86_64")]
    F16_AVX512,
    #[cfg(target_arch = "x86_64")]
    F16_AVX2,
    #[cfg(target_arch = "aarch64")]
    aarch64::F16_NEON,
    F16_SCALAR,
];

#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
static F16_AVX512: &[Microkernel<scheme::F16>] = &[
    widen!("avx512_f16_widen_16x16", f16::avx512, Avx512, Isa::Avx512.needs(), 16, [1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16], [1]),
];

#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
static F16_AVX2: &[Microkernel<scheme::F16>] = &[
    widen!("avx2_f16_widen_6x16", f16::avx2, Avx2, AVX2_F16C, 8, [1 2 3 4 5 6], [1 2]),
];

static F16_SCALAR: &[Microkernel<scheme::F16>] = &[widen_by_loops!("scalar_f16_widen_4x16", F16)];

// Behind the macros that it uses.
#[cfg(target_arch = "aarch64")]
mod aarch64;
mod integers;

pub(crate) use integers::*;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gemm::grouped;
    use crate::scheme::{Bf16, F16, F32, F64, Grouped, Int4, Int8, Int8Groups, Int8PerChannel};

    fn check_records<S: Scheme>() {
        for kernel in S::records() {
            let Tile { mr, nr } = kernel.tile();
            let form = if kernel.form() == Form::Dot { "dot_" } else { "" };
            let name = kernel.name();
            let (isa, rest) = name.split_once(&format!("_{}_", S::NAME)).expect("ISA, scheme and tile");
            // Kernels in blocks may name their arithmetic.
            let tile = ["widen_", "vdpbf16ps_", "tdpbf16ps_"]
                .into_iter()
                .find_map(|name| rest.strip_prefix(name))
                .unwrap_or(rest);
            assert_eq!(tile, format!("{form}{mr}x{nr}"), "{name}");
            assert!(isa.starts_with(kernel.isa().name()) || isa.contains("vnni"), "{name}");
            let functions = kernel.tiles.functions;
            assert_eq!(functions.len(), mr);
            assert!(functions.iter().all(|row| row.len() * kernel.lanes() == nr), "{}", kernel.name());
            assert!(mr * nr * size_of::<S::C>() <= Tile::MAX_BYTES, "{}", kernel.name());
        }
    }

    #[test]
    fn records_agree_with_their_names() {
        check_records::<F32>();
        check_records::<F64>();
        check_records::<Int8>();
        check_records::<Int8Groups<16>>();
        check_records::<Int8Groups<32>>();
        check_records::<Int8Groups<64>>();
        check_records::<Int8Groups<256>>();
        check_records::<Int8PerChannel>();
        check_records::<Int4>();
        check_records::<Grouped<grouped::Q2_K>>();
        check_records::<Grouped<grouped::Int4_128>>();
        check_records::<Grouped<grouped::Q6_K>>();
        check_records::<Grouped<grouped::Q8_0>>();
        check_records::<Bf16>();
        check_records::<F16>();
    }

    fn check_groups<S: Scheme>() {
        for group in S::kernels() {
            assert!(group.iter().all(|kernel| kernel.needs() == group[0].needs()), "{}", group[0].name());
        }
        assert!(S::kernels().is_sorted_by(|more, less| more[0].needs().contains(less[0].needs())));
    }

    #[test]
    fn groups_need_the_same_and_the_most_capable_come_first() {
        check_groups::<F32>();
        check_groups::<F64>();
        check_groups::<Bf16>();
    }

    fn isas<S: Scheme>() -> Vec<Isa> {
        S::records().map(|kernel| kernel.isa()).collect()
    }

    #[test]
    fn every_isa_has_a_kernel() {
        for isas in [isas::<F32>(), isas::<F64>(), isas::<Int8>(), isas::<Int4>(), isas::<Bf16>(), isas::<F16>()] {
            assert!(Isa::ALL.iter().all(|isa| isas.contains(isa)));
        }
    }
}
