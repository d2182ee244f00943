#!/usr/bin/env bash
# Sets the address of the repository, in Cargo.toml and so in every crate that is published. Until this has been run, manifests have none:
# crates.io shows an empty address as a broken link. Usage: bash tools/release/repository.sh https://HOST/PATH
set -euo pipefail
cd "$(dirname "$0")/../.."

address=${1:-}
[[ $address =~ ^https://[A-Za-z0-9.-]+(/[A-Za-z0-9._~-]+)+$ ]] ||
  { echo "error: wanted the address of the repository, https://HOST/PATH, found \"$address\"" >&2; exit 2; }

sed -i -e '/^repository = /d' -e "s|^authors = .*|&\nrepository = \"$address\"|" Cargo.toml
for manifest in crates/*/Cargo.toml; do
  grep -qE '^(publish = false|repository\.workspace = true)$' "$manifest" ||
    sed -i 's|^description = .*|&\nrepository.workspace = true|' "$manifest"
done
python3 tools/release/manifests.py --published
