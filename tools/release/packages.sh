#!/usr/bin/env bash
# Packs every crate that is published as `cargo publish` would, and fails if one lacks a licence, a README, a description or what else
# crates.io demands, does not compile from its package, or is larger than crates.io takes. With --verify each is built from its package, as
# crates.io's users get it, where otherwise all are only checked; that takes minutes. The packages are left in target/package.
# Usage: bash tools/release/packages.sh [--verify] [--allow-dirty]
set -euo pipefail
cd "$(dirname "$0")/../.."

limit=$((10 << 20)) # of crates.io, bytes
verify=--no-verify
dirty=()
for option in "$@"; do
  case $option in
    --verify) verify= ;;
    --allow-dirty) dirty=(--allow-dirty) ;;
    *) echo "error: wanted --verify or --allow-dirty, found $option" >&2 && exit 2 ;;
  esac
done

python3 tools/release/manifests.py
target=${CARGO_TARGET_DIR:-target}
packages=$target/package
rm -rf "$packages"
# All at once: cargo then takes those that depend on each other from the packages that it has just made.
cargo publish --workspace --dry-run --locked $verify "${dirty[@]}"
# The same, kept.
cargo package --workspace --exclude cke-testkit --exclude cke-examples --exclude cke-steps --quiet --locked --no-verify "${dirty[@]}"

failed=0
fault() { echo "error: $1" >&2; failed=1; }
for package in "$packages"/*.crate; do
  name=$(basename "$package" .crate)
  bytes=$(stat -c %s "$package")
  files=$(tar tzf "$package")
  for file in README.md LICENSE-MIT LICENSE-APACHE Cargo.toml; do
    grep -qx "$name/$file" <<< "$files" || fault "$name has no $file"
  done
  for file in LICENSE-MIT LICENSE-APACHE; do
    tar xzOf "$package" "$name/$file" | cmp -s - "$file" || fault "$name has another $file than the project"
  done
  [ "$bytes" -le "$limit" ] || fault "$name takes $bytes bytes, crates.io takes $limit"
  printf '%-24s %9d bytes, %4d files\n' "$name" "$bytes" "$(wc -l <<< "$files")"
done
[ "$failed" -eq 0 ] || exit 1
[ -n "$verify" ] || exit 0

# A workspace of the unpacked packages, which finds files that a package lacks. With the project's profiles, so that what was compiled for
# other steps is used again.
unpacked=$packages/unpacked
mkdir "$unpacked"
# With the time of now: cargo takes files of the same age for the same.
for package in "$packages"/*.crate; do tar xzmf "$package" -C "$unpacked"; done
cp Cargo.lock "$unpacked"
{
  printf '[workspace]\nresolver = "3"\nmembers = ["*-*"]\n\n[patch.crates-io]\n'
  for directory in "$unpacked"/*/; do
    directory=$(basename "$directory")
    printf '%s = { path = "%s" }\n' "${directory%-[0-9]*}" "$directory"
  done
  sed -n '/^\[profile\.dev\]/,/^\[profile\.release\]/{/^\[profile\.release\]/!p}' Cargo.toml
} > "$unpacked/Cargo.toml"
CARGO_TARGET_DIR=$(realpath "$target") cargo check --manifest-path "$unpacked/Cargo.toml" --workspace --offline --quiet
echo "passed: every crate compiles from its package"
