#!/usr/bin/env bash
# What llvm-mca and a replay of the caches expect of the kernels on ARM boards: bash tools/arm/model.sh [validate]
#
# Modelled, not measured. Writes docs/results/arm-model.json, and with `validate` also docs/results/arm-model-validation.json: the same method
# for this machine's kernels, beside what they do (a Zen 4 or Zen 3 that does nothing else; `cke` is built first). Then makes the tables of the book.
# Needs what tools/arm/setup.sh installs, and llvm-mca and llvm-cxxfilt of LLVM 19 (Debian: llvm-19): other versions have other models of cores.
set -euo pipefail
cd "$(dirname "$0")/../.."

mca=${LLVM_MCA:-llvm-mca-19}
for tool in "$mca" llvm-cxxfilt-19; do
    command -v "$tool" > /dev/null || { echo "model: wanted $tool: install llvm-19, or name another llvm-mca in LLVM_MCA" >&2; exit 1; }
done
model=tools/arm/model
python3 "$model/tests.py"

# assembly TARGET: builds the kernels, and prints where their machine code is. One code generation unit and names with their parameters, so
# that each kernel is found; no link-time optimisation, which would leave the last passes to the linker.
assembly() {
    CARGO_TARGET_DIR=target/arm-model CARGO_PROFILE_RELEASE_LTO=off \
        cargo rustc --package cke-kernels --release --lib --locked --target "$1" -- \
        --emit asm -C codegen-units=1 -C symbol-mangling-version=v0 >&2
    ls -t "target/arm-model/$1/release/deps/"cke_kernels-*.s | head -n 1
}

results=docs/results
path=$(RUSTC=/usr/bin/rustc CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc assembly aarch64-unknown-linux-gnu)
python3 "$model/predict.py" "$mca" "$path" > "$results/arm-model.json.new"
mv "$results/arm-model.json.new" "$results/arm-model.json"

if [ "${1:-}" = validate ]; then
    path=$(assembly x86_64-unknown-linux-gnu)
    cargo build --release --locked
    python3 "$model/validate.py" "$mca" "$path" target/release/cke "$results/arm-model-validation.json"
fi
python3 "$model/tables.py" "$results" docs/src/tables
