use super::layer::{Layer, PackedLayer};
use super::{Inner, Layout, Linear, Part};
use crate::activations::{OpContext, Workspace};
use crate::profile::Kind;
use crate::runtime::Runtime;
use crate::source::Source;
use cke_kernels::gemm::grouped::Q8_0;
use cke_kernels::gemm::{Ctx, Destination, Epilogue, GemmPlan, Input, Multiplier, RowBuf, RowFormat, RowsFor, Shape};
use cke_kernels::ops::activation::Activation;
use cke_kernels::ops::gate::gate_joined;
use cke_kernels::scheme::{F32, Grouped, Int4};
use cke_kernels::threads::Parallel;
use cke_kernels::view::MatRef;

fn on<'a>(runtime: &'a Runtime, workspace: &'a mut Workspace) -> OpContext<'a> {
    OpContext { runtime, workspace }
}

/// Weights (outputs, inputs) in bytes, which become f32 each time that they are read.
#[derive(Debug)]
struct ByteLayer {
    weights: Vec<i8>,
    inputs: usize,
}

impl Layer for ByteLayer {
    fn outputs(&self) -> usize {
        self.weights.len() / self.inputs
    }

    fn bytes(&self) -> usize {
        self.weights.len()
    }

    fn kernel(&self) -> &'static str {
        "bytes"
    }

    fn run(
        &self,
        x: Input<'_, f32>,
        y: Destination<'_>,
        epilogue: &Epilogue<'_>,
        ctx: &mut Ctx<'_>,
    ) -> Result<(), cke_kernels::Error> {
        let Input::Matrix(rows) = x else { unreachable!("rows are read in place") };
        let (n, k) = (self.outputs(), self.inputs);
        let weights: Vec<f32> = self.weights.iter().map(|&w| w.into()).collect();
        let plan = GemmPlan::<F32>::new(cke_kernels::Cpu::host().unwrap(), Shape { m: rows.rows(), n, k });
        let packed = plan.pack_b(MatRef::new(&weights, n, k)?.transposed())?;
        plan.run_into(x, &packed, y, epilogue, ctx)
    }

    fn rows(&self) -> RowFormat {
        RowFormat { layout: "floats", block_k: 1, block_bytes: 4, is_in_place: true, needs_whole_rows: false }
    }

    fn prepare(&self, _: MatRef<'_, f32>, _: &mut RowBuf, _: &dyn Parallel) -> Result<(), cke_kernels::Error> {
        unreachable!("rows are read in place")
    }

    fn rows_for<'b>(&self, _: &'b mut RowBuf) -> RowsFor<'b> {
        unreachable!("rows are read in place")
    }

    fn row(&self, output: usize, out: &mut [f32]) -> Result<(), cke_kernels::Error> {
        let row = &self.weights[output * self.inputs..][..self.inputs];
        out.iter_mut().zip(row).for_each(|(out, &w)| *out = w.into());
        Ok(())
    }
}

/// 3 inputs, 2 outputs.
fn of_bytes(parts: Vec<Box<dyn Layer>>) -> Linear {
    Linear { parts, inputs: 3, outputs: 2, bias: Some(vec![10.0, -1.0]), name: "bytes", layer: Some(7) }
}

#[test]
fn parts_of_several_kinds_stand_side_by_side() {
    let part = |weights: &[i8]| Box::new(ByteLayer { weights: weights.to_vec(), inputs: 3 }) as Box<dyn Layer>;
    let (whole, parts) =
        (of_bytes(vec![part(&[1, 2, 3, -4, 0, 5])]), of_bytes(vec![part(&[1, 2, 3]), part(&[-4, 0, 5])]));
    let runtime = Runtime::new(Some(1)).unwrap();
    let run = |linear: &Linear| {
        let (x, residual) = ([1.0, 1.0, 1.0, 2.0, 0.0, 1.0], [100.0, 200.0, 300.0, 400.0]);
        let residual = Some(MatRef::new(&residual, 2, 2).unwrap());
        let mut y = [0.0; 4];
        let epilogue = Epilogue { residual, ..Epilogue::default() };
        linear.run(&x, &mut y, epilogue, &mut on(&runtime, &mut Workspace::default())).unwrap();
        y
    };
    assert_eq!(run(&parts), run(&whole));
    assert_eq!(parts.bytes(), whole.bytes());
    let mut row = [0.0; 3];
    parts.copy_output(1, &mut row).unwrap();
    assert_eq!(row, [-4.0, 0.0, 5.0]);
    assert!(parts.copy_output(2, &mut row).is_err());
}

