//! One call of a microkernel, and what it should do.

use super::block::{Block, CANARY, Layout, MARGIN};
use super::fault::{Fault, KernelFault};
use super::operands::{Operands, Placed, Values};
use crate::gemm::epilogue::{Epilogue, Scale, TileEpilogue};
use crate::gemm::microkernel::{Supported, Tile};
use crate::gemm::side_work::{PrefetchStream, SideWork};
use crate::gemm::tile_args::{Store, TileArgs};
use crate::ops::activation::Activation;
use crate::scheme::{Element, Output, Real, Scheme};
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
pub(super) struct Call<'o, S: Scheme> {
    pub(super) kernel: Supported<S>,
    pub(super) operands: &'o dyn Operands<S::C>,
    pub(super) rows: usize,
    pub(super) cols: usize,
    pub(super) to_do: ToDo,
    /// Steps of the sum that a first call does where there are two.
    pub(super) split: Option<usize>,
}

impl<S: Scheme> Call<'_, S>
where
    S::C: Element + Into<f64> + From<f32>,
{
    fn values(&self) -> &Values<S::C> {
        self.operands.values()
    }

    pub(super) fn places(&self) -> impl Iterator<Item = (usize, usize)> + use<S> {
        let cols = self.cols;
        (0..self.rows).flat_map(move |row| (0..cols).map(move |col| (row, col)))
    }

    pub(super) fn fault(&self, fault: Fault) -> KernelFault {
        KernelFault {
            kernel: self.kernel.record().name(),
            rows: self.rows,
            cols: self.cols,
            k: self.values().k,
            pairs: self.values().pairs,
            store: self.to_do.name(),
            fault,
        }
    }

    /// What an element of C should become.
    pub(super) fn wanted(&self, row: usize, col: usize, sum: f64) -> f64 {
        let Values { tile, c, bias, residual, .. } = self.values();
        let at = row * tile.nr + col;
        let c: f64 = c[at].into();
        match self.to_do {
            ToDo::Overwrite | ToDo::CopyB => sum,
            ToDo::Accumulate => sum + c,
            ToDo::Scale { alpha, beta } => f64::from(alpha) * sum + f64::from(beta) * c,
            ToDo::Epilogue { accumulate } => {
                let sum = if accumulate { sum + c } else { sum };
                let linear = f64::from(FACTOR) * sum + f64::from(bias[col]);
                linear.max(0.0) + f64::from(residual[at])
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
        let (rows, cols, k, nr) = (self.rows, self.cols, self.values().k, self.values().tile.nr);
        let placed = self.operands.place(rows, cols);
        let Placed { pairs, a_row_stride, a_col_stride, b_stride, panel_stride, .. } = &placed;
        let nothing = vec![S::C::from(f32::NAN); rows.max(k) * nr];
        let before = if self.to_do.reads_c() { &self.values().c } else { &nothing };
        let c_layout = Layout { rows, cols, row_stride: cols + MARGIN, col_stride: 1 };
        let mut c = Block::new(before, nr, c_layout, CANARY);
        let mut copy = Block::new(&nothing, nr, Layout { rows: k, ..c_layout }, CANARY);

        let whole = self.epilogue();
        let epilogue = <S::C as Output>::Epilogue::cut(&whole, 0, 0);
        let steps = k * pairs.len();
        let args = TileArgs {
            pairs,
            k,
            offset: 0,
            before: 0,
            steps,
            a_row_stride: *a_row_stride,
            a_col_stride: *a_col_stride,
            b_stride: *b_stride,
            panel_stride: *panel_stride,
            c: c.start_mut(),
            c_row_stride: c_layout.row_stride,
            side_work: self.side_work(copy.start_mut().cast(), c_layout.row_stride * size_of::<S::C>()),
            rows,
            cols,
            store: self.store(epilogue.as_ref()),
        };
        let _session = self.kernel.tiles().begin_session();
        // SAFETY: 1 ≤ rows ≤ mr and 1 ≤ cols ≤ nr; all operands lie as the arguments say.
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
            self.check_copy(&copy)?;
        }
        Ok(self.places().map(|(row, col)| c.at(row, col)).collect())
    }

    fn check_surroundings(&self, block: &Block<S::C>) -> Result<(), KernelFault> {
        block.first_written_outside().map_or(Ok(()), |offset| Err(self.fault(Fault::Outside { offset })))
    }

    fn check_copy(&self, copy: &Block<S::C>) -> Result<(), KernelFault> {
        for row in 0..self.values().k {
            for col in 0..self.cols {
                let (wanted, found) = (self.operands.first_b(row, col), copy.at(row, col));
                if wanted != found {
                    return Err(self.fault(Fault::Copy { row, col, wanted, found }));
                }
            }
        }
        Ok(())
    }

    /// The epilogue; without effect where none is asked for.
    fn epilogue(&self) -> Epilogue<'_> {
        let Values { tile: Tile { mr, nr }, bias, residual, .. } = self.values();
        match self.to_do {
            ToDo::Epilogue { .. } => Epilogue {
                scale: Scale::All(FACTOR),
                bias: Some(bias),
                activation: Activation::Relu,
                residual: MatRef::new(residual, *mr, *nr).ok(),
                ..Epilogue::default()
            },
            _ => Epilogue::default(),
        }
    }

    fn store<'e>(&self, epilogue: Option<&'e <S::C as Output>::Epilogue>) -> Store<'e, S::C> {
        match (self.to_do, epilogue) {
            (ToDo::Accumulate, _) => Store::Accumulate,
            (ToDo::Scale { alpha, beta }, _) => Store::Scale { alpha: alpha.into(), beta: beta.into() },
            (ToDo::Epilogue { accumulate }, Some(epilogue)) => Store::Epilogue { accumulate, epilogue },
            _ => Store::Overwrite,
        }
    }

    /// What a second call does, which goes on from what the first one stored.
    fn store_later(&self) -> Store<'static, S::C> {
        match self.to_do {
            ToDo::Scale { alpha, .. } => Store::Scale { alpha: alpha.into(), beta: S::C::one() },
            _ => Store::Accumulate,
        }
    }

    /// The copy of B where it is asked for; elsewhere hints, which may name memory that nobody has.
    fn side_work(&self, to: *mut u8, stride: usize) -> SideWork {
        match self.to_do {
            ToDo::Overwrite => SideWork::Nothing,
            ToDo::CopyB => SideWork::CopyB { to, stride },
            ToDo::Accumulate => SideWork::PrefetchB { row_ahead: 1024 },
            _ => {
                let first = std::ptr::dangling();
                SideWork::Prefetch(PrefetchStream { first, rows: 3, period: 4, advance: 64, ..PrefetchStream::NONE })
            }
        }
    }
}
