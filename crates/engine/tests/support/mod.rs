//! What the golden tests share.
#![allow(dead_code, reason = "each test file uses a part of it")]

pub(crate) mod causal;

use cke_engine::runtime::Runtime;
use cke_kernels::{Cpu, Isa};
use safetensors::SafeTensors;
use std::path::PathBuf;

/// The directory of a golden case.
pub(crate) fn golden_dir(case: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(case)
}

/// Expected numbers of a case, read by the `safetensors` crate alone.
pub(crate) struct Golden(Vec<u8>);

impl Golden {
    pub(crate) fn open(case: &str) -> Golden {
        Golden(std::fs::read(golden_dir(case).join("golden.safetensors")).unwrap())
    }

    pub(crate) fn floats(&self, name: &str) -> Vec<f32> {
        self.bytes(name).as_chunks::<4>().0.iter().map(|x| f32::from_le_bytes(*x)).collect()
    }

    pub(crate) fn integers(&self, name: &str) -> Vec<i64> {
        self.bytes(name).as_chunks::<8>().0.iter().map(|x| i64::from_le_bytes(*x)).collect()
    }

    pub(crate) fn ids(&self, name: &str) -> Vec<u32> {
        self.integers(name).into_iter().map(|id| u32::try_from(id).unwrap()).collect()
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        SafeTensors::deserialize(&self.0).unwrap().tensor(name).unwrap().data().to_vec()
    }
}

/// Every ISA that may be used here, with one and with three threads.
pub(crate) fn runtimes() -> Vec<Runtime> {
    let host = Cpu::host().expect("CKE_ISA and CKE_REQUIRE_ISA can be honoured");
    let isas = Isa::ALL.into_iter().rev().filter(|&isa| host.has(isa.needs()));
    isas.flat_map(|isa| [1, 3].map(|threads| Runtime::with_cpu(host.capped(isa), Some(threads)).unwrap())).collect()
}

/// max|a − b| / max|b| ≤ 2e-5, the tolerance that the golden files are made for.
pub(crate) fn assert_near(found: &[f32], wanted: &[f32], what: &str) {
    assert_eq!(found.len(), wanted.len(), "{what}: number of elements");
    let largest = wanted.iter().fold(0f32, |m, x| m.max(x.abs()));
    let worst =
        found.iter().zip(wanted).map(|(a, b)| (a - b).abs()).fold(0f32, |m, x| if x > m || x.is_nan() { x } else { m });
    assert!(worst <= 2e-5 * largest, "{what}: off by {worst:e} of {largest:e}");
}

/// To compare results bit for bit, NaN included.
pub(crate) fn bits(x: &[f32]) -> Vec<u32> {
    x.iter().map(|x| x.to_bits()).collect()
}
