#!/usr/bin/env bash
# Makes the tables of accuracy of the book: errors of long sums beside those of libraries. A quarter of an hour on two cores.
# Usage: bash tools/book/accuracy.sh openblas=/path/to/libopenblas.so [NAME=LIB …]
set -euo pipefail
cd "$(dirname "$0")/../.."

[ $# -gt 0 ] || { sed -n '2,3s/^# //p' "$0" >&2; exit 2; }
source tools/book/table.sh
cargo build --release --locked -p cke-cli
short=64,128,256,512,1024,2048,4096,16384 long=65536,262144,1000000
libraries=$(for library in "$@"; do printf ' %s=LIB' "${library%%=*}"; done)

# accuracy NAME FLAGS...: a table beside the libraries.
accuracy() { table "$1" "cke bench accuracy ${*:2} --against$libraries" "$cke" bench accuracy "${@:2}" --against "${peers[@]}"; }

peers=("$@")
accuracy accuracy-f32 --lengths "$short"
accuracy accuracy-f32-long --lengths "$long" --elements 4000 --seeds 2
accuracy accuracy-f64 --lengths "$short" --dtype f64
accuracy accuracy-f64-long --lengths "$long" --elements 1000 --seeds 2 --dtype f64
