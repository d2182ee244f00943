//! What sums products of an unsigned and a signed byte: `vpdpbusd` of AVX512-VNNI, or plain Rust that does the same.

#![allow(unsafe_code, reason = "vector instructions")]

use super::quantized::QUAD;
use super::step2_quads::add_quads;
use super::tiles::{Brick, COLS, PANELS, RowQuads, Sums};
use cke_kernels::Cpu;
#[cfg(target_arch = "x86_64")]
use cke_kernels::cpu::Features;

/// What multiplies. A value of `Vnni` proves that the CPU has AVX512-VNNI.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unit(Kind);

#[derive(Clone, Copy, Debug)]
enum Kind {
    #[cfg(target_arch = "x86_64")]
    Vnni,
    Plain,
}

impl Unit {
    pub(crate) const PLAIN: Unit = Unit(Kind::Plain);

    /// The fastest that `cpu` has.
    pub(crate) fn of(cpu: &Cpu) -> Unit {
        #[cfg(target_arch = "x86_64")]
        if cpu.has(Features::AVX512 | Features::AVX512_VNNI) {
            return Unit(Kind::Vnni);
        }
        let _ = cpu;
        Unit::PLAIN
    }

    /// Adds the products of unsigned rows and signed columns.
    pub(crate) fn add(self, sums: &mut Sums, rows: &[RowQuads<u8>], panels: [&[Brick<i8>]; PANELS]) {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the value proves that the CPU has AVX512-VNNI.
            Kind::Vnni => unsafe { vnni::add(sums, rows, panels) },
            Kind::Plain => {
                for_each_quad(sums, rows, panels, add_quads);
            }
        }
    }

    /// Adds the products of signed rows and unsigned levels of four bits, for a group: each brick has two quads in each column, the
    /// first in the lower halves of its bytes, and one in the upper halves that belongs to the second half of the rows.
    pub(crate) fn add_levels(self, sums: &mut Sums, rows: &[RowQuads<i8>], panels: [&[Brick<u8>]; PANELS]) {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the value proves that the CPU has AVX512-VNNI.
            Kind::Vnni => unsafe { vnni::add_levels(sums, rows, panels) },
            Kind::Plain => {
                let (low, high) = rows.split_at(rows.len() / 2);
                for_each_quad(sums, low, panels, |sums, row, brick| {
                    add_quads(sums, row, &Brick(brick.0.map(|quad| quad.map(|byte| byte & 15))));
                });
                for_each_quad(sums, high, panels, |sums, row, brick| {
                    add_quads(sums, row, &Brick(brick.0.map(|quad| quad.map(|byte| byte >> 4))));
                });
            }
        }
    }
}

fn for_each_quad<A: Copy, B>(
    sums: &mut Sums,
    rows: &[RowQuads<A>],
    panels: [&[Brick<B>]; PANELS],
    add: impl Fn(&mut [i32; COLS], [A; QUAD], &Brick<B>),
) {
    for (v, bricks) in panels.into_iter().enumerate() {
        for (quads, brick) in rows.iter().zip(bricks) {
            for (sums, quad) in sums.iter_mut().zip(quads) {
                add(&mut sums[v], *quad, brick);
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod vnni {
    use crate::low_precision::quantized::QUAD;
    use crate::low_precision::tiles::{Brick, COLS, PANELS, ROWS, RowQuads, Sums};
    use std::arch::x86_64::*;

    // ANCHOR: add
    #[target_feature(enable = "avx512f,avx512vnni")]
    pub(super) fn add(sums: &mut Sums, rows: &[RowQuads<u8>], [a, b, c]: [&[Brick<i8>]; PANELS]) {
        let mut registers = load_sums(sums);
        for (((quads, a), b), c) in rows.iter().zip(a).zip(b).zip(c) {
            let bricks = [load(a), load(b), load(c)];
            for r in 0..ROWS {
                let row = _mm512_set1_epi32(i32::from_ne_bytes(quads[r]));
                for v in 0..PANELS {
                    registers[r][v] = _mm512_dpbusd_epi32(registers[r][v], row, bricks[v]);
                }
            }
        }
        store_sums(sums, &registers);
    }
    // ANCHOR_END: add

    // ANCHOR: add_levels
    #[target_feature(enable = "avx512f,avx512vnni")]
    pub(super) fn add_levels(sums: &mut Sums, rows: &[RowQuads<i8>], [a, b, c]: [&[Brick<u8>]; PANELS]) {
        let mut registers = load_sums(sums);
        let (low, high) = rows.split_at(rows.len() / 2);
        let low_bits = _mm512_set1_epi8(15);
        for ((((low, high), a), b), c) in low.iter().zip(high).zip(a).zip(b).zip(c) {
            let words = [load(a), load(b), load(c)];
            let (mut levels, mut upper) = (words, words);
            for v in 0..PANELS {
                levels[v] = _mm512_and_si512(words[v], low_bits);
                upper[v] = _mm512_and_si512(_mm512_srli_epi32::<4>(words[v]), low_bits);
            }
            add_rows(&mut registers, low, levels);
            add_rows(&mut registers, high, upper);
        }
        store_sums(sums, &registers);
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512vnni")]
    fn add_rows(registers: &mut Registers, rows: &RowQuads<i8>, levels: [__m512i; PANELS]) {
        for r in 0..ROWS {
            let row = _mm512_set1_epi32(i32::from_ne_bytes(rows[r].map(|q| q as u8)));
            for v in 0..PANELS {
                registers[r][v] = _mm512_dpbusd_epi32(registers[r][v], levels[v], row);
            }
        }
    }
    // ANCHOR_END: add_levels

    type Registers = [[__m512i; PANELS]; ROWS];

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn load<T: Byte>(brick: &Brick<T>) -> __m512i {
        const { assert!(size_of::<Brick<T>>() == size_of::<__m512i>()) };
        // SAFETY: a brick has the size of a vector, and is aligned to it.
        unsafe { _mm512_load_si512(std::ptr::from_ref(brick).cast()) }
    }

    /// A type of one byte, of which every value is one of 256 bit patterns.
    trait Byte: Copy {}
    impl Byte for u8 {}
    impl Byte for i8 {}

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn load_sums(sums: &Sums) -> Registers {
        let mut registers = [[_mm512_setzero_si512(); PANELS]; ROWS];
        for r in 0..ROWS {
            for v in 0..PANELS {
                // SAFETY: an array of 16 i32 has the size of a vector.
                registers[r][v] = unsafe { _mm512_loadu_si512(sums[r][v].as_ptr().cast()) };
            }
        }
        registers
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn store_sums(sums: &mut Sums, registers: &Registers) {
        const { assert!(size_of::<[i32; COLS]>() == size_of::<__m512i>()) };
        for r in 0..ROWS {
            for v in 0..PANELS {
                // SAFETY: an array of 16 i32 has the size of a vector.
                unsafe { _mm512_storeu_si512(sums[r][v].as_mut_ptr().cast(), registers[r][v]) };
            }
        }
    }

    const _: () = assert!(QUAD == size_of::<i32>());
}