#[test]
fn a_layer_of_another_kind_runs_through_the_same_call() {
    let weights = ByteLayer { weights: vec![1, 2, 3, -4, 0, 5], inputs: 3 };
    let linear = of_bytes(vec![Box::new(weights)]);
    let (x, residual) = ([1.0, 1.0, 1.0, 2.0, 0.0, 1.0], [100.0, 200.0, 300.0, 400.0]);
    let epilogue = Epilogue {
        activation: Activation::Relu,
        residual: Some(MatRef::new(&residual, 2, 2).unwrap()),
        ..Epilogue::default()
    };
    let runtime = Runtime::new(Some(1)).unwrap().recording();
    let mut y = [0.0; 4];
    linear.run(&x, &mut y, epilogue, &mut on(&runtime, &mut Workspace::default())).unwrap();
    // x·W is [6, 1] and [5, −3]; the bias makes it [16, 0] and [15, −4].
    assert_eq!(y, [116.0, 200.0, 315.0, 400.0]);

    let mut row = [0.0; 3];
    linear.copy_output(1, &mut row).unwrap();
    assert_eq!(row, [-4.0, 0.0, 5.0]);
    assert_eq!((linear.outputs, linear.bytes()), (2, 6 + 8));

    let step = runtime.take_profile().operations[0].step;
    assert_eq!((step.name, step.layer, step.kernel), ("bytes", Some(7), Some("bytes")));
    assert_eq!((step.shape, step.flops), (Some(Shape { m: 2, n: 2, k: 3 }), 24));
}

#[test]
fn rows_that_are_prepared_once_serve_parts_of_several_formats() {
    let (source, runtime, inputs) = (Source::random(4), Runtime::new(Some(1)).unwrap(), 64);
    let part = |name, outputs| Part::whole(&source, name, Layout::OutIn, outputs);
    let few = || Box::new(PackedLayer::<Int4>::load(&runtime, &[part("few", 5)], inputs).unwrap()) as Box<dyn Layer>;
    let load_eight = || PackedLayer::<Grouped<Q8_0>>::load(&runtime, &[part("eight", 17)], inputs).unwrap();
    let eight = || Box::new(load_eight()) as Box<dyn Layer>;
    let x = source.table(runtime.pool(), "x", 3, inputs).unwrap();
    let run = |parts: Vec<Box<dyn Layer>>| {
        let linear = Linear::of(parts, inputs, None);
        let mut y = vec![0.0; 3 * linear.outputs];
        linear.run(&x, &mut y, Epilogue::default(), &mut on(&runtime, &mut Workspace::default())).unwrap();
        y.chunks(linear.outputs).map(<[f32]>::to_vec).collect::<Vec<_>>()
    };
    let apart: Vec<Vec<f32>> =
        run(vec![few()]).into_iter().zip(run(vec![eight()])).map(|(few, eight)| [few, eight].concat()).collect();
    assert_eq!(run(vec![few(), eight()]), apart);
}

