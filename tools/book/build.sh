#!/usr/bin/env bash
# Builds the book of docs/ into target/book and checks its links. Installs mdBook under target/tools where it is missing (a few minutes,
# once). Needs a Rust toolchain and Python 3.11 or later. Usage: bash tools/book/build.sh
set -euo pipefail
cd "$(dirname "$0")/../.."

version=0.5.4
tools=$PWD/target/tools
mdbook=$tools/bin/mdbook

if [ "$("$mdbook" --version 2> /dev/null)" != "mdbook v$version" ]; then
  # Without optimisation: it compiles in half the time, and the book is small.
  cargo install --debug mdbook --version "$version" --locked --no-default-features --features search --root "$tools" \
    --target-dir "$tools/build"
  rm -rf "$tools/build"
fi

rm -rf target/book
# A missing include is no error to mdBook, only a line in its log.
"$mdbook" build docs 2>&1 | tee target/book.log
if grep -qE 'ERROR|WARN' target/book.log; then
  echo "error: mdBook complained, see above" >&2
  exit 1
fi
python3 tools/book/check.py target/book
