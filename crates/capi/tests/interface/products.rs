//! Correct calls, against the oracle.

use crate::c::*;
use cke::*;
use cke_kernels::Cpu;
use cke_kernels::gemm::{Ctx, Epilogue, GemmPlan, Shape};
use cke_kernels::ops::quantize::to_bf16_reference;
use cke_kernels::scheme::{self, Bf16, Int4, Int8, Int8PerChannel, Scheme};
use cke_kernels::scratch::Scratch;
use cke_kernels::threads::Serial;
use cke_kernels::view::{MatMut, MatRef};
use cke_testkit::{Data, Layout, Matrix, View, oracle, tolerance};
use std::mem::MaybeUninit;
use std::ptr::null;

fn uniform(layout: Layout, data: &mut Data) -> Matrix<f32> {
    Matrix::with_layout(layout, &data.uniform(layout.rows * layout.cols))
}

#[test]
fn plan_with_packed_weights_matches_the_oracle() {
    let mut data = Data::new(1);
    for (m, n, k) in [(1, 1, 1), (7, 100, 33), (64, 65, 66), (3, 5, 0), (0, 5, 3), (5, 0, 3)] {
        let (plan, pool) = (plan(m, n, k), pool(2));
        let b = uniform(Layout::col_major(k, n), &mut data);
        let packed = pack(&plan, &matrix(&b)).expect("sizes agree");
        for (context, a_layout) in
            [(context(None), Layout::row_major(m, k)), (context(Some(&pool)), Layout::padded(m, k, 3))]
        {
            let a = uniform(a_layout, &mut data);
            let mut c = uniform(Layout::padded(m, n, 19), &mut data);
            let (a_arg, c_arg) = (matrix(&a), matrix_mut(&mut c));
            // SAFETY: handles and matrices that live on.
            let status = unsafe { cke_plan_run(context.get(), plan.get(), &a_arg, packed.get(), null(), &c_arg) };
            assert_eq!(status, cke_status::CKE_OK);
            let wanted = oracle::Gemm { alpha: 1.0, a: a.view(), b: b.view(), beta: 0.0, c: c.view() };
            let name = format!("{m} {n} {k}");
            tolerance::assert_close(&name, &c.to_row_major(), &wanted.exact(), &wanted.bound());
            c.check();
        }
    }
}

/// A plan of this dtype has the bits of the scheme's in Rust, and its weights take at most `share` of those of f32.
fn check_plan_of<S: Scheme<A = f32, B = f32, C = f32>>(dtype: MaybeUninit<cke_dtype>, share: f64) {
    let (m, n, k) = (7, 48, 512);
    let mut data = Data::new(2);
    let (a, b) = (uniform(Layout::row_major(m, k), &mut data), uniform(Layout::col_major(k, n), &mut data));
    let plan = plan_in(dtype, m, n, k);
    let packed = pack(&plan, &matrix(&b)).expect("sizes agree");
    let mut c = uniform(Layout::row_major(m, n), &mut data);
    let (context, a_arg, c_arg) = (context(None), matrix(&a), matrix_mut(&mut c));
    // SAFETY: handles and matrices that live on.
    unsafe {
        assert_eq!(cke_plan_run(context.get(), plan.get(), &a_arg, packed.get(), null(), &c_arg), cke_status::CKE_OK);
        assert!(cke_packed_bytes(packed.get()) as f64 <= share * (n * k * 4) as f64, "{}", S::NAME);
    }
    let rust = GemmPlan::<S>::new(Cpu::host().expect("a CPU"), Shape { m, n, k });
    let b = MatRef::new(b.as_slice(), n, k).expect("as large").transposed();
    let packed = rust.pack_b(b).expect("memory");
    let mut wanted = vec![0.0; m * n];
    let a = MatRef::new(a.as_slice(), m, k).expect("as large");
    let out = MatMut::new(&mut wanted, m, n).expect("as large");
    let ctx = &mut Ctx { pool: &Serial, scratch: &mut Scratch::new() };
    rust.run(a, &packed, out, &Epilogue::default(), ctx).expect("sizes match");
    tolerance::assert_identical(S::NAME, &c.to_row_major(), &wanted);
}

