//! One call of a microkernel, and what it should do.

use super::block::{Block, CANARY, Layout, MARGIN};
use super::fault::{Fault, KernelFault};
use super::operands::Operands;
use crate::gemm::epilogue::{Epilogue, Scale, TileEpilogue};
use crate::gemm::microkernel::{Form, Supported, Tile};
use crate::gemm::side_work::{PrefetchStream, SideWork};
use crate::gemm::tile_args::{Pair, Store, TileArgs};
use crate::ops::activation::Activation;
use crate::scheme::{Output, Real, Uniform};
use crate::view::MatRef;

/// What a call asks for.
#[derive(Clone, Copy, Debug)]
pub(super) enum ToDo {
    Overwrite,
    CopyB,
    Accumulate,
    Scale { alpha: f32, beta: f32 },
    Epilogue { accumulate: bool },
}

impl ToDo {
    pub(super) const ALL: [ToDo; 8] = [
        ToDo::Overwrite,
        ToDo::CopyB,
        ToDo::Accumulate,
        ToDo::Scale { alpha: 0.5, beta: 0.0 },
        ToDo::Scale { alpha: 1.0, beta: -2.0 },
        ToDo::Scale { alpha: -0.5, beta: 0.5 },
        ToDo::Epilogue { accumulate: false },
        ToDo::Epilogue { accumulate: true },
    ];

    fn name(self) -> &'static str {
        match self {
            ToDo::Overwrite => "overwriting",
            ToDo::CopyB => "overwriting, with a copy of B",
            ToDo::Accumulate => "accumulating",
            ToDo::Scale { beta: 0.0, .. } => "scaling without C",
            ToDo::Scale { .. } => "scaling with C",
            ToDo::Epilogue { accumulate: false } => "with an epilogue",
            ToDo::Epilogue { accumulate: true } => "accumulating, with an epilogue",
        }
    }

    fn reads_c(self) -> bool {
        match self {
            ToDo::Overwrite | ToDo::CopyB => false,
            ToDo::Accumulate => true,
            ToDo::Scale { beta, .. } => beta != 0.0,
            ToDo::Epilogue { accumulate } => accumulate,
        }
    }
}

/// The epilogue's factor.
const FACTOR: f32 = 0.5;

/// One call of a kernel.
pub(super) struct Call<'o, S: Uniform> {
    pub(super) kernel: Supported<S>,
    pub(super) operands: &'o Operands<S>,
    pub(super) rows: usize,
    pub(super) cols: usize,
    pub(super) to_do: ToDo,
    /// Steps of the sum that a first call does where there are two.
    pub(super) split: Option<usize>,
}

