#!/usr/bin/env bash
# Builds the workspace's libraries, command and tests for 64-bit ARM and runs the tests in QEMU's emulation of single programs:
# bash tools/arm/test.sh. Needs what tools/arm/setup.sh installs, and cargo. Everything is built in target/cross.
#
# QEMU_CPU names a core and so the features that programs see. No test runs on two cores unless these make a difference to it:
#
#   max                       has sdot: every kernel there is, each against its oracle
#   cortex-a72                plain NEON: models, commands, BLAS and C interface, all that is not a kernel
#   cortex-a76                sdot: models with weights of few bits, once more
#   cortex-a53, neoverse-n1   nothing that the others lack: which core is found
set -euo pipefail
cd "$(dirname "$0")/../.."

emulator=qemu-aarch64-static
target=aarch64-unknown-linux-gnu
export RUSTC=/usr/bin/rustc CARGO_TARGET_DIR=target/cross CARGO_INCREMENTAL=0
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER=$emulator
export CKE_TEST_RUNNER=$emulator      # what starts the programs that tests start
export CARGO_PROFILE_DEV_DEBUG=none   # half of the time of building is linking

# Everything is built for the whole workspace at once: for single packages cargo would build parts of it again, with other features.
cargo_test() { cargo test --workspace --locked --target "$target" "$@"; }

on() { # on CORE ARGUMENTS: these tests on this core
    local core=$1
    shift
    echo "--- $core ($SECONDS s)"
    QEMU_CPU=$core cargo_test "$@"
}

kernels=(gemm grouped halves int8 operations toys)
rest=()
for path in crates/*/tests/*.rs crates/*/tests/*/main.rs; do
    name=${path#crates/*/tests/}
    name=${name%.rs}
    name=${name%/main}
    [[ " ${kernels[*]} " == *" $name "* ]] || rest+=(--test "$name")
done

# What limits the address space limits the emulator, which takes more; commands that start the program at hand again, or load a library
# that the test has built, would do so on the host.
skipped=(memory_limit chat_cache_without_memory audit:: bench_accuracy:: bench_gemm chart_gemm_results)
skip=()
for name in "${skipped[@]}"; do
    skip+=(--skip "$name")
    echo "skipped: $name, which emulation of single programs cannot run"
done

cargo_test --lib --bin cke --test '*' --no-run

on max "${kernels[@]/#/--test=}"
on cortex-a72 --lib --bin cke "${rest[@]}" -- "${skip[@]}"
on cortex-a76 --test weight_formats --test gguf_formats

for core in Cortex-A53 Cortex-A72 Cortex-A76 Neoverse-N1; do
    QEMU_CPU=${core,,} "$emulator" "target/cross/$target/debug/cke" doctor --no-measure | grep -q "^| CPU  *| $core " || {
        echo "arm: cke doctor does not find a $core" >&2
        exit 1
    }
    echo "passed: cke doctor finds a $core"
done