#[test]
fn plans_of_every_dtype_have_the_bits_of_the_rust_interface() {
    check_plan_of::<Bf16>(BF16, 0.5);
    check_plan_of::<scheme::F16>(F16, 0.5);
    check_plan_of::<Int8>(INT8, 0.27);
    check_plan_of::<Int8PerChannel>(INT8_CHANNEL, 0.27);
    check_plan_of::<Int4>(INT4, 0.15);
}

#[test]
fn results_can_be_bf16() {
    let (m, n, k) = (7, 48, 64);
    let mut data = Data::new(3);
    let (a, b) = (uniform(Layout::row_major(m, k), &mut data), uniform(Layout::row_major(k, n), &mut data));
    let (plan, context) = (plan(m, n, k), context(None));
    let packed = pack(&plan, &matrix(&b)).expect("sizes agree");
    let (mut floats, mut halves) = (vec![0f32; m * n], vec![0u16; m * n]);
    let place = |data| cke_matrix_mut { data, rows: m, cols: n, row_stride: n, col_stride: 1 };
    let run = |dtype, c: &cke_matrix_mut| {
        // SAFETY: handles and matrices that live on, of as many elements of the type as C has.
        unsafe { cke_plan_run_as(context.get(), plan.get(), &matrix(&a), packed.get(), null(), dtype, c) }
    };
    assert_eq!(run(F32, &place(floats.as_mut_ptr().cast())), cke_status::CKE_OK);
    assert_eq!(run(BF16, &place(halves.as_mut_ptr().cast())), cke_status::CKE_OK);
    let mut wanted = vec![0; m * n];
    to_bf16_reference(&floats, &mut wanted);
    assert_eq!(halves, wanted);
    assert_eq!(run(INT8, &place(floats.as_mut_ptr().cast())), cke_status::CKE_ERROR_UNSUPPORTED);
}

#[test]
fn epilogue_is_applied_field_by_field() {
    let (m, n, k) = (9, 37, 20);
    let mut data = Data::new(2);
    let (a, b) = (uniform(Layout::row_major(m, k), &mut data), uniform(Layout::row_major(k, n), &mut data));
    let (bias, factors, residual) = (data.uniform(n), data.uniform(n), data.uniform(m * (n + 2)));
    let (plan, context) = (plan(m, n, k), context(None));
    let packed = pack(&plan, &matrix(&b)).expect("sizes agree");
    let mut c = Matrix::with_layout(Layout::row_major(m, n), &vec![0.0; m * n]);
    let sums = oracle::Gemm { alpha: 1.0, a: a.view(), b: b.view(), beta: 0.0, c: c.view() }.exact();
    for (scale_count, activation) in [
        (0, cke_activation::CKE_ACTIVATION_NONE),
        (1, cke_activation::CKE_ACTIVATION_RELU),
        (n, cke_activation::CKE_ACTIVATION_GELU),
        (n, cke_activation::CKE_ACTIVATION_GELU_TANH),
        (1, cke_activation::CKE_ACTIVATION_SILU),
        (n, cke_activation::CKE_ACTIVATION_TANH),
    ] {
        let epilogue = cke_epilogue {
            scale: if scale_count == 0 { null() } else { factors.as_ptr() },
            scale_count,
            bias: bias.as_ptr(),
            activation: MaybeUninit::new(activation),
            residual: residual.as_ptr(),
            residual_row_stride: n + 2,
            ..no_epilogue()
        };
        let (a_arg, c_arg) = (matrix(&a), matrix_mut(&mut c));
        // SAFETY: handles, matrices and an epilogue that live on.
        let status = unsafe { cke_plan_run(context.get(), plan.get(), &a_arg, packed.get(), &epilogue, &c_arg) };
        assert_eq!(status, cke_status::CKE_OK);
        let wanted: Vec<f64> = (0..m * n)
            .map(|index| {
                let (i, j) = (index / n, index % n);
                let factor =
                    if scale_count == 0 { 1.0 } else { f64::from(factors[if scale_count == 1 { 0 } else { j }]) };
                let x = factor * sums[index] + f64::from(bias[j]);
                activate(activation, x) + f64::from(residual[i * (n + 2) + j])
            })
            .collect();
        tolerance::assert_close_by(&format!("{activation:?}"), &c.to_row_major(), &wanted, 2e-5, 1e-5);
    }
}

