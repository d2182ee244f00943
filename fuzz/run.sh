#!/usr/bin/env bash
# Builds a fuzz target on the stable toolchain, plants its first inputs and runs it:
#   run.sh safetensors|gguf|config|tokenizer [libFuzzer options, e.g. -max_total_time=60 or -runs=1500000]
set -euo pipefail
cd "$(dirname "$0")"
target=${1:?which target: safetensors, gguf, config or tokenizer}
shift

export RUSTC_BOOTSTRAP=1
export RUSTFLAGS="--cfg fuzzing -Zsanitizer=address -Cpasses=sancov-module \
  -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
  -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares"
cargo build --release --locked --target x86_64-unknown-linux-gnu --bin "$target"

mkdir -p "corpus/$target" artifacts
golden=../crates/engine/tests/golden
limit=2048
dictionary=()
case $target in
  safetensors)
    printf '\x6e\0\0\0\0\0\0\0{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"BF16","shape":[1,2],"data_offsets":[4,8]}}\0\0\x80\x3f\x80\x3f\0\0' \
      > corpus/safetensors/two-tensors
    # The table of a packed file; its checksums are those of zeros.
    printf '%s' '{"dtype":"int8","entries":[{"name":"config.json","holds":"file","offset":128,"bytes":2,"xxh3":665452966430363425},{"name":"a","holds":{"f32":{"rows":4,"cols":32}},"offset":256,"bytes":512,"xxh3":12869170752433062012},{"name":"b","holds":{"panels":{"layout":"x","cols":16,"block_k":4,"block_bytes":64,"k":8,"n":32}},"offset":768,"bytes":256,"xxh3":12001525323253182093}]}' \
      > corpus/safetensors/packed-table ;;
  gguf)
    for model in llama gemma2 phi3; do cp $golden/gguf-$model/model.gguf "corpus/gguf/$model"; done
    limit=65536 ;;
  config) cp $golden/gpt2-odd/config.json corpus/config/gpt2; cp $golden/bert-odd/config.json corpus/config/bert ;;
  tokenizer) cp $golden/st-cls/tokenizer.json corpus/tokenizer/word-piece; limit=8192 ;;
esac
if [ -f "$target.dict" ]; then dictionary=("-dict=$target.dict"); fi
exec "target/x86_64-unknown-linux-gnu/release/$target" -max_len=$limit "${dictionary[@]}" -rss_limit_mb=1024 \
  -malloc_limit_mb=64 -artifact_prefix=artifacts/ "$@" "corpus/$target"