#[test]
fn gates_of_one_format_and_of_two_have_the_bits_of_a_pass_of_their_own() {
    let (source, runtime) = (Source::random(6), Runtime::new(Some(2)).unwrap().recording());
    let (inputs, inner) = (64, 21);
    let part = |name, outputs| Part::whole(&source, name, Layout::OutIn, outputs);
    let few = |outputs| Box::new(PackedLayer::<Int4>::load(&runtime, &[part("few", outputs)], inputs).unwrap());
    let eight = || Box::new(PackedLayer::<Grouped<Q8_0>>::load(&runtime, &[part("eight", inner)], inputs).unwrap());
    for rows in [1, 7] {
        let x = source.table(runtime.pool(), "x", rows, inputs).unwrap();
        let bias = source.table(runtime.pool(), "bias", 1, 2 * inner).unwrap();
        let added = source.table(runtime.pool(), "residual", rows, inner).unwrap();
        let residual = Some(MatRef::new(&added, rows, inner).unwrap());
        let parts: [Vec<Box<dyn Layer>>; 2] = [vec![few(2 * inner)], vec![few(inner), eight()]];
        for (parts, bias) in parts.into_iter().zip([None, Some(bias.to_vec())]) {
            let (linear, kernels) = (Linear::of(parts, inputs, bias), ["one format", "two formats"]);
            let (mut joined, mut wanted) = (vec![0.0; rows * 2 * inner], vec![0.0; rows * inner]);
            let workspace = &mut Workspace::default();
            linear.run(&x, &mut joined, Epilogue::default(), &mut on(&runtime, workspace)).unwrap();
            gate_joined(runtime.cpu(), Activation::Silu, &joined, inner, &mut wanted).unwrap();
            runtime.take_profile();

            let mut y = vec![f32::NAN; rows * inner];
            let epilogue =
                Epilogue { activation: Activation::Silu, multiplier: Multiplier::SecondHalf, ..Epilogue::default() };
            linear.run(&x, &mut y, epilogue, &mut on(&runtime, workspace)).unwrap();
            let name = kernels[linear.parts.len() - 1];
            assert_eq!(y, wanted, "{name}");

            // The gate is a part of its product.
            let steps: Vec<_> = runtime.take_profile().operations.iter().map(|operation| operation.step).collect();
            let products = steps.iter().filter(|step| step.kind == Kind::Product);
            let multiply_adds: usize = products.map(|step| step.flops as usize / 2).sum();
            assert_eq!(multiply_adds, rows * inputs * 2 * inner, "{name}");
            assert!(steps.iter().all(|step| step.kind == Kind::Product || step.name == "prepare rows"), "{steps:?}");

            linear.run(&x, &mut y, Epilogue { residual, ..epilogue }, &mut on(&runtime, workspace)).unwrap();
            let wanted: Vec<f32> = wanted.iter().zip(added.iter()).map(|(gated, added)| gated + added).collect();
            assert_eq!(y, wanted, "{name}, with a residual");
        }
    }
}

