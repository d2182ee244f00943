#!/usr/bin/env bash
# Compiles ordinary CBLAS code, as C and as C++, with cke_blas.h after the header of another library: of the reference BLAS, OpenBLAS,
# BLIS and GSL from Debian's packages, of MKL from PyPI's. They are unpacked below the target directory and not installed. And checks
# that cke_blas.h before another header is an error, since passing over that header would leave functions undeclared.
# Needs Debian or Ubuntu, C and C++ compilers, Python 3 with pip, and the network.
set -euo pipefail
source "$(dirname "$0")/library.sh"

root=$work/headers
unpack_debian "$root/debian" libblas-dev libopenblas-pthread-dev libblis-pthread-dev libgsl-dev
if [ ! -e "$root/mkl/unpacked" ]; then
    rm -rf "$root/mkl"
    python3 -m pip install --quiet --disable-pip-version-check --root-user-action ignore --no-deps --target "$root/mkl" mkl-include==2026.2.0
    touch "$root/mkl/unpacked"
fi

# compile LANGUAGE STANDARD DIRECTORY HEADER SOURCE
compile() {
    cc -x "$1" "-std=$2" -Wall -Wextra -Wpedantic -Werror -fsyntax-only -Icrates/blas/include -isystem "$3" "-DHEADER=<$4>" "$5"
}

# check PATH HEADER: PATH ends the path of the header's file, HEADER is the name to include it by.
check() {
    local path=$1 header=$2 file directory standard
    file=$(find "$root" -type f -path "*/$path" | head -n 1)
    [ -n "$file" ] || { echo "headers: no $path below $root" >&2; exit 1; }
    directory=${file%/"$header"}
    for standard in c99 c17; do compile c "$standard" "$directory" "$header" "$tools/after_cblas.c"; done
    for standard in c++11 c++20; do compile c++ "$standard" "$directory" "$header" "$tools/after_cblas.c"; done
    printf '#include <cke_blas.h>\n#include HEADER\n' > "$root/before.c"
    if compile c c17 "$directory" "$header" "$root/before.c" 2> /dev/null; then
        echo "headers: $header after cke_blas.h was wanted to be an error, and compiles" >&2
        exit 1
    fi
    echo "passed: cke_blas.h after $path"
}

check cblas-netlib.h cblas-netlib.h
check openblas-pthread/cblas.h cblas.h
check blis-pthread/cblas.h cblas.h
check blis-pthread/blis.h blis.h
check gsl/gsl_cblas.h gsl/gsl_cblas.h
check mkl_cblas.h mkl_cblas.h
check mkl.h mkl.h
