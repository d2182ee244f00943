//! Every combination of scale, bias, activation, multiplier and residual, against the formula in `f64`.

use crate::kernels::kernels;
use crate::operands::{Operands, plan, tiny_blockings, uniform, view};
use cke_kernels::gemm::{Blocking, Epilogue, Multiplier, Scale};
use cke_kernels::ops::activation::Activation;
use cke_testkit::shapes::{GemmCase, Storage};
use cke_testkit::{Data, Guarded, Layout, Matrix, oracle, tolerance};

/// Which factor the sums get.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum ScaleKind {
    One,
    All,
    PerColumn,
}

/// One combination.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EpilogueKind {
    pub(crate) scale: ScaleKind,
    pub(crate) bias: bool,
    pub(crate) activation: Activation,
    pub(crate) multiplier: bool,
    pub(crate) residual: bool,
}

impl EpilogueKind {
    /// Nothing to be done.
    pub(crate) const NONE: Self = EpilogueKind {
        scale: ScaleKind::One,
        bias: false,
        activation: Activation::None,
        multiplier: false,
        residual: false,
    };
    /// Something of everything but a multiplier.
    pub(crate) const FULL: Self = EpilogueKind {
        scale: ScaleKind::PerColumn,
        bias: true,
        activation: Activation::Gelu,
        multiplier: false,
        residual: true,
    };

    /// Every combination.
    pub(crate) fn all() -> Vec<Self> {
        let mut kinds = Vec::new();
        for scale in [ScaleKind::One, ScaleKind::All, ScaleKind::PerColumn] {
            for activation in Activation::ALL {
                for parts in 0..8 {
                    let [bias, multiplier, residual] = [1, 2, 4].map(|part| parts & part != 0);
                    kinds.push(EpilogueKind { scale, bias, activation, multiplier, residual });
                }
            }
        }
        kinds
    }

    /// Each part alone, and all of them together.
    fn parts() -> Vec<Self> {
        vec![
            EpilogueKind { scale: ScaleKind::All, ..Self::NONE },
            EpilogueKind { scale: ScaleKind::PerColumn, ..Self::NONE },
            EpilogueKind { bias: true, ..Self::NONE },
            EpilogueKind { activation: Activation::Relu, ..Self::NONE },
            EpilogueKind { multiplier: true, ..Self::NONE },
            EpilogueKind { residual: true, ..Self::NONE },
            Self::FULL,
            EpilogueKind { multiplier: true, ..Self::FULL },
        ]
    }
}

/// The operands of an epilogue on (m, n), each between canaries.
pub(crate) struct EpilogueOperands {
    kind: EpilogueKind,
    factor: f32,
    column_scale: Guarded<f32>,
    bias: Guarded<f32>,
    multiplier: Matrix<f32>,
    residual: Matrix<f32>,
}

impl EpilogueOperands {
    /// Seeded operands; the rows of multiplier and residual have gaps.
    pub(crate) fn new(kind: EpilogueKind, m: usize, n: usize, seed: u64) -> Self {
        let mut data = Data::new(seed);
        EpilogueOperands {
            kind,
            factor: -1.75,
            column_scale: Guarded::new(&data.uniform_in(n, -2.0, 2.0)),
            bias: Guarded::new(&data.uniform(n)),
            residual: uniform(Layout::padded(m, n, 3), &mut data),
            // After what recorded results were made of.
            multiplier: uniform(Layout::padded(m, n, 2), &mut data),
        }
    }

