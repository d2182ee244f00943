#!/usr/bin/env bash
# Runs the tests of the worker pool and of attention under ThreadSanitizer, which finds two threads that use one place at once, one of them
# writing, without order between them.
# Needs: x86-64 Linux, a Rust toolchain with the standard library's source (rustup component add rust-src) and the network: the standard
# library is built anew with the sanitizer. Without that, its locks, channels and reference counts are not seen, and whatever they order
# is reported as a race.
set -euo pipefail
sanitizer=thread
source "$(dirname "$0")/common.sh"

if [ ! -d "$(rustc --print sysroot)/lib/rustlib/src/rust/library" ]; then
    echo "thread: the standard library's source is missing: rustup component add rust-src" >&2
    exit 2
fi
skip fork:: "the sanitizer follows no child of a process with threads"
skip memory_limit:: "the sanitizer maps terabytes of shadow and ends the process if it cannot map more"

# That the sanitizer is there: a race must be found.
rustc --edition 2024 -g -Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer tools/sanitize/race.rs -o "$target-race"
if "$target-race" 2> "$target-race.report" || ! grep -q 'WARNING: ThreadSanitizer: data race' "$target-race.report"; then
    cat "$target-race.report"
    echo "thread: a race was not found" >&2
    exit 1
fi
echo "thread: a race is found"

cargo_test -Zbuild-std -p cke-kernels --test threads
cargo_test -Zbuild-std -p cke-kernels --lib threads::
cargo_test -Zbuild-std -p cke-kernels --test operations attention::
echo "thread: nothing found"
