#!/usr/bin/env bash
# Runs what docs/src/c.md shows, with the libraries that install.sh has put into PREFIX: bash crates/capi/page.sh PREFIX
# These are the lines for the C compiler and the CMake projects. Needs: cc with a static C library, pkg-config, cmake and make.
set -euo pipefail

if [ $# -ne 1 ]; then
  echo "usage: page.sh PREFIX" >&2
  exit 2
fi
prefix=$(cd "$1" && pwd)
cd "$(dirname "$0")/../.."
export prefix PKG_CONFIG_PATH=$prefix/lib/pkgconfig
page=$PWD/docs/src/c.md

# The n-th block of the page in a language; nothing if there are fewer.
block() {
  awk -v fence="\`\`\`$1" -v want="$2" \
    '$0 == fence { n++; inside = 1; next } /^```$/ { inside = 0 } inside && n == want' "$page"
}

n=1
while lines=$(block sh "$n") && [ -n "$lines" ]; do
  case $lines in
    cc* | sed*)
      bash -euxc "$lines" > /dev/null
      echo "passed: docs/src/c.md, shell block $n"
      ;;
    cmake*) configure=$lines ;;
  esac
  n=$((n + 1))
done

projects=$(mktemp -d)
trap 'rm -rf "$projects"' EXIT
mkdir "$projects/layer" "$projects/product"
cp crates/capi/examples/layer.c "$projects/layer/"
cp crates/blas/examples/product.c "$projects/product/"
block cmake 1 > "$projects/layer/CMakeLists.txt"
# A project that knows nothing of CKE.
cat > "$projects/product/CMakeLists.txt" << 'END'
cmake_minimum_required(VERSION 3.16)
project(product C)
find_package(BLAS REQUIRED)
add_executable(product product.c)
target_link_libraries(product PRIVATE ${BLAS_LIBRARIES})
END

cd "$projects/layer"
cmake -B build > /dev/null
cmake --build build > /dev/null
build/layer > /dev/null
echo "passed: docs/src/c.md, the CMake project"

cd "$projects/product"
CFLAGS=$(pkg-config --cflags cke_blas) bash -euxc "$configure" > /dev/null
cmake --build build > /dev/null
build/product > /dev/null
echo "passed: docs/src/c.md, find_package(BLAS)"