    /// The description that a plan takes.
    pub(crate) fn epilogue(&self) -> Epilogue<'_> {
        Epilogue {
            scale: match self.kind.scale {
                ScaleKind::One => Scale::One,
                ScaleKind::All => Scale::All(self.factor),
                ScaleKind::PerColumn => Scale::PerColumn(self.column_scale.as_slice()),
            },
            bias: self.kind.bias.then(|| self.bias.as_slice()),
            activation: self.kind.activation,
            multiplier: if self.kind.multiplier { Multiplier::Matrix(view(&self.multiplier)) } else { Multiplier::One },
            residual: self.kind.residual.then(|| view(&self.residual)),
        }
    }

    /// Compares C of `operands` with the formula and looks for writes outside it.
    #[track_caller]
    pub(crate) fn check(&self, operands: &Operands, name: &str) {
        let Operands { case, c, .. } = operands;
        let (sums, magnitudes) = (operands.oracle().exact(), operands.oracle().magnitude());
        let mut wanted = Vec::new();
        let mut bounds = Vec::new();
        for i in 0..case.m {
            for j in 0..case.n {
                let (value, bound) = self.element(i, j, case.k, sums[i * case.n + j], magnitudes[i * case.n + j]);
                wanted.push(value);
                bounds.push(bound);
            }
        }
        let name = format!("{name}, {case}, {:?}", self.kind);
        tolerance::assert_close(&name, &c.to_row_major(), &wanted, &bounds);
        c.check();
    }

    /// act(scale · sum + bias) · multiplier + residual, and how far off it may be.
    ///
    /// The sum and the affine step make k + 2 roundings; no activation is steeper than 1.13, and none of the library's is
    /// further than 1e-5 of its value from the function; the multiplication and the residual's addition round once more each.
    pub(crate) fn element(&self, i: usize, j: usize, k: usize, sum: f64, magnitude: f64) -> (f64, f64) {
        let scale = match self.kind.scale {
            ScaleKind::One => 1.0,
            ScaleKind::All => f64::from(self.factor),
            ScaleKind::PerColumn => f64::from(self.column_scale.as_slice()[j]),
        };
        let bias = if self.kind.bias { f64::from(self.bias.as_slice()[j]) } else { 0.0 };
        let multiplier = if self.kind.multiplier { f64::from(self.multiplier.view().at(i, j)) } else { 1.0 };
        let residual = if self.kind.residual { f64::from(self.residual.view().at(i, j)) } else { 0.0 };
        let affine = scale * sum + bias;
        let affine_error = tolerance::gemm_bound(k, scale.abs() * magnitude + bias.abs());
        let (activated, error) = match self.kind.activation {
            Activation::None => (affine, affine_error),
            activation => {
                let exact = exact_activation(activation, affine as f32);
                let rounded_argument = tolerance::F32_ROUNDOFF * affine.abs();
                (exact, 1.13 * (affine_error + rounded_argument) + 1e-5 * exact.abs())
            }
        };
        let product = activated * multiplier;
        let last_roundings = tolerance::gamma(3, tolerance::F32_ROUNDOFF) * (product.abs() + residual.abs());
        (product + residual, error * multiplier.abs() + last_roundings)
    }
}

fn exact_activation(activation: Activation, x: f32) -> f64 {
    match activation {
        Activation::None => f64::from(x),
        Activation::Relu => f64::from(x).max(0.0),
        Activation::Gelu => oracle::gelu(x),
        Activation::GeluTanh => oracle::gelu_tanh(x),
        Activation::Silu => oracle::silu(x),
        Activation::Tanh => f64::from(x).tanh(),
    }
}

#[test]
fn every_combination_matches_the_formula() {
    for kernel in kernels() {
        let (mr, nr) = (kernel.tile().mr, kernel.tile().nr);
        let cases = [
            GemmCase::row_major(2 * mr + 1, nr + 3, 17),
            GemmCase::row_major(mr + 1, 2 * nr + 1, 6).stored(Storage::ColMajor, Storage::ColMajor, Storage::ColMajor),
            GemmCase::row_major(mr, nr, 0).stored(Storage::RowMajor, Storage::RowMajor, Storage::Padded),
        ];
        // K in one block and in several, where only the last one may finish.
        for (case, kc) in cases.into_iter().flat_map(|case| [5, 64].map(|kc| (case, kc))) {
            let plan = plan(kernel, &case, Some(Blocking { mc: 2 * mr, kc, nc: nr }));
            let mut operands = Operands::new(case, 41);
            for kind in EpilogueKind::all() {
                let extra = EpilogueOperands::new(kind, case.m, case.n, 42);
                operands.run(&plan, &extra.epilogue()).expect("sizes agree");
                extra.check(&operands, &format!("{}, kc {kc}", kernel.record().name()));
            }
        }
    }
}

#[test]
fn every_part_on_every_size_of_tile_matches_the_formula() {
    for kernel in kernels() {
        let (mr, nr) = (kernel.tile().mr, kernel.tile().nr);
        for (rows, cols) in (1..=mr).flat_map(|rows| (1..=nr).map(move |cols| (rows, cols))) {
            let case = GemmCase::row_major(rows, cols, 3).stored(Storage::ColMajor, Storage::RowMajor, Storage::Padded);
            let mut operands = Operands::new(case, 43);
            let plan = plan(kernel, &case, None);
            for kind in EpilogueKind::parts() {
                let extra = EpilogueOperands::new(kind, rows, cols, 44);
                operands.run(&plan, &extra.epilogue()).expect("sizes agree");
                extra.check(&operands, kernel.record().name());
            }
        }
    }
}

#[test]
fn epilogue_in_tiny_blocks_is_applied_once_everywhere() {
    for kernel in kernels() {
        let (mr, nr) = (kernel.tile().mr, kernel.tile().nr);
        for blocking in tiny_blockings(kernel) {
            let case = GemmCase::row_major(4 * mr + 1, 4 * nr + 3, 16);
            let mut operands = Operands::new(case, 45);
            for kind in EpilogueKind::parts() {
                let extra = EpilogueOperands::new(kind, case.m, case.n, 46);
                operands.run(&plan(kernel, &case, Some(blocking)), &extra.epilogue()).expect("sizes agree");
                extra.check(&operands, &format!("{}, {blocking:?}", kernel.record().name()));
            }
        }
    }
}
