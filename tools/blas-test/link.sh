#!/usr/bin/env bash
# Compiles link.c against libcke_blas.so and runs it, with each kind of error reporter. Needs a C compiler.
set -euo pipefail
source "$(dirname "$0")/library.sh"

for style in PLAIN_STYLE MKL_STYLE; do
    cc -std=c11 -Wall -Wextra -Werror "-D$style" -Icrates/blas/include "$tools/link.c" -o "$work/link" \
        -L"${library%/*}" -lcke_blas -Wl,-rpath,"${library%/*}"
    "$work/link"
    echo "passed: link.c, $style"
done
echo "link: a C program computes with the library and hears of its mistakes"
