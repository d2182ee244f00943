#!/usr/bin/env bash
# Counts the instructions of whole products of CKE, OpenBLAS and llama.cpp in emulation: bash tools/arm/count.sh LLAMA-SOURCE
#
# LLAMA-SOURCE is a checkout of llama.cpp, of which ggml is built for each core. Writes docs/results/arm-count.json and the tables of the book.
# Needs what tools/arm/setup.sh installs, gcc, cmake, ninja and the network: for Debian's packages of OpenBLAS for 64-bit ARM and of a QEMU that
# takes plugins, which the static one of setup.sh does not. They are unpacked below target/arm-count, and nothing is installed.
set -euo pipefail
cd "$(dirname "$0")/../.."
[ $# = 1 ] && [ -d "$1/ggml/src/ggml-cpu" ] || { echo "usage: count.sh LLAMA-SOURCE, a checkout of llama.cpp" >&2; exit 2; }
llama=$(cd "$1" && pwd)
for tool in gcc cmake ninja apt-get aarch64-linux-gnu-g++; do
    command -v "$tool" > /dev/null || { echo "count: wanted $tool, found none" >&2; exit 1; }
done

work=$PWD/target/arm-count
target=aarch64-unknown-linux-gnu
source=tools/arm/count
mkdir -p "$work/debian"

packages=(qemu-user libcapstone4 libopenblas-pthread-dev:arm64)
if [ ! -e "$work/debian/complete" ]; then
    (cd "$work/debian" && apt-get -qq download "${packages[@]}" && for package in ./*.deb; do dpkg -x "$package" .; done && touch complete)
fi
gcc -shared -fPIC -O2 -Wall -Wextra -Werror -fvisibility=hidden "$source/instructions.c" -o "$work/instructions.so"

# CKE as it is released: optimised across crates by the last pass.
export RUSTC=/usr/bin/rustc CARGO_TARGET_DIR=$work/cargo CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
cargo build --package cke-kernels --release --lib --locked --target "$target"
"$RUSTC" --edition 2024 --target "$target" -C opt-level=3 -C lto=thin -C linker=aarch64-linux-gnu-gcc -C target-feature=+crt-static \
    -L "dependency=$CARGO_TARGET_DIR/$target/release/deps" -L "dependency=$CARGO_TARGET_DIR/release/deps" \
    --extern "cke_kernels=$CARGO_TARGET_DIR/$target/release/libcke_kernels.rlib" "$source/cke.rs" -o "$work/cke"

openblas=lib/aarch64-linux-gnu/openblas-pthread
aarch64-linux-gnu-gcc -O2 -static -Wall -Wextra -Werror -I"$work/debian/usr/include/${openblas#lib/}" "$source/openblas.c" -o "$work/openblas" \
    "$work/debian/usr/$openblas/libopenblas.a" -pthread -lm

for core in cortex-a72 cortex-a76; do
    cmake -S "$llama" -B "$work/ggml-of-$core" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64 \
        -DCMAKE_C_COMPILER=aarch64-linux-gnu-gcc -DCMAKE_CXX_COMPILER=aarch64-linux-gnu-g++ -DCMAKE_C_FLAGS="-mcpu=$core" \
        -DCMAKE_CXX_FLAGS="-mcpu=$core" -DGGML_NATIVE=OFF -DGGML_OPENMP=OFF -DBUILD_SHARED_LIBS=OFF -DLLAMA_OPENSSL=OFF \
        -DLLAMA_BUILD_COMMON=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_TOOLS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_SERVER=OFF
    cmake --build "$work/ggml-of-$core" --target ggml
    libraries=$work/ggml-of-$core/ggml/src
    aarch64-linux-gnu-g++ -std=c++17 -O2 -static -Wall -Wextra -Werror -I"$llama/ggml/include" "$source/ggml.cpp" -o "$work/ggml-$core" \
        -Wl,--start-group "$libraries"/libggml{,-cpu,-base}.a -Wl,--end-group -pthread
done

results=docs/results
LD_LIBRARY_PATH=$work/debian/usr/lib/x86_64-linux-gnu python3 "$source/count.py" "$work/debian/usr/bin/qemu-aarch64" "$work/instructions.so" "$work" > "$results/arm-count.json.new"
mv "$results/arm-count.json.new" "$results/arm-count.json"
python3 tools/arm/model/tables.py "$results" docs/src/tables
