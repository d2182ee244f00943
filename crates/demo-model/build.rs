//! Puts the weights together again: `weights/even.bin` and `weights/odd.bin` hold the bytes at even and odd places of the safetensors
//! file. The odd bytes of bf16 numbers are signs and exponents, which compress well by themselves, so the package stays below the 10 MiB
//! that crates.io takes.

use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=weights");
    let (even, odd) = (fs::read("weights/even.bin")?, fs::read("weights/odd.bin")?);
    let pairs = even.iter().zip(&odd).flat_map(|(&even, &odd)| [even, odd]);
    let out = env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?;
    fs::write(Path::new(&out).join("model.safetensors"), pairs.collect::<Vec<u8>>())
}
