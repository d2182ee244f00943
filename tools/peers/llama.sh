#!/usr/bin/env bash
# Builds llama-bench, llama-quantize and llama-perplexity from the source package of llama-cpp-python, for this CPU, side by side,
# and prints the path of llama-bench.
#
#     tools/peers/llama.sh DIR
#
# Needs python3 with pip, cmake, ninja and a C++ compiler; takes some minutes.
set -euo pipefail

package='llama-cpp-python==0.3.36'

if [ $# -ne 1 ]; then
    echo "usage: $0 DIR" >&2
    exit 2
fi
mkdir -p "$1"
target=$(cd "$1" && pwd)
programs='llama-bench llama-quantize llama-perplexity'
is_complete() {
    for program in $programs; do [ -x "$target/build/bin/$program" ] || return 1; done
}

if ! is_complete; then
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --no-binary llama-cpp-python \
        --dest "$target" "$package" >&2
    mkdir -p "$target/source"
    tar -xf "$target"/llama_cpp_python-*.tar.gz -C "$target/source" --strip-components=1
    cmake -S "$target/source/vendor/llama.cpp" -B "$target/build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DGGML_NATIVE=ON \
        -DLLAMA_CURL=OFF -DLLAMA_OPENSSL=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_SERVER=OFF >&2
    # shellcheck disable=SC2086 # one word for each program
    cmake --build "$target/build" --target $programs >&2
fi
echo "$target/build/bin/llama-bench"