fn activate(activation: cke_activation, x: f64) -> f64 {
    match activation {
        cke_activation::CKE_ACTIVATION_NONE => x,
        cke_activation::CKE_ACTIVATION_RELU => x.max(0.0),
        cke_activation::CKE_ACTIVATION_GELU => oracle::gelu(x as f32),
        cke_activation::CKE_ACTIVATION_GELU_TANH => oracle::gelu_tanh(x as f32),
        cke_activation::CKE_ACTIVATION_SILU => oracle::silu(x as f32),
        cke_activation::CKE_ACTIVATION_TANH => x.tanh(),
    }
}

#[test]
fn one_off_product_matches_the_oracle_for_any_strides() {
    let mut data = Data::new(3);
    let (m, n, k) = (23, 31, 17);
    let context = context(Some(&pool(2)));
    for (a_layout, b_layout, c_layout) in [
        (Layout::row_major(m, k), Layout::row_major(k, n), Layout::row_major(m, n)),
        (Layout::col_major(m, k), Layout::col_major(k, n), Layout::col_major(m, n)),
        (Layout::padded(m, k, 1), Layout::strided(k, n, 2, 1), Layout::strided(m, n, 3, 2)),
    ] {
        for (alpha, beta) in [(1.0, 0.0), (0.5, -1.5), (0.0, 2.0)] {
            let (a, b) = (uniform(a_layout, &mut data), uniform(b_layout, &mut data));
            let before = uniform(c_layout, &mut data);
            let mut c = Matrix::with_layout(c_layout, &before.to_row_major());
            let (a_arg, b_arg, c_arg) = (matrix(&a), matrix(&b), matrix_mut(&mut c));
            // SAFETY: handles and matrices that live on.
            let status = unsafe { cke_gemm(context.get(), F32, alpha, &a_arg, &b_arg, beta, &c_arg) };
            assert_eq!(status, cke_status::CKE_OK);
            let (alpha, beta) = (alpha as f32, beta as f32);
            let wanted = oracle::Gemm { alpha, a: a.view(), b: b.view(), beta, c: before.view() };
            tolerance::assert_close("gemm", &c.to_row_major(), &wanted.exact(), &wanted.bound());
            c.check();
        }
    }
}

#[test]
fn double_precision_product_is_summed_in_double_precision() {
    let k = 4096;
    let a: Vec<f64> = (0..k).map(|p| 1.0 + p as f64 * 1e-13).collect();
    let (b, wanted) = (vec![1.0f64; k], a.iter().sum::<f64>());
    let context = context(None);
    let (mut one, mut batched) = ([0.0f64], [0.0f64]);
    let a_arg = cke_matrix { data: a.as_ptr().cast(), rows: 1, cols: k, row_stride: k, col_stride: 1 };
    let b_arg = cke_matrix { data: b.as_ptr().cast(), rows: k, cols: 1, row_stride: 1, col_stride: 1 };
    let c_arg = cke_matrix_mut { data: one.as_mut_ptr().cast(), rows: 1, cols: 1, row_stride: 1, col_stride: 1 };
    let (many_a, many_b) = (matrices(&a, 1, 1, k), matrices(&b, 1, k, 1));
    let many_c = matrices_mut(&mut batched, 1, 1, 1);
    // SAFETY: handles and matrices that live on.
    let statuses = unsafe {
        [
            cke_gemm(context.get(), F64, 1.0, &a_arg, &b_arg, 0.0, &c_arg),
            cke_gemm_batch(context.get(), F64, 1.0, &many_a, &many_b, 0.0, &many_c),
        ]
    };
    assert_eq!(statuses, [cke_status::CKE_OK; 2]);
    for found in [one[0], batched[0]] {
        assert!((found - wanted).abs() <= tolerance::gamma(k, tolerance::F64_ROUNDOFF) * wanted, "{found} {wanted}");
    }
}

