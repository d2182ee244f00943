#!/usr/bin/env bash
# Makes the table of quality of the book: each dtype against f32. Nothing is timed; it takes some ten minutes.
# Usage: bash tools/book/quality.sh MINILM SMOLLM2
# MINILM is the directory of tools/golden/fetch_minilm.sh, SMOLLM2 a GGUF file of SmolLM2-135M-Instruct in F16.
set -euo pipefail
cd "$(dirname "$0")/../.."

[ $# -eq 2 ] || { sed -n '2,4s/^# //p' "$0" >&2; exit 2; }
source tools/book/table.sh
cargo build --release --locked -p cke-cli
table quality 'bash tools/book/quality.sh MINILM SMOLLM2' \
  python3 tools/book/quality/table.py "$cke" tools/book/quality/text.txt docs/src "$1" "$2"
