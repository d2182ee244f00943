//! A product some times over, on one thread, to be counted: cke FORMAT M N K TIMES. Prints the kernel, and how operands reach it if not packed.
//!
//! `sgemm` and `dgemm` are products with nothing prepared; all else has its weights packed before.

use cke_kernels::gemm::grouped::{Q4_K, Q8_0};
use cke_kernels::prelude::*;
use cke_kernels::scheme::{Element, Grouped, Int8PerChannel, Scheme};
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [format, sizes @ ..] = arguments.as_slice() else { return Err("wanted FORMAT M N K TIMES".into()) };
    let sizes: Vec<usize> = sizes.iter().map(|size| size.parse()).collect::<Result<_, _>>()?;
    let &[m, n, k, times] = sizes.as_slice() else { return Err("wanted FORMAT M N K TIMES".into()) };
    let shape = Shape { m, n, k };
    match format.as_str() {
        "sgemm" => unprepared::<f32>(shape, times, |number| number),
        "dgemm" => unprepared::<f64>(shape, times, f64::from),
        "f32" => packed::<F32>(shape, times),
        "int8" => packed::<Int8>(shape, times),
        "int8_channel" => packed::<Int8PerChannel>(shape, times),
        "q4_0" => packed::<Int4>(shape, times),
        "q8_0" => packed::<Grouped<Q8_0>>(shape, times),
        "q4_k" => packed::<Grouped<Q4_K>>(shape, times),
        other => Err(format!("wanted a format of this program, found {other}").into()),
    }
}

/// Some numbers between -1 and 1.
fn numbers(count: usize) -> impl Iterator<Item = f32> {
    (0..count).map(|i| (i * 37 % 101) as f32 / 50.0 - 1.0)
}

fn unprepared<E: Element>(Shape { m, n, k }: Shape, times: usize, number: fn(f32) -> E) -> Result<(), Box<dyn Error>> {
    let (a, b): (Vec<E>, Vec<E>) = (numbers(m * k).map(number).collect(), numbers(k * n).map(number).collect());
    let mut c: Vec<E> = numbers(m * n).map(number).collect();
    let (cpu, pool, mut scratch) = (Cpu::host()?, ThreadPool::new(1)?, Scratch::new());
    let product = Gemm::<E::Scheme>::new(MatRef::new(&a, m, k)?, MatRef::new(&b, k, n)?);
    for _ in 0..times {
        product.run(cpu, MatMut::new(&mut c, m, n)?, &mut Ctx { pool: &pool, scratch: &mut scratch })?;
    }
    let explained = product.explain(cpu, MatMut::new(&mut c, m, n)?, 1).ok_or("nothing to multiply")?;
    println!("{}, {explained}", explained.kernel);
    Ok(())
}

fn packed<S: Scheme<A = f32, B = f32, C = f32>>(shape: Shape, times: usize) -> Result<(), Box<dyn Error>> {
    let Shape { m, n, k } = shape;
    let (a, b): (Vec<f32>, Vec<f32>) = (numbers(m * k).collect(), numbers(n * k).collect());
    let mut c = vec![0.0; m * n];
    let (pool, mut scratch) = (ThreadPool::new(1)?, Scratch::new());
    let plan = GemmPlan::<S>::new(Cpu::host()?, shape);
    // As layers hold them: a row of weights for each column of the result.
    let weights = plan.pack_b(MatRef::new(&b, n, k)?.transposed())?;
    for _ in 0..times {
        let mut ctx = Ctx { pool: &pool, scratch: &mut scratch };
        plan.run(MatRef::new(&a, m, k)?, &weights, MatMut::new(&mut c, m, n)?, &Epilogue::default(), &mut ctx)?;
    }
    println!("{}", plan.kernel().record().name());
    Ok(())
}
