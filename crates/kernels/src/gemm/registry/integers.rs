//! The kernels of weights in eight bits and fewer, whose products are sums of integers.

#[cfg(target_arch = "x86_64")]
use super::AVX2_F16C;
use crate::cpu::{Features, Isa};
#[cfg(target_arch = "x86_64")]
use crate::gemm::expansion::Expansion;
use crate::gemm::grouped::{self, Preparation};
use crate::gemm::int8;
#[cfg(target_arch = "x86_64")]
use crate::gemm::micro::tile_block::every_size;
use crate::gemm::microkernel::Microkernel;
#[cfg(target_arch = "x86_64")]
use crate::gemm::microkernel::TileKernel;
#[cfg(target_arch = "x86_64")]
use crate::gemm::tile_args::TileFn;
use crate::scheme::{self, Int8By, Int8Kernels};
use crate::simd::QuadRows;
#[cfg(target_arch = "x86_64")]
use crate::simd::{Amx, TILE_ROWS};

#[cfg(target_arch = "x86_64")]
const AVX512_VNNI: Features = Isa::Avx512.needs().union(Features::AVX512_VNNI);
#[cfg(target_arch = "x86_64")]
const AMX_INT8: Features = AVX512_VNNI.union(Features::AMX_INT8);
#[cfg(target_arch = "x86_64")]
const AVX_VNNI: Features = Isa::Avx2.needs().union(Features::AVX_VNNI);
#[cfg(target_arch = "x86_64")]
const AVX_VNNI_F16C: Features = AVX2_F16C.union(Features::AVX_VNNI);
#[cfg(target_arch = "aarch64")]
const NEON_DOTPROD: Features = Isa::Neon.needs().union(Features::DOTPROD);
#[cfg(target_arch = "aarch64")]
const NEON_I8MM: Features = NEON_DOTPROD.union(Features::I8MM);

