#!/usr/bin/env bash
# What a C programmer does, from installation to a running program: installs the libraries into a new directory, compiles every
# example with all warnings as errors through pkg-config, against the shared and the static library, and runs it.
# Needs: a Rust toolchain, cc with a static C library, and pkg-config; c++ to see that the header is C++ too.
set -euo pipefail
cd "$(dirname "$0")"

for tool in cargo cc c++ pkg-config; do
  command -v "$tool" > /dev/null || { echo "check.sh: $tool is missing" >&2; exit 1; }
done

prefix=$(mktemp -d)
trap 'rm -rf "$prefix"' EXIT
bash install.sh "$prefix"
export PKG_CONFIG_PATH=$prefix/lib/pkgconfig
read -r -a shared <<< "$(pkg-config --cflags --libs cke)"
read -r -a header <<< "$(pkg-config --cflags cke)"
system=$(pkg-config --static --libs-only-l cke)
read -r -a system <<< "${system/-lcke/}"
warnings=(-Wall -Wextra -Wpedantic -Werror)

printf '#include <cke.h>\n#include <cke_blas.h>\n#include <cke/cblas.h>\n' > "$prefix/header.c"
for standard in c99 c11 c17; do
  cc "-std=$standard" "${warnings[@]}" -fsyntax-only "$prefix/header.c" "${header[@]}"
done
for standard in c++11 c++20; do
  c++ -x c++ "-std=$standard" "${warnings[@]}" -fsyntax-only "$prefix/header.c" "${header[@]}"
done

for source in examples/*.c; do
  program=$prefix/$(basename "$source" .c)
  cc -std=c11 -O2 "${warnings[@]}" "$source" -o "$program" "${shared[@]}" -lm -pthread
  LD_LIBRARY_PATH=$prefix/lib "$program"
  echo "passed: $source, shared library"
  # The static library by its path, then what it needs of the system.
  cc -std=c11 -O2 "${warnings[@]}" "$source" -o "$program-static" "${header[@]}" \
    "$prefix/lib/libcke.a" "${system[@]}" -lm -pthread
  "$program-static" > /dev/null
  echo "passed: $source, static library"
done

# As the book says: the whole program static, and one library of it.
read -r -a private <<< "$(pkg-config --static --cflags --libs cke)"
cc -static examples/layer.c -o "$prefix/layer-all-static" "${private[@]}" -lm
"$prefix/layer-all-static" > /dev/null
cc examples/layer.c -o "$prefix/layer-one-static" "${private[@]/#-lcke/-l:libcke.a}" -lm
env -u LD_LIBRARY_PATH "$prefix/layer-one-static" > /dev/null
echo "passed: examples/layer.c, linked statically through pkg-config"

# An exception of a caller's own pool ends the process, and says why.
program=$prefix/throwing_pool
c++ -std=c++17 -O2 "${warnings[@]}" tests/throwing_pool.cpp -o "$program" "${shared[@]}" "-Wl,-rpath,$prefix/lib"
status=0
"$program" 2> "$program.log" || status=$?
if [ "$status" -ne 134 ] || ! grep -q 'wanted run of a cke_own_pool to return, but it threw an exception' "$program.log"; then
  cat "$program.log"
  echo "check.sh: wanted a process that is ended (134) with a message, found exit status $status" >&2
  exit 1
fi
echo "passed: tests/throwing_pool.cpp"

# Threads with small stacks, on every instruction set, of which a CPU without it takes the next lower one.
program=$prefix/stack
cc -std=c11 -O2 "${warnings[@]}" -I../../tools/blas-test tests/stack.c -o "$program" "${shared[@]}" "-Wl,-rpath,$prefix/lib" -pthread
for isa in scalar avx2 avx512; do
  for threads in 0 2; do CKE_ISA=$isa "$program" "$threads"; done
done
echo "passed: tests/stack.c"

read -r -a blas <<< "$(pkg-config --cflags --libs cke_blas)"
for source in ../blas/examples/*.c; do
  program=$prefix/$(basename "$source" .c)
  cc -std=c11 -O2 "${warnings[@]}" "$source" -o "$program" "${blas[@]}" "-Wl,-rpath,$(pkg-config --variable=libdir cke_blas)"
  "$program"
  echo "passed: $source"
done

# An unchanged program that includes <cblas.h>, and one that passes 64-bit integers.
sed 's/cke_blas\.h/cblas.h/' ../blas/examples/product.c > "$prefix/any_cblas.c"
sed 's/cblas_sgemm/cblas_sgemm_64/' ../blas/examples/product.c > "$prefix/wide.c"
for name in any_cblas wide; do
  cc -std=c11 "${warnings[@]}" -I"$(pkg-config --variable=includedir cke_blas)/cke" "$prefix/$name.c" -o "$prefix/$name" "${blas[@]}" \
    -Wl,-rpath,"$prefix/lib"
  "$prefix/$name" > /dev/null
  echo "passed: crates/blas/examples/product.c, $name"
done
if cc -DCBLAS_INT=long -fsyntax-only "${blas[@]}" "$prefix/wide.c" 2> /dev/null; then
  echo "check.sh: wanted cke_blas.h to refuse a CBLAS_INT of 64 bits, found that it compiles" >&2
  exit 1
fi
echo "the C interface is in order"
