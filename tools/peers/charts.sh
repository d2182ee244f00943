#!/bin/sh
# Draws the charts from the committed results, docs/results/*.json to docs/*.svg, and makes the tables of README, performance.md and book.
#
#     tools/peers/charts.sh [CKE]        (default: target/release/cke)
set -eu

cd "$(dirname "$0")/../.."
cke=${1:-target/release/cke}
squares=16x16x16,64x64x64,127x127x127,256x256x256,512x512x512,1024x1024x1024,2048x2048x2048
layers=128x768x768nt,128x3072x768nt,128x768x3072nt,1024x2304x768nt,8x2304x768nt,32x768x3072nt
others=128x128x64nt,1500x16x1500

"$cke" chart docs/results/gemm-1-threads.json --only "$squares,$layers,$others" --out docs/gemm-1-thread.svg
"$cke" chart docs/results/gemm-2-threads.json --only "$squares,$layers,$others" --out docs/gemm-2-threads.svg
for suite in gpt2-prompt gpt2-generation bert minilm; do
    "$cke" chart docs/results/models.json --only "$suite" --out "docs/$suite.svg"
done
for suite in gpt2-prompt-dtypes gpt2-generation-dtypes bert-dtypes; do
    "$cke" chart docs/results/dtypes.json --only "$suite" --out "docs/$suite.svg"
done
for suite in smollm2-prompt smollm2-generation; do
    "$cke" chart docs/results/gguf.json --only "$suite" --out "docs/$suite.svg"
done
# shellcheck disable=SC2046 # names without blanks
python3 tools/peers/report.py README.md docs/performance.md $(grep -l '^<!-- end of' docs/src/*.md)
python3 tools/arm/model/tables.py docs/results docs/src/tables > /dev/null