impl<S: Uniform> Call<'_, S>
where
    S::E: Into<f64> + From<f32>,
{
    pub(super) fn places(&self) -> impl Iterator<Item = (usize, usize)> + use<S> {
        let cols = self.cols;
        (0..self.rows).flat_map(move |row| (0..cols).map(move |col| (row, col)))
    }

    pub(super) fn fault(&self, fault: Fault) -> KernelFault {
        KernelFault {
            kernel: self.kernel.record().name(),
            rows: self.rows,
            cols: self.cols,
            k: self.operands.k,
            pairs: self.operands.a.len(),
            store: self.to_do.name(),
            fault,
        }
    }

    /// What an element of C should become.
    pub(super) fn wanted(&self, row: usize, col: usize, sum: f64) -> f64 {
        let at = row * self.operands.tile.nr + col;
        let c: f64 = self.operands.c[at].into();
        match self.to_do {
            ToDo::Overwrite | ToDo::CopyB => sum,
            ToDo::Accumulate => sum + c,
            ToDo::Scale { alpha, beta } => f64::from(alpha) * sum + f64::from(beta) * c,
            ToDo::Epilogue { accumulate } => {
                let sum = if accumulate { sum + c } else { sum };
                let linear = f64::from(FACTOR) * sum + f64::from(self.operands.bias[col]);
                linear.max(0.0) + f64::from(self.operands.residual[at])
            }
        }
    }

    pub(super) fn check(&self, wanted: &dyn Fn(usize, usize) -> f64) -> Result<(), KernelFault> {
        let c = self.run()?;
        for ((row, col), found) in self.places().zip(c) {
            let wanted = wanted(row, col);
            if found != wanted {
                return Err(self.fault(Fault::Element { row, col, wanted, found }));
            }
        }
        Ok(())
    }

    /// C (rows, cols) after the call, which wrote nothing else but a true copy of B where it was asked for.
    pub(super) fn run(&self) -> Result<Vec<f64>, KernelFault> {
        let (rows, cols, k, nr) = (self.rows, self.cols, self.operands.k, self.operands.tile.nr);
        let (a_layout, b_layout) = self.layouts();
        let a: Vec<_> = self.operands.a.iter().map(|a| Block::new(a, k, a_layout, f32::NAN)).collect();
        let b: Vec<_> = self.operands.b.iter().map(|b| Block::new(b, nr, b_layout, f32::NAN)).collect();
        let pairs: Vec<_> = a.iter().zip(&b).map(|(a, b)| Pair { a: a.start().cast(), b: b.start().cast() }).collect();
        let nothing = vec![S::E::from(f32::NAN); rows.max(k) * nr];
        let before = if self.to_do.reads_c() { &self.operands.c } else { &nothing };
        let c_layout = Layout { rows, cols, row_stride: cols + MARGIN, col_stride: 1 };
        let mut c = Block::new(before, nr, c_layout, CANARY);
        let mut copy = Block::new(&nothing, nr, Layout { rows: k, ..c_layout }, CANARY);

        let whole = self.epilogue();
        let epilogue = <S::E as Output>::Epilogue::cut(&whole, 0, 0);
        let is_outer = self.kernel.record().form() == Form::Outer;
        let steps = k * pairs.len();
        let bytes = |elements: usize| elements * size_of::<S::E>();
        let args = TileArgs {
            pairs: &pairs,
            k,
            offset: 0,
            before: 0,
            steps,
            a_row_stride: bytes(a_layout.row_stride),
            a_col_stride: bytes(a_layout.col_stride),
            b_stride: bytes(if is_outer { b_layout.row_stride } else { b_layout.col_stride }),
            panel_stride: 0,
            c: c.start_mut(),
            c_row_stride: c_layout.row_stride,
            side_work: self.side_work(copy.start_mut().cast(), bytes(c_layout.row_stride)),
            rows,
            cols,
            store: self.store(epilogue.as_ref()),
        };
        // SAFETY: 1 ≤ rows ≤ mr and 1 ≤ cols ≤ nr; all blocks are laid out as the arguments say.
        unsafe {
            match self.split {
                None => self.kernel.run(&args),
                Some(at) => {
                    let pairs = &pairs[at / k..];
                    self.kernel.run(&TileArgs { steps: at, ..args });
                    let rest = TileArgs { pairs, offset: at % k, before: at, steps: steps - at, ..args };
                    self.kernel.run(&TileArgs { store: self.store_later(), ..rest });
                }
            }
        }
        self.check_surroundings(&c)?;
        self.check_surroundings(&copy)?;
        if let ToDo::CopyB = self.to_do {
            self.check_copy(&b[0], &copy)?;
        }
        Ok(self.places().map(|(row, col)| c.at(row, col)).collect())
    }

    /// The layouts of A and B: in turn, so that tiles of each number of rows and of columns meet all of them.
    fn layouts(&self) -> (Layout, Layout) {
        let (rows, cols, k) = (self.rows, self.cols, self.operands.k);
        let turn = rows + cols + k;
        let a = Layout { rows, cols: k, row_stride: k + turn % 3, col_stride: 1 };
        let b = Layout { rows: k, cols, row_stride: 1, col_stride: k + turn % 3 };
        match self.kernel.record().form() {
            Form::Dot => (a, b),
            Form::Outer | Form::Blocks => {
                let row_stride = [self.operands.tile.nr, cols, cols + 5][turn % 3];
                let a = if turn.is_multiple_of(2) { Layout { row_stride: 1, col_stride: rows + 2, ..a } } else { a };
                (a, Layout { row_stride, col_stride: 1, ..b })
            }
        }
    }

    fn check_surroundings(&self, block: &Block<S::E>) -> Result<(), KernelFault> {
        block.first_written_outside().map_or(Ok(()), |offset| Err(self.fault(Fault::Outside { offset })))
    }

    fn check_copy(&self, b: &Block<S::E>, copy: &Block<S::E>) -> Result<(), KernelFault> {
        for row in 0..self.operands.k {
            for col in 0..self.cols {
                let (wanted, found) = (b.at(row, col), copy.at(row, col));
                if wanted != found {
                    return Err(self.fault(Fault::Copy { row, col, wanted, found }));
                }
            }
        }
        Ok(())
    }

    /// The epilogue; without effect where none is asked for.
    fn epilogue(&self) -> Epilogue<'_> {
        let Operands { tile: Tile { mr, nr }, bias, residual, .. } = self.operands;
        match self.to_do {
            ToDo::Epilogue { .. } => Epilogue {
                scale: Scale::All(FACTOR),
                bias: Some(bias),
                activation: Activation::Relu,
                residual: MatRef::new(residual, *mr, *nr).ok(),
            },
            _ => Epilogue::default(),
        }
    }

    fn store<'e>(&self, epilogue: Option<&'e <S::E as Output>::Epilogue>) -> Store<'e, S::E> {
        match (self.to_do, epilogue) {
            (ToDo::Accumulate, _) => Store::Accumulate,
            (ToDo::Scale { alpha, beta }, _) => Store::Scale { alpha: alpha.into(), beta: beta.into() },
            (ToDo::Epilogue { accumulate }, Some(epilogue)) => Store::Epilogue { accumulate, epilogue },
            _ => Store::Overwrite,
        }
    }

    /// What a second call does, which goes on from what the first one stored.
    fn store_later(&self) -> Store<'static, S::E> {
        match self.to_do {
            ToDo::Scale { alpha, .. } => Store::Scale { alpha: alpha.into(), beta: S::E::one() },
            _ => Store::Accumulate,
        }
    }

    /// The copy of B where it is asked for; elsewhere hints, which may name memory that nobody has.
    fn side_work(&self, to: *mut u8, stride: usize) -> SideWork {
        match self.to_do {
            ToDo::Overwrite => SideWork::Nothing,
            ToDo::CopyB => SideWork::CopyB { to, stride },
            ToDo::Accumulate => SideWork::PrefetchB,
            _ => {
                let first = std::ptr::dangling();
                SideWork::Prefetch(PrefetchStream { first, rows: 3, period: 4, advance: 64, ..PrefetchStream::NONE })
            }
        }
    }
}
