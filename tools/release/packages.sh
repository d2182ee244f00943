#!/usr/bin/env bash
# Packs every crate that is published as `cargo publish` would, and fails if one lacks a licence, a README or a description, or is larger
# than crates.io takes. With --verify each is also built from its package, as crates.io's users get it; that takes minutes. The packages
# are left in target/package. Usage: bash tools/release/packages.sh [--verify] [--allow-dirty]
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

rm -rf target/package
# All at once: cargo then takes those that depend on each other from the packages that it has just made.
cargo publish --workspace --dry-run --locked $verify "${dirty[@]}"
# The same, kept.
cargo package --workspace --exclude cke-testkit --exclude cke-examples --exclude cke-steps --quiet --locked --no-verify "${dirty[@]}"

failed=0
fault() { echo "error: $1" >&2; failed=1; }
for package in target/package/*.crate; do
  name=$(basename "$package" .crate)
  bytes=$(stat -c %s "$package")
  files=$(tar tzf "$package")
  for file in README.md LICENSE-MIT LICENSE-APACHE Cargo.toml; do
    grep -qx "$name/$file" <<< "$files" || fault "$name has no $file"
  done
  tar xzOf "$package" "$name/LICENSE-MIT" | cmp -s - LICENSE-MIT || fault "$name has another LICENSE-MIT than the project"
  manifest=$(tar xzOf "$package" "$name/Cargo.toml")
  for key in description license readme keywords categories; do
    grep -q "^$key = " <<< "$manifest" || fault "$name has no $key"
  done
  [ "$bytes" -le "$limit" ] || fault "$name takes $bytes bytes, crates.io takes $limit"
  printf '%-24s %9d bytes, %4d files\n' "$name" "$bytes" "$(wc -l <<< "$files")"
done
exit "$failed"