/// `int8!(group, whole, "name", NEON with `sdot`)`: the kernels of a scheme of eight bits, groups that need the same of the CPU, the most
/// capable first. By `sdot` it is the rows of the tile, those that it multiplies at once and a function for each number of rows.
macro_rules! int8 {
    ($group:literal, $whole:literal, $name:literal, $dotprod:tt) => {
        impl Int8Kernels for Int8By<$group, $whole> {
            const NAME: &'static str = $name;

            fn kernels() -> &'static [&'static [Microkernel<Self>]] {
                static KERNELS: &[&[Microkernel<Int8By<$group, $whole>>]] = &[
                    #[cfg(target_arch = "x86_64")]
                    &[int8::tile::tile_record::<Amx, $group, $whole>(
                        concat!("avx512_amx_", $name, "_32x32"),
                        AMX_INT8,
                        every_size!(int8::tile::amx::<$group, $whole>),
                    )],
                    #[cfg(target_arch = "x86_64")]
                    &[int8!(@wide $group, $whole, "avx512_vnni", $name, AVX512_VNNI, avx512_vnni, Offset, "8x48", [1 2 3 4 5 6 7 8], [1 2 3], if $whole { 1 } else { 4 })],
                    #[cfg(target_arch = "x86_64")]
                    &[int8!(@record $group, $whole, "avx_vnni", $name, AVX_VNNI, avx_vnni, Offset, (12, 6 at once: 1 2 3 4 5 6 7 8 9 10 11 12))],
                    #[cfg(target_arch = "x86_64")]
                    &[int8!(@record $group, $whole, "avx2", $name, Isa::Avx2.needs(), avx2, Words, (8, 4 at once: 1 2 3 4 5 6 7 8))],
                    #[cfg(target_arch = "aarch64")]
                    &[int8!(@pairs $group, $whole, "neon_i8mm", $name, NEON_I8MM, neon_dotprod, neon_i8mm, Bytes, "12x16", [1 2 3 4], [3 3 4 4 5 5 6 6])],
                    #[cfg(target_arch = "aarch64")]
                    &[int8!(@record $group, $whole, "neon_dotprod", $name, NEON_DOTPROD, neon_dotprod, Bytes, $dotprod)],
                    #[cfg(target_arch = "aarch64")]
                    &[int8!(@record $group, $whole, "neon", $name, Isa::Neon.needs(), neon, Twice, (6, 1 at once: 1 2 3 4 5 6))],
                    &[int8!(@record $group, $whole, "scalar", $name, Features::NONE, scalar, Bytes, (4, 1 at once: 1 2 3 4))],
                ];
                KERNELS
            }
        }
    };
    (@record $group:literal, $whole:literal, $isa:literal, $name:literal, $needs:expr, $function:ident, $rows:ident, ($mr:literal, $rows_at_once:literal at once: $($heights:literal)*)) => {
        int8!(@make concat!($isa, "_", $name, "_", $mr, "x16"), $needs, $rows, $rows_at_once, &[$(&[int8::tile::$function::<$group, $whole, $heights>]),*])
    };
    (@wide $group:literal, $whole:literal, $isa:literal, $name:literal, $needs:expr, $function:ident, $rows:ident, $tile:literal, [$($heights:literal)*], $panels:tt, $rows_at_once:expr) => {
        int8!(@make concat!($isa, "_", $name, "_", $tile), $needs, $rows, $rows_at_once, &[$(int8!(@row $group, $whole, $function, $heights, $panels)),*])
    };
    (@row $group:literal, $whole:literal, $function:ident, $height:literal, [$($panels:literal)*]) => {
        &[$(int8::tile::$function::<$group, $whole, $height, $panels>),*]
    };
    // Behind functions for few rows those that take pairs of rows, an even or an odd number of rows.
    (@pairs $group:literal, $whole:literal, $isa:literal, $name:literal, $needs:expr, $few:ident, $function:ident, $rows:ident, $tile:literal, [$($heights:literal)*], [$($pairs:literal)*]) => {
        int8!(@make concat!($isa, "_", $name, "_", $tile), $needs, $rows, 1, &[
            $(&[int8::tile::$few::<$group, $whole, $heights>],)*
            $(&[int8::tile::$function::<$group, $whole, $pairs>]),*
        ])
    };
    (@make $name:expr, $needs:expr, $rows:ident, $rows_at_once:expr, $functions:expr) => {
        int8::record($name, $needs, $functions, $rows_at_once, QuadRows::$rows, None)
    };
}

int8!(16, false, "int8_16", (4, 1 at once: 1 2 3 4));
int8!(32, false, "int8_32", (4, 1 at once: 1 2 3 4));
int8!(64, false, "int8_64", (4, 1 at once: 1 2 3 4));
int8!(128, false, "int8", (4, 1 at once: 1 2 3 4));
int8!(256, false, "int8_256", (4, 1 at once: 1 2 3 4));
int8!(128, true, "int8_channel", (6, 1 at once: 1 2 3 4 5 6));

