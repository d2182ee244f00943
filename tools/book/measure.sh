#!/usr/bin/env bash
# Makes the tables of the book, docs/src/tables, on this machine. Nothing else should run meanwhile; two minutes.
# Usage: bash tools/book/measure.sh [CPU [MODEL.gguf]]
# The products of one thread are bound to that CPU, by default the last one; the table of all steps uses every CPU. The model, a SmolLM2-135M
# in Q4_K_M, is for the profile of a GGUF file, which is left out without it.
set -euo pipefail
cd "$(dirname "$0")/../.."

cpu=${1:-$(($(nproc) - 1))}
source tools/book/table.sh
cargo build --release --locked -p cke-steps -p cke-cli
steps=$target/release/cke-steps

table steps 'cargo run --release -p cke-steps' "$steps"
table steps-2048 'cargo run --release -p cke-steps -- 2048 --step 8,9,10,11,12' "$steps" 2048 --step 8,9,10,11,12
table low-precision 'cargo run --release -p cke-steps -- --low-precision' \
  taskset -c "$cpu" "$steps" --low-precision
table tiles 'cargo run --release -p cke-steps -- --tiles' taskset -c "$cpu" "$steps" --tiles
table tiles-avx2 'CKE_ISA=avx2 cargo run --release -p cke-steps -- --tiles' \
  env CKE_ISA=avx2 taskset -c "$cpu" "$steps" --tiles
table inner-loops 'python3 tools/book/inner_loops.py target/release/cke-steps' \
  python3 tools/book/inner_loops.py "$steps"

# Errors, the same on every machine.
cargo run --release --locked --quiet -p cke-examples --bin sums > "$tables/sums.md"

# Weights that stay in a cache, and those that come from memory.
shapes=$(for m in 1 2 3 4 6 8 12 24 48 96; do printf '%sx3072x768,' "$m"; done)
shapes+=1x50257x768,2x50257x768,4x50257x768,6x50257x768,12x50257x768,24x50257x768
table few-rows 'cke bench gemm --packed -t 1 --shapes 1x3072x768,…' \
  taskset -c "$cpu" "$cke" bench gemm --packed -t 1 --shapes "$shapes"

table profile-gpt2 'cke profile --synthetic gpt2 -t 1' taskset -c "$cpu" "$cke" profile --synthetic gpt2 -t 1
table profile-llama 'cke profile --synthetic smollm2-135m -t 1' \
  taskset -c "$cpu" "$cke" profile --synthetic smollm2-135m -t 1
[ -z "${2:-}" ] || table profile-gguf 'cke profile --model SmolLM2-135M-Instruct-Q4_K_M.gguf -t 1' \
  taskset -c "$cpu" "$cke" profile --model "$2" -t 1
table llama-int4 'cke bench model --synthetic llama-3.2-1b --dtype int4 -p 128 -g 16 -r 3 -t 1' \
  taskset -c "$cpu" "$cke" bench model --synthetic llama-3.2-1b --dtype int4 -p 128 -g 16 -r 3 -t 1