/// Operands of `count` products, one after the other.
struct Batch {
    count: usize,
    m: usize,
    n: usize,
    k: usize,
    a: Vec<f32>,
    b: Vec<f32>,
}

impl Batch {
    fn new(count: usize, m: usize, n: usize, k: usize) -> Self {
        let mut data = Data::new(4);
        Batch { count, m, n, k, a: data.uniform(count * m * k), b: data.uniform(count * k * n) }
    }

    fn a(&self) -> cke_matrices {
        matrices(&self.a, self.count, self.m, self.k)
    }

    fn b(&self) -> cke_matrices {
        matrices(&self.b, self.count, self.k, self.n)
    }

    fn addresses_and_offsets(&self) -> (Vec<*const std::ffi::c_void>, Vec<usize>) {
        let offsets: Vec<_> = (0..self.count).map(|index| index * self.k * self.n).collect();
        (self.a.chunks_exact(self.m * self.k).map(|block| block.as_ptr().cast()).collect(), offsets)
    }
}

#[test]
fn batch_matches_the_oracle_by_stride_address_and_offset() {
    let batch = Batch::new(11, 12, 20, 9);
    let Batch { count, m, n, k, .. } = batch;
    let (addresses, offsets) = batch.addresses_and_offsets();
    let context = context(Some(&pool(3)));
    let mut found = Vec::new();
    for by_stride in [true, false] {
        let (mut a, mut b) = (batch.a(), batch.b());
        if !by_stride {
            (a.data, a.addresses, b.offsets) = (null(), addresses.as_ptr(), offsets.as_ptr());
        }
        let mut c = vec![1.0f32; count * m * n];
        let c_arg = matrices_mut(&mut c, count, m, n);
        // SAFETY: handles, lists and matrices that live on.
        let status = unsafe { cke_gemm_batch(context.get(), F32, 2.0, &a, &b, 0.5, &c_arg) };
        assert_eq!(status, cke_status::CKE_OK, "{}", last_error());
        found.push(c);
    }
    tolerance::assert_identical("stride, address and offset", &found[0], &found[1]);
    let ones = vec![1.0; m * n];
    for (index, found) in found[0].chunks_exact(m * n).enumerate() {
        let (a, b) = (&batch.a[index * m * k..], &batch.b[index * k * n..]);
        let wanted = oracle::Gemm {
            alpha: 2.0,
            a: View::row_major(a, m, k),
            b: View::row_major(b, k, n),
            beta: 0.5,
            c: View::row_major(&ones, m, n),
        };
        tolerance::assert_close(&format!("product {index}"), found, &wanted.exact(), &wanted.bound());
    }
}

#[test]
fn places_of_c_by_address_and_by_offset_get_their_products() {
    let batch = Batch::new(3, 2, 4, 5);
    let context = context(None);
    let mut by_stride = vec![0.0f32; 24];
    let (mut by_address, mut by_offset) = (by_stride.clone(), by_stride.clone());
    let mut addresses: Vec<*mut std::ffi::c_void> =
        by_address.chunks_exact_mut(8).map(|place| place.as_mut_ptr().cast()).collect();
    addresses.reverse();
    let offsets = [16, 8, 0];
    let c = [
        matrices_mut(&mut by_stride, 3, 2, 4),
        cke_matrices_mut { addresses: addresses.as_ptr(), ..matrices_mut(&mut [0.0f32; 24], 3, 2, 4) },
        cke_matrices_mut { offsets: offsets.as_ptr(), ..matrices_mut(&mut by_offset, 3, 2, 4) },
    ];
    for c in &c {
        // SAFETY: handles, lists and matrices that live on.
        let status = unsafe { cke_gemm_batch(context.get(), F32, 1.0, &batch.a(), &batch.b(), 0.0, c) };
        assert_eq!(status, cke_status::CKE_OK, "{}", last_error());
    }
    let reversed: Vec<f32> = by_stride.chunks_exact(8).rev().flatten().copied().collect();
    tolerance::assert_identical("addresses", &by_address, &reversed);
    tolerance::assert_identical("offsets", &by_offset, &reversed);
}