/// `grouped!(Format, many, name, AVX-VNNI, scalar)`: the kernels of a format of weights in groups: for each of these
/// instruction sets its rows and a function for each number of rows, and for AVX512-VNNI one for each number of panels, too. `many` is
/// what its tiles read if rows are many: `packed` panels or `expanded` ones. Those of AMX read expanded ones of every format; fewer rows are
/// multiplied as on AVX512-VNNI.
macro_rules! grouped {
    ($format:ident, $many:ident, $name:literal, $avx_vnni:tt, $scalar:tt) => {
        &[
            #[cfg(target_arch = "x86_64")]
            &[
                grouped!(@on_tiles $format,
                    grouped!(@tall $format, "avx512_amx", $name, AMX_INT8, avx512_vnni, avx512_vnni_tall, Avx512, "8x48", [1 2 3 4], [5 6 7 8], [1 2 3])),
                grouped!(@wide $format, "avx512_amx", $name, AMX_INT8, avx512_vnni, Avx512, "4x16", [1 2 3 4], [1]),
            ],
            #[cfg(target_arch = "x86_64")]
            &[
                grouped!(@$many $format, avx512_vnni, avx512_vnni_tall, avx512_expand, [1 2 3 4], [5 6 7 8], [1 2 3],
                    grouped!(@tall $format, "avx512_vnni", $name, AVX512_VNNI, avx512_vnni, avx512_vnni_tall, Avx512, "8x48", [1 2 3 4], [5 6 7 8], [1 2 3])),
                grouped!(@wide $format, "avx512_vnni", $name, AVX512_VNNI, avx512_vnni, Avx512, "4x16", [1 2 3 4], [1]),
            ],
            #[cfg(target_arch = "x86_64")]
            &[grouped!(@record $format, "avx_vnni", $name, AVX_VNNI_F16C, avx_vnni, Avx2, $avx_vnni)],
            #[cfg(target_arch = "x86_64")]
            &[grouped!(@above_three $format, "avx2", $name, AVX2_F16C, avx2, avx2_tall, Avx2, "8x16", [1 2 3], [4 5 6 7 8])],
            #[cfg(target_arch = "aarch64")]
            &[grouped!(@pairs $format, "neon_i8mm", $name, NEON_I8MM, neon_dotprod, neon_i8mm, Baseline, "12x16", [1 2 3 4], [4 4 4 4 6 6 6 6])],
            #[cfg(target_arch = "aarch64")]
            &[grouped!(@record $format, "neon_dotprod", $name, NEON_DOTPROD, neon_dotprod, Baseline, (4: 1 2 3 4))],
            #[cfg(target_arch = "aarch64")]
            &[grouped!(@record $format, "neon", $name, Isa::Neon.needs(), neon, Baseline, (4: 1 2 3 4))],
            &[grouped!(@record $format, "scalar", $name, Features::NONE, scalar, Baseline, $scalar)],
        ]
    };
    (@record $format:ident, $isa:literal, $name:literal, $needs:expr, $function:ident, $preparation:ident, ($mr:literal: $($rows:literal)*)) => {
        grouped!(@make $format, concat!($isa, "_", $name, "_", $mr, "x16"), $needs, $preparation, 1,
            &[$(&[grouped::tile::$function::<grouped::$format, $rows>]),*])
    };
    (@pairs $format:ident, $isa:literal, $name:literal, $needs:expr, $few:ident, $function:ident, $preparation:ident, $tile:literal, [$($rows:literal)*], [$($pairs:literal)*]) => {
        grouped!(@make $format, concat!($isa, "_", $name, "_", $tile), $needs, $preparation, 1, &[
            $(&[grouped::tile::$few::<grouped::$format, $rows>],)*
            $(&[grouped::tile::$function::<grouped::$format, $pairs>]),*
        ])
    };
    (@above_three $format:ident, $isa:literal, $name:literal, $needs:expr, $few:ident, $function:ident, $preparation:ident, $tile:literal, [$($rows:literal)*], [$($tall_rows:literal)*]) => {
        grouped!(@make $format, concat!($isa, "_", $name, "_", $tile), $needs, $preparation, 4, &[
            $(&[grouped::tile::$few::<grouped::$format, $rows>],)*
            $(grouped!(@whole $format, $function, $tall_rows)),*
        ])
    };
    (@whole $format:ident, $function:ident, $rows:literal) => { &[grouped::tile::$function::<grouped::$format>] };
    (@wide $format:ident, $isa:literal, $name:literal, $needs:expr, $function:ident, $preparation:ident, $tile:literal, [$($rows:literal)*], $panels:tt) => {
        grouped!(@make $format, concat!($isa, "_", $name, "_", $tile), $needs, $preparation, 1,
            &[$(grouped!(@row grouped::$format, $function, $rows, $panels)),*])
    };
    (@tall $format:ident, $isa:literal, $name:literal, $needs:expr, $function:ident, $tall:ident, $preparation:ident, $tile:literal, [$($rows:literal)*], [$($tall_rows:literal)*], $panels:tt) => {
        grouped!(@make $format, concat!($isa, "_", $name, "_", $tile), $needs, $preparation, 4,
            &[$(grouped!(@row grouped::$format, $function, $rows, $panels),)* $(grouped!(@tall_row grouped::$format, $tall, $tall_rows, $panels)),*])
    };
    (@packed $format:ident, $function:ident, $tall:ident, $expand:ident, $rows:tt, $tall_rows:tt, $panels:tt, $record:expr) => { $record };
    (@expanded $format:ident, $function:ident, $tall:ident, $expand:ident, [$($rows:literal)*], [$($tall_rows:literal)*], $panels:tt, $record:expr) => {{
        type Expanded = grouped::Expanded<grouped::$format>;
        const FUNCTIONS: &[&[TileFn<f32>]] = &[
            $(grouped!(@row Expanded, $function, $rows, $panels),)*
            $(grouped!(@tall_row Expanded, $tall, $tall_rows, $panels)),*
        ];
        grouped!(@expanding $record, grouped::expanded_tiles::<grouped::$format>, FUNCTIONS, grouped::tile::$expand::<grouped::$format>)
    }};
    (@on_tiles $format:ident, $record:expr) => {{
        const FUNCTIONS: &[&[TileFn<f32>]] =
            every_size!(grouped::tile::amx::<grouped::$format>, TILE_ROWS, grouped::tile::PANELS);
        grouped!(@expanding $record, grouped::expanded_on_tiles::<grouped::$format, Amx>, FUNCTIONS,
            grouped::tile::avx512_expand_signed::<grouped::$format>)
    }};
    (@expanding $record:expr, $tiles:expr, $functions:expr, $expand:expr) => {{
        const TILES: &TileKernel<f32> = &{
            let record = $record;
            // SAFETY: these functions of the format ask for what the record asks for.
            unsafe { $tiles(record, $functions) }
        };
        let record = $record;
        // SAFETY: as above; it makes the panels that they read.
        unsafe { record.expanding(Expansion { expand: $expand, tiles: TILES }) }
    }};
    (@tall_row $format:ty, $function:ident, $rows:literal, [$($panels:literal)*]) => {
        &[$(grouped::tile::$function::<$format, $panels>),*]
    };
    (@row $format:ty, $function:ident, $rows:literal, [$($panels:literal)*]) => {
        &[$(grouped::tile::$function::<$format, $rows, $panels>),*]
    };
    (@make $format:ident, $name:expr, $needs:expr, $preparation:ident, $rows_at_once:literal, $functions:expr) => {
        // SAFETY: these functions of the format ask for what is named.
        unsafe { grouped::record::<grouped::$format>($name, $needs, $functions, $rows_at_once, Preparation::$preparation) }
    };
}

