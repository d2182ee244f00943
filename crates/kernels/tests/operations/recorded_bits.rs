//! Operations against the bits of `recorded_bits.txt`; see `tests/gemm/recorded_bits.rs` on what a line is and how it is recorded.

use crate::depends_on::{ANYWHERE, multiply_add};
use crate::{LENGTHS, each_isa};
use cke_kernels::Cpu;
use cke_kernels::ops::activation::{Activation, apply};
use cke_kernels::ops::embedding::add_rows;
use cke_kernels::ops::gate::gate;
use cke_kernels::ops::norm::{layer_norm, rms_norm};
use cke_kernels::ops::pooling::{l2_normalize, mean_rows};
use cke_kernels::ops::quantize::{from_bf16, from_f16, to_bf16, to_f16, to_int8_asymmetric, to_int8_symmetric};
use cke_kernels::ops::rope::{Pairing, rotate};
use cke_kernels::ops::soft_cap::soft_cap;
use cke_kernels::ops::softmax::softmax;
use cke_testkit::{Data, Recorded};
use std::path::Path;

const GROUP: usize = 32;

/// `len` values, without the logarithms of normal data, which are the system's.
fn values(data: &mut Data, len: usize) -> Vec<f32> {
    data.uniform_in(len, -8.0, 8.0)
}

/// A row, and what operations take beside it.
struct Row {
    x: Vec<f32>,
    other: Vec<f32>,
}

type Operation = fn(&Cpu, &Row) -> Vec<u64>;

fn bits(x: &[f32]) -> Vec<u64> {
    x.iter().map(|x| x.to_bits().into()).collect()
}

/// The bits that `operation` leaves in a copy of the row.
fn in_place(row: &Row, operation: impl FnOnce(&mut [f32])) -> Vec<u64> {
    let mut x = row.x.clone();
    operation(&mut x);
    bits(&x)
}

fn int8(scales: &[f32], zeros: &[i8], numbers: &[i8]) -> Vec<u64> {
    bits(scales).into_iter().chain(zeros.iter().chain(numbers).map(|&q| q as u64)).collect()
}

/// The same on every CPU: each element by itself, in operations that round once.
const ALONE: [(&str, Operation); 11] = [
    ("relu", |cpu, row| in_place(row, |x| apply(cpu, Activation::Relu, x))),
    ("rotation of halves", |cpu, row| rotated(cpu, row, Pairing::Half)),
    ("rotation of neighbours", |cpu, row| rotated(cpu, row, Pairing::Interleaved)),
    ("sum of embeddings", |cpu, row| {
        in_place(row, |x| add_rows(cpu, &row.other, row.other.len(), &[0], x).expect("the sizes fit"))
    }),
    ("mean of rows", |cpu, row| {
        let (rows, mut out) = ([&row.x[..], &row.other, &row.x].concat(), vec![0.0; row.x.len()]);
        mean_rows(cpu, &rows, &mut out).expect("the sizes fit");
        bits(&out)
    }),
    ("row of norm 1", |_, row| in_place(row, l2_normalize)),
    ("bf16", |cpu, row| {
        let (mut narrow, mut wide) = (vec![0; row.x.len()], vec![0.0; row.x.len()]);
        to_bf16(cpu, &row.x, &mut narrow).expect("the sizes fit");
        from_bf16(cpu, &narrow, &mut wide).expect("the sizes fit");
        bits(&wide)
    }),
    ("f16", |cpu, row| {
        let (mut narrow, mut wide) = (vec![0; row.x.len()], vec![0.0; row.x.len()]);
        to_f16(cpu, &row.x, &mut narrow).expect("the sizes fit");
        from_f16(cpu, &narrow, &mut wide).expect("the sizes fit");
        bits(&wide)
    }),
    ("int8, symmetric", |cpu, row| {
        let (mut numbers, mut scales) = (vec![0; row.x.len()], vec![0.0; row.x.len().div_ceil(GROUP)]);
        to_int8_symmetric(cpu, &row.x, GROUP, &mut numbers, &mut scales).expect("the sizes fit");
        int8(&scales, &[], &numbers)
    }),
    ("int8, asymmetric", |cpu, row| {
        let groups = row.x.len().div_ceil(GROUP);
        let (mut numbers, mut scales, mut zeros) = (vec![0; row.x.len()], vec![0.0; groups], vec![0; groups]);
        to_int8_asymmetric(cpu, &row.x, GROUP, &mut numbers, &mut scales, &mut zeros).expect("the sizes fit");
        int8(&scales, &zeros, &numbers)
    }),
    ("gate by relu", |cpu, row| gated(cpu, row, Activation::Relu)),
];

/// The same wherever multiply-adds fuse: polynomials of each element by itself.
const POLYNOMIALS: [(&str, Operation); 6] = [
    ("gelu", |cpu, row| in_place(row, |x| apply(cpu, Activation::Gelu, x))),
    ("gelu by tanh", |cpu, row| in_place(row, |x| apply(cpu, Activation::GeluTanh, x))),
    ("silu", |cpu, row| in_place(row, |x| apply(cpu, Activation::Silu, x))),
    ("tanh", |cpu, row| in_place(row, |x| apply(cpu, Activation::Tanh, x))),
    ("gate by silu", |cpu, row| gated(cpu, row, Activation::Silu)),
    ("soft cap", |cpu, row| in_place(row, |x| soft_cap(cpu, x, 3.0))),
];

/// Their own bits on every instruction set: a row is reduced in its lanes.
const REDUCTIONS: [(&str, Operation); 3] = [
    ("layer norm", |cpu, row| {
        let mut out = vec![0.0; row.x.len()];
        layer_norm(cpu, &row.x, &row.other, &row.other, 1e-5, &mut out).expect("the sizes fit");
        bits(&out)
    }),
    ("rms norm", |cpu, row| {
        let mut out = vec![0.0; row.x.len()];
        rms_norm(cpu, &row.x, &row.other, 1e-5, &mut out).expect("the sizes fit");
        bits(&out)
    }),
    ("softmax", |cpu, row| in_place(row, |x| softmax(cpu, x))),
];

fn rotated(cpu: &Cpu, row: &Row, pairing: Pairing) -> Vec<u64> {
    let (cos, sin) = row.other.split_at(row.other.len() / 2);
    let pairs = cos.len().min(sin.len());
    in_place(row, |x| rotate(cpu, x, x.len(), &cos[..pairs], &sin[..pairs], pairing).expect("the sizes fit"))
}

fn gated(cpu: &Cpu, row: &Row, activation: Activation) -> Vec<u64> {
    let mut out = vec![0.0; row.x.len()];
    gate(cpu, activation, &row.x, &row.other, &mut out).expect("the sizes fit");
    bits(&out)
}

#[test]
fn operations_have_the_recorded_bits() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/operations/recorded_bits.txt");
    let (mut recorded, mut data) = (Recorded::read(&file), Data::new(905));
    let lengths = LENGTHS.into_iter().filter(|&len| len > 0);
    let rows: Vec<Row> = lengths.map(|len| Row { x: values(&mut data, len), other: values(&mut data, len) }).collect();
    each_isa(|cpu| {
        let groups = [(ANYWHERE, &ALONE[..]), (multiply_add(cpu), &POLYNOMIALS), (cpu.isa().name(), &REDUCTIONS)];
        for (depends_on, operations) in groups {
            for (name, operation) in operations {
                let bits = rows.iter().flat_map(|row| operation(cpu, row));
                recorded.result(&format!("{depends_on} {name}"), bits);
            }
        }
    });
    recorded.check();
}
