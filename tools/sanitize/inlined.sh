#!/bin/sh
# Looks for vector instructions that the compiler left in functions of their own, one call each: those of closures, which do not
# inherit the instruction set of the function around them. The kernels are inlined as a whole, so that there are none.
# Usage: tools/sanitize/inlined.sh [PROGRAM]
set -eu
program=${1:-target/release/cke}
# The search library for many words has one of its own.
allowed='_mm256_loadu_si256$'
found=$(nm -C "$program" | grep -E ' core(\[[0-9a-f]*\])?::core_arch::x86::avx[0-9a-z]*::' | grep -vE "$allowed" || true)
if [ -n "$found" ]; then
    printf '%s\n' "$found"
    echo "FAILED: wanted these instructions inside the loops of the kernels; a closure in a generic function is the usual cause" >&2
    exit 1
fi
echo "passed: no vector instruction of $program is a function of its own"