#[test]
fn brgemm_matches_the_oracle_by_stride_address_and_offset() {
    let batch = Batch::new(70, 12, 20, 9);
    let Batch { count, m, n, k, .. } = batch;
    let (addresses, offsets) = batch.addresses_and_offsets();
    let (context, brgemm) = (context(Some(&pool(2))), brgemm(m, n, k));
    let bias = vec![0.25f32; n];
    let epilogue = cke_epilogue { bias: bias.as_ptr(), ..no_epilogue() };
    let mut found = Vec::new();
    for by_stride in [true, false] {
        let (mut a, mut b) = (batch.a(), batch.b());
        if !by_stride {
            (a.data, a.addresses, b.offsets) = (null(), addresses.as_ptr(), offsets.as_ptr());
        }
        let mut c = Matrix::with_layout(Layout::row_major(m, n), &vec![1.0f32; m * n]);
        let c_arg = matrix_mut(&mut c);
        // SAFETY: handles, lists and matrices that live on.
        let status = unsafe { cke_brgemm_run(context.get(), brgemm.get(), &a, &b, 0.5, &epilogue, &c_arg) };
        assert_eq!(status, cke_status::CKE_OK, "{}", last_error());
        found.push(c.to_row_major());
    }
    tolerance::assert_identical("stride, address and offset", &found[0], &found[1]);
    // One product of the blocks side by side, and one below the other.
    let side_by_side: Vec<f32> = (0..m)
        .flat_map(|i| (0..count * k).map(move |p| (i, p)))
        .map(|(i, p)| batch.a[(p / k) * m * k + i * k + p % k])
        .collect();
    let start = vec![1.5; m * n];
    let wanted = oracle::Gemm {
        alpha: 1.0,
        a: View::row_major(&side_by_side, m, count * k),
        b: View::row_major(&batch.b, count * k, n),
        beta: 0.5,
        c: View::row_major(&start, m, n),
    };
    tolerance::assert_close("brgemm", &found[0], &wanted.exact(), &wanted.bound());
}

#[test]
fn handles_survive_the_ones_that_they_were_made_with() {
    let b = Matrix::with_layout(Layout::row_major(2, 2), &[1.0f32, 2.0, 3.0, 4.0]);
    let pool = pool(2);
    let context = context(Some(&pool));
    drop(pool);
    let first = plan(1, 2, 2);
    let packed = pack(&first, &matrix(&b)).expect("sizes agree");
    drop(first);
    let plan = plan(1, 2, 2);
    let mut c = Matrix::with_layout(Layout::row_major(2, 2), &[0.0f32; 4]);
    let (a_arg, c_arg) = (matrix(&b), matrix_mut(&mut c));
    // SAFETY: handles and matrices that live on.
    let status = unsafe { cke_plan_run(context.get(), plan.get(), &a_arg, packed.get(), null(), &c_arg) };
    assert_eq!((status, c.to_row_major()), (cke_status::CKE_OK, vec![7.0, 10.0, 15.0, 22.0]));
    // SAFETY: a handle.
    assert!(unsafe { cke_packed_bytes(packed.get()) } >= 16);
}

#[test]
fn version_is_the_header_s() {
    let wanted = CKE_VERSION_MAJOR * 1_000_000 + CKE_VERSION_MINOR * 1_000 + CKE_VERSION_PATCH;
    assert_eq!(cke_version(), wanted);
}
