# Sourced by the scripts here, which name a sanitizer first: sets up a toolchain whose every crate is instrumented, with a target
# directory of its own, and says which tests cannot run.
#
# Stable Rust has the sanitizers' runtimes, but takes the flag only with RUSTC_BOOTSTRAP=1. A --target is named although it is the
# host's, so that build scripts and procedural macros, which the compiler loads, stay as they are.
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
host=x86_64-unknown-linux-gnu
target=$(mkdir -p "${CARGO_TARGET_DIR:-target}" && cd "${CARGO_TARGET_DIR:-target}" && pwd)/sanitize/$sanitizer
runtime_dir=$(rustc --print sysroot)/lib/rustlib/$host/lib
deps=$target/$host/debug/deps
export RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=$sanitizer ${RUSTFLAGS:-}" CARGO_INCREMENTAL=0
export CARGO_PROFILE_DEV_DEBUG=line-tables-only # for the lines of reports

# skip TEST REASON: leaves a test out and says why.
skips=()
skip() {
    echo "skipped: $1: $2"
    skips+=(--skip "$1")
}

# cargo_test ARGUMENTS: the tests that are not skipped.
cargo_test() { cargo test --locked --target "$host" --target-dir "$target" "$@" -- "${skips[@]}"; }