#[test]
fn rows_that_a_layer_leaves_for_the_next_give_the_bits_of_floats() {
    let (source, runtime, inputs, inner, outputs) = (Source::random(8), Runtime::new(Some(2)).unwrap(), 64, 160, 9);
    let few = |name, size: (usize, usize)| {
        let part = Part::whole(&source, name, Layout::OutIn, size.1);
        Box::new(PackedLayer::<Int4>::load(&runtime, &[part], size.0).unwrap()) as Box<dyn Layer>
    };
    let floats = |name, size: (usize, usize)| {
        let part = Part::whole(&source, name, Layout::OutIn, size.1);
        Box::new(PackedLayer::<F32>::load(&runtime, &[part], size.0).unwrap()) as Box<dyn Layer>
    };
    let eight = || {
        let part = Part::whole(&source, "eight", Layout::OutIn, inner);
        Box::new(PackedLayer::<Grouped<Q8_0>>::load(&runtime, &[part], inputs).unwrap()) as Box<dyn Layer>
    };
    let gate = Epilogue { activation: Activation::Silu, multiplier: Multiplier::SecondHalf, ..Epilogue::default() };
    let plain = Epilogue { activation: Activation::GeluTanh, ..Epilogue::default() };
    let (half, whole, last) = ((inputs, inner), (inputs, 2 * inner), (inner, outputs));
    // The layer before, what becomes of its results, the layer behind, and whether that gets rows.
    let cases = [
        (vec![few("up", half)], plain, vec![few("down", last)], true),
        (vec![few("both", whole)], gate, vec![few("down", last)], true),
        (vec![few("gate", half), eight()], gate, vec![few("down", last), few("more", last)], true),
        (vec![floats("up", half)], plain, vec![few("down", last)], true),
        (vec![few("up", half)], plain, vec![floats("down", last)], false),
        (vec![few("up", half)], plain, vec![few("down", last), floats("more", last)], false),
        (vec![few("a", (inputs, inner / 2)), few("b", (inputs, inner / 2))], plain, vec![few("down", last)], false),
    ];
    for (index, (before, epilogue, behind, gets_rows)) in cases.into_iter().enumerate() {
        let (before, behind) = (Linear::of(before, inputs, None), Linear::of(behind, inner, None));
        for rows in [1, 7, 40] {
            let x = source.table(runtime.pool(), "x", rows, inputs).unwrap();
            let (workspace, size) = (&mut Workspace::default(), rows * behind.outputs);
            let (mut between, mut found, mut wanted) = (vec![0.0; rows * inner], vec![0.0; size], vec![0.0; size]);
            before.run(&x, &mut between, epilogue, &mut on(&runtime, workspace)).unwrap();
            behind.run(&between, &mut wanted, Epilogue::default(), &mut on(&runtime, workspace)).unwrap();
            let mut buffer = RowBuf::new();
            let room = Inner { floats: &mut between, rows: &mut buffer };
            let left = before.run_for(&behind, &x, room, epilogue, &mut on(&runtime, workspace)).unwrap();
            assert_eq!(matches!(left, Input::Prepared(_)), gets_rows, "case {index}");
            behind.run_from(left, &mut found, Epilogue::default(), &mut on(&runtime, workspace)).unwrap();
            assert_eq!(found, wanted, "case {index}, {rows} rows");
        }
    }
}

#[test]
fn a_packed_layer_gives_its_weights_back() {
    let (source, runtime) = (Source::random(3), Runtime::new(Some(1)).unwrap());
    let (cpu, inputs, outputs) = (runtime.cpu(), 19, 37);
    let stored = source.table(runtime.pool(), "weight", outputs, inputs).unwrap();
    let part = Part::whole(&source, "weight", Layout::OutIn, outputs);
    let layer = PackedLayer::<F32>::load(&runtime, &[part], inputs).unwrap();
    let mut row = vec![0.0; inputs];
    for (output, stored) in stored.chunks_exact(inputs).enumerate() {
        layer.row(output, &mut row).unwrap();
        assert_eq!(row, stored);
    }
    assert!(layer.row(outputs, &mut row).is_err());
    assert_eq!(layer.outputs(), outputs);
    assert_eq!(layer.bytes(), PackedLayer::<F32>::bytes_for(cpu, inputs, outputs));
}

#[test]
fn joined_layers_may_differ_in_width() {
    let (source, runtime) = (Source::random(5), Runtime::new(Some(1)).unwrap());
    let inputs = 6;
    let parts = [("query", 20), ("key", 4), ("value", 4)].map(|(name, outputs)| (source.child(name), outputs));
    let joined = Linear::load_joined(&runtime, &parts, inputs, true).unwrap();
    assert_eq!(joined.outputs, 28);
    let x = [1.0, -2.0, 3.0, -4.0, 5.0, -6.0];
    let run = |linear: &Linear| {
        let mut y = vec![0.0; linear.outputs];
        linear.run(&x, &mut y, Epilogue::default(), &mut on(&runtime, &mut Workspace::default())).unwrap();
        y
    };
    let apart = parts
        .each_ref()
        .map(|(source, outputs)| run(&Linear::load(&runtime, source, Layout::OutIn, inputs, *outputs).unwrap()));
    assert_eq!(run(&joined), apart.concat());
}
