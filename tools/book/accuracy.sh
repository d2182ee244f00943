#!/usr/bin/env bash
# Makes the tables of accuracy of the book: errors of long sums beside those of libraries. One hour on two cores, and 5 GB of memory.
# Usage: bash tools/book/accuracy.sh openblas=/path/to/libopenblas.so [NAME=LIB …]
set -euo pipefail
cd "$(dirname "$0")/../.."

[ $# -gt 0 ] || { sed -n '2,3s/^# //p' "$0" >&2; exit 2; }
source tools/book/table.sh
cargo build --release --locked -p cke-cli
shown="cke bench accuracy --against $(for library in "$@"; do printf '%s=LIB ' "${library%%=*}"; done)"
table accuracy-f32 "${shown% }" "$cke" bench accuracy --against "$@"
table accuracy-f64 "${shown% } --dtype f64" "$cke" bench accuracy --against "$@" --dtype f64
