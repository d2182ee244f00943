#!/usr/bin/env bash
# The C programs and the classic BLAS testers on 64-bit ARM, in emulation, against the libraries that tools/arm/test.sh built:
# bash tools/arm/libraries.sh DIRECTORY, where libcke.so and libcke_blas.so lie. Needs what tools/arm/setup.sh installs, and the network.
set -euo pipefail
cd "$(dirname "$0")/../.."
[ $# = 1 ] && [ -e "$1/libcke_blas.so" ] || { echo "usage: libraries.sh DIRECTORY, with libcke.so and libcke_blas.so" >&2; exit 2; }
libraries=$(cd "$1" && pwd)

export CC=aarch64-linux-gnu-gcc CXX=aarch64-linux-gnu-g++ CKE_TEST_RUNNER=qemu-aarch64-static QEMU_CPU=cortex-a72
export CKE_BLAS_LIBRARY=$libraries/libcke_blas.so CKE_ISAS=neon CKE_DEBIAN_ARCH=arm64

work=$(mkdir -p "${CARGO_TARGET_DIR:-target}/c-programs" && cd "${CARGO_TARGET_DIR:-target}/c-programs" && pwd)
# The name that programs ask for is that of an installed library.
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml)
ln -sf "$libraries/libcke.so" "$work/libcke.so.${version%.*}"

# -O1: the vectoriser of GCC 12 for this machine fails on an example.
build() { # build COMPILER SOURCE LIBRARY: prints the program's path
    local program
    program=$work/$(basename "${2%.*}")
    "$1" -O1 -Wall -Wextra -Wpedantic -Werror -Icrates/capi/include -Icrates/blas/include -Itools/blas-test "$2" -o "$program" \
        -L"$libraries" "-l$3" -Wl,-rpath,"$work:$libraries" -pthread -lm
    echo "$program"
}

run() { "$CKE_TEST_RUNNER" "$@"; }

for source in crates/capi/examples/*.c; do
    run "$(build "$CC" "$source" cke)"
    echo "passed: $source on ARM"
done
for source in crates/blas/examples/*.c; do
    run "$(build "$CC" "$source" cke_blas)"
    echo "passed: $source on ARM"
done

# An exception of a caller's own pool ends the process, and says why.
program=$(build "$CXX" crates/capi/tests/throwing_pool.cpp cke)
status=0
run "$program" 2> "$program.log" || status=$?
if [ "$status" -ne 134 ] || ! grep -q 'wanted run of a cke_own_pool to return, but it threw an exception' "$program.log"; then
    cat "$program.log"
    echo "libraries: wanted a process that is ended (134) with a message, found exit status $status" >&2
    exit 1
fi
echo "passed: crates/capi/tests/throwing_pool.cpp on ARM"

program=$(build "$CC" crates/capi/tests/stack.c cke)
for threads in 0 2; do run "$program" "$threads"; done
echo "passed: crates/capi/tests/stack.c on ARM"

bash tools/blas-test/link.sh
bash tools/blas-test/classic.sh
