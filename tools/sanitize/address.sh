#!/usr/bin/env bash
# Runs the tests of the kernels (attention and the pool among them), of the BLAS and of the C interface under AddressSanitizer, and the
# C programs that use the two libraries: reads and writes outside of what was allocated, after it was freed, and leaks, on the heap and on
# the stack. It does not see into assembly; operands that end at a page without access, which many tests have, make up for that.
# Needs: x86-64 Linux, a Rust toolchain, and gcc (whose own runtime is not used).
set -euo pipefail
shopt -s inherit_errexit
sanitizer=address
source "$(dirname "$0")/common.sh"

# Memory that cannot be had is an error for the library, as without the sanitizer.
export ASAN_OPTIONS=allocator_may_return_null=1${ASAN_OPTIONS:+:$ASAN_OPTIONS}
skip memory_limit:: "the sanitizer maps terabytes of shadow and ends the process if it cannot map more"
skip recorded_bits "they repeat products and operations of other tests, and compare what these give with a file"

# Not the unit tests, for which the libraries would be built a second time: minutes, to read the same memory; nor
# foreign_matrices, which needs other features.
cargo_test -p cke-kernels -p cke-blas -p cke-capi --test '[!f]*' --test float_environment

# C programs have the runtime, against which the libraries are linked when they are loaded: Rust's, since those are its code.
work=$target/programs
mkdir -p "$work"
ln -sf "$deps/libcke.so" "$work/libcke.so.0.1"
export LD_LIBRARY_PATH=$work:$deps
build() { # build SOURCE LIBRARY [OPTIONS]: prints the program's path
    local source=$1 library=$2 program
    program=$work/$(basename "$source" .c)
    shift 2
    gcc -std=c11 -g -O1 -fsanitize=address -Icrates/blas/include -Icrates/capi/include "$@" -c "$source" -o "$program.o"
    gcc "$program.o" -o "$program" -L"$deps" "-l$library" -rdynamic -pthread \
        -Wl,--whole-archive "$runtime_dir/librustc-stable_rt.asan.a" -Wl,--no-whole-archive -ldl -lm -lrt
    echo "$program"
}

# That the sanitizer is there and sees into the kernels: a read past the end must be found, on every instruction set.
outside=$(build tools/sanitize/outside.c cke_blas)
for isa in scalar avx2 avx512; do
    if CKE_ISA=$isa "$outside" 2> "$work/report" || ! grep -q 'ERROR: AddressSanitizer: heap-buffer-overflow' "$work/report"; then
        cat "$work/report"
        echo "address: a read past the end of B was not found (CKE_ISA=$isa)" >&2
        exit 1
    fi
done
echo "address: a read past the end of an operand is found"

run() { # run SOURCE LIBRARY [OPTIONS]
    "$(build "$@")"
    echo "passed: $*, with the address sanitizer"
}
for style in PLAIN_STYLE MKL_STYLE; do run tools/blas-test/link.c cke_blas "-D$style"; done
for example in crates/capi/examples/*.c; do run "$example" cke; done
echo "address: nothing found in tests and C programs"
