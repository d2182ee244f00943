#!/usr/bin/env bash
# Compiles the C and C++ programs here against libcke_blas.so and runs them. Needs C and C++ compilers.
set -euo pipefail
source "$(dirname "$0")/library.sh"

# program SOURCE [OPTIONS]: compiles and runs it.
program() {
    local source=$1 compiler=(cc -std=c11)
    [ "${source##*.}" = c ] || compiler=(c++ -std=c++17)
    "${compiler[@]}" -O2 -Wall -Wextra -Wpedantic -Werror "${@:2}" -Icrates/blas/include "$tools/$source" -o "$work/program" \
        -L"${library%/*}" -lcke_blas -Wl,-rpath,"${library%/*}" -pthread -lm
    "$work/program"
    echo "passed: $*"
}

# With each kind of error reporter: called, and left by an exception or longjmp.
for style in PLAIN_STYLE MKL_STYLE; do
    program link.c "-D$style"
    program errors.cpp "-D$style"
done
