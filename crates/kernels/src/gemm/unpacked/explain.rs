//! What a one-off product runs on: its kernel and the path of the operands to it, without running it.

use super::pack_on_the_fly::OneOff;
use super::select::Packing;
use super::small::Small;
use super::{Gemm, largest_small};
use crate::cpu::Cpu;
use crate::scheme::Uniform;
use crate::scratch::Zeroable;
use crate::view::MatMut;
use std::fmt;

/// The kernel of a one-off product and its path, as [`Gemm::explain`] found them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The name of the kernel.
    pub kernel: &'static str,
    /// How the operands reach it.
    pub path: Path,
    /// Whether Cᵀ = Bᵀ · Aᵀ is computed instead.
    pub is_turned: bool,
    /// Whether A is copied so that its rows are contiguous.
    pub copies_a: bool,
}

/// How the operands of a one-off product reach the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// Straight from the operands to the tiles, without blocks or threads.
    Small,
    /// In blocks, both operands read where they are.
    InPlace,
    /// Each panel of B is packed by the worker that multiplies it.
    PackedPanels,
    /// In blocks, all of B packed first.
    PackedB,
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Path::Small => "small",
            Path::InPlace => "in place",
            Path::PackedPanels => "packed panels",
            Path::PackedB => "packed B",
        })
    }
}

impl fmt::Display for Explanation {
    /// The path: `packed panels, turned, A copied`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let turned = if self.is_turned { ", turned" } else { "" };
        let copied = if self.copies_a { ", A copied" } else { "" };
        write!(f, "{}{turned}{copied}", self.path)
    }
}

impl<S: Uniform> Gemm<'_, S> {
    /// What [`Gemm::run`] would run with this C on a pool of `threads` threads. `None` if the sizes do not match or there is
    /// nothing to multiply.
    pub fn explain(&self, cpu: &Cpu, mut c: MatMut<'_, S::E>, threads: usize) -> Option<Explanation> {
        let (m, n, k) = (self.a.rows(), self.b.cols(), self.a.cols());
        let matches = (k, m, n) == (self.b.rows(), c.rows(), c.cols());
        if !matches || m == 0 || n == 0 || k == 0 || self.alpha == S::E::zero() {
            return None;
        }
        if let Some(small) = Small::new(cpu, self, &mut c, largest_small(threads)) {
            let (kernel, is_turned) = (small.kernel.kernel().name, small.is_turned);
            return Some(Explanation { kernel, path: Path::Small, is_turned, copies_a: false });
        }
        let one_off = OneOff::new(cpu, self, &mut c);
        let path = match one_off.packing {
            Packing::InPlace => Path::InPlace,
            Packing::Panels => Path::PackedPanels,
            Packing::WholeB => Path::PackedB,
        };
        let copies_a = path == Path::PackedPanels && one_off.copies_a();
        let kernel = one_off.product.kernel.kernel().name;
        Some(Explanation { kernel, path, is_turned: one_off.is_turned, copies_a })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheme::F32;
    use crate::view::MatRef;

    fn explain(m: usize, n: usize, k: usize, b_is_transposed: bool) -> Option<Explanation> {
        let (a, b, mut c) = (vec![0f32; m * k], vec![0f32; k * n], vec![0f32; m * n]);
        let a = MatRef::new(&a, m, k).unwrap();
        let b =
            if b_is_transposed { MatRef::new(&b, n, k).unwrap().transposed() } else { MatRef::new(&b, k, n).unwrap() };
        let c = MatMut::new(&mut c, m, n).unwrap();
        Gemm::<F32>::new(a, b).explain(Cpu::host().unwrap(), c, 1)
    }

    #[test]
    fn explanation_names_the_path() {
        let text = |m, n, k, transposed| explain(m, n, k, transposed).unwrap().to_string();
        assert_eq!(text(8, 8, 8, false), "small");
        assert_eq!(text(24, 2000, 400, false), "in place");
        assert_eq!(text(200, 1001, 401, true), "packed panels");
        // The kernels of plain Rust take another path with the same turn.
        assert!(text(2000, 1, 4000, false).ends_with(", turned"));
    }

    #[test]
    fn explanation_of_nothing_to_multiply_is_none() {
        assert_eq!(explain(8, 8, 0, false), None);
        assert_eq!(explain(0, 8, 8, false), None);
    }
}