/// The kernels of int4.
#[rustfmt::skip]
pub(crate) static Q4_0: &[&[Microkernel<scheme::Int4>]] = grouped!(
    Q4_0, packed, "int4", (6: 1 2 3 4 5 6), (2: 1 2)
);

/// `formats!(NAME: Format, "name"; …)`: the kernels of formats of files, with lower tiles, of which there are fewer functions.
macro_rules! formats {
    ($($kernels:ident: $format:ident, $many:ident, $name:literal;)*) => {$(
        pub(crate) static $kernels: &[&[Microkernel<scheme::Grouped<grouped::$format>>]] =
            grouped!($format, $many, $name, (4: 1 2 3 4), (2: 1 2));
    )*};
}

formats! {
    INT4_128: Int4_128, packed, "int4_128";
    Q2_K: Q2_K, expanded, "q2_k";
    Q3_K: Q3_K, expanded, "q3_k";
    Q4_1: Q4_1, packed, "q4_1";
    Q4_K: Q4_K, packed, "q4_k";
    Q5_0: Q5_0, expanded, "q5_0";
    Q5_1: Q5_1, expanded, "q5_1";
    Q5_K: Q5_K, expanded, "q5_k";
    Q6_K: Q6_K, expanded, "q6_k";
    Q8_0: Q8_0, expanded, "q8_0";
    IQ4_NL: Iq4Nl, expanded, "iq4_nl";
    IQ4_XS: Iq4Xs, expanded, "iq4_xs";
}
