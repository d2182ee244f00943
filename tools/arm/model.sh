#!/usr/bin/env bash
# What llvm-mca expects of the kernels' inner loops on cores of ARM: bash tools/arm/model.sh
# Modelled, not measured: a loop by itself, its operands in the first cache level. Needs what tools/arm/setup.sh installs, and llvm-mca of
# LLVM 16 or later (Debian: llvm-19), whose models of cores are older or newer in other versions.
set -euo pipefail
cd "$(dirname "$0")/../.."

mca=${LLVM_MCA:-llvm-mca-19}
command -v "$mca" > /dev/null || { echo "model: wanted $mca: install llvm-19, or name another in LLVM_MCA" >&2; exit 1; }

# One code generation unit and names with their parameters, so that each kernel is found.
export RUSTC=/usr/bin/rustc CARGO_TARGET_DIR=target/arm-model CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
cargo rustc --package cke-kernels --release --lib --locked --target aarch64-unknown-linux-gnu -- \
    --emit asm -C codegen-units=1 -C symbol-mangling-version=v0
assembly=$(ls -t target/arm-model/aarch64-unknown-linux-gnu/release/deps/cke_kernels-*.s | head -n 1)
python3 tools/arm/model.py "$mca" "$assembly"
