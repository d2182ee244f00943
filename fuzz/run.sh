#!/usr/bin/env bash
# Builds fuzz targets on the stable toolchain, plants their first inputs and runs them:
#   run.sh TARGET|all [libFuzzer options, e.g. -max_total_time=60 or -runs=1000000]
# The targets are those of the README. With `all` they run one after the other.
set -euo pipefail
cd "$(dirname "$0")"
wanted=${1:?which target: all, or one of: $(cd fuzz_targets && printf '%s ' *.rs | sed 's/\.rs//g')}
shift
case $wanted in
  all) targets=$(cd fuzz_targets && printf '%s ' *.rs | sed 's/\.rs//g') ;;
  *) targets=$wanted ;;
esac

triple=x86_64-unknown-linux-gnu
golden=../crates/engine/tests/golden
export RUSTC_BOOTSTRAP=1
export RUSTFLAGS="--cfg fuzzing -Zsanitizer=address -Cpasses=sancov-module \
  -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
  -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares"

# The first inputs of a target that takes edits: each of these models as it is, and with one edit of every kind.
plant_edits() {
  local model kind
  for model in $2; do
    model=$(printf '\\x%x' "$model")$3
    printf "$model" > "corpus/$1/${model:2:1}"
    for kind in {0..255..17}; do
      printf "$model\\x$(printf %x $kind)\\x12$(printf '\\x%x' $((kind / 17)))\\0\\5\\1\\0\\0\\0\\0\\0\\0" > "corpus/$1/${model:2:1}-$kind"
    done
  done
  limit=128 growth=0
}

# Writes the first inputs of a target, and sets `limit`, the size of an input at most, and `growth`, how slowly inputs get there.
plant() {
  mkdir -p "corpus/$1"
  limit=2048 growth=100
  case $1 in
    safetensors)
      printf '\x6e\0\0\0\0\0\0\0{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"BF16","shape":[1,2],"data_offsets":[4,8]}}\0\0\x80\x3f\x80\x3f\0\0' \
        > corpus/safetensors/two-tensors
      # The table of a packed file; its checksums are those of zeros.
      printf '%s' '{"dtype":"int8","entries":[{"name":"config.json","holds":"file","offset":128,"bytes":2,"xxh3":665452966430363425},{"name":"a","holds":{"f32":{"rows":4,"cols":32}},"offset":256,"bytes":512,"xxh3":12869170752433062012},{"name":"b","holds":{"panels":{"layout":"x","cols":16,"block_k":4,"block_bytes":64,"k":8,"n":32}},"offset":768,"bytes":256,"xxh3":12001525323253182093}]}' \
        > corpus/safetensors/packed-table ;;
    gguf)
      for model in llama gemma2 phi3; do cp $golden/gguf-$model/model.gguf "corpus/gguf/$model"; done
      # A key `k`, an array of the strings `a` and `bc`, and a tensor `w` of two f32.
      printf 'GGUF\3\0\0\0\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0k\t\0\0\0\x8\0\0\0\2\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0a\2\0\0\0\0\0\0\0bc\1\0\0\0\0\0\0\0w\1\0\0\0\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x80\x3f\0\0\0\x40' \
        > corpus/gguf/small
      limit=65536 ;;
    gguf_model) plant_edits gguf_model '0 1 2 5 15' '\0' ;;
    packed_file) plant_edits packed_file '0 1 2 3 4 5' '' ;;
    config)
      for model in gpt2-odd bert-odd gemma3 phi3-long; do cp $golden/$model/config.json "corpus/config/$model"; done ;;
    gguf_tokenizer)
      # SentencePiece with bytes, scores and types; byte-level BPE with merges.
      printf '\x79\0\1\0<unk>\n<s>\n\xe2\x96\x81\na\nb\nab\n\xe2\x96\x81ab\0\0ab abc\0\1\1\5\6\7\2\3\0\2\3\1\1\1\1\1' \
        > corpus/gguf_tokenizer/sentencepiece
      printf '\x82\x02\0\0a\nb\nab\n\xc4\xa0\n\xc4\xa0ab\0a b\n\xc4\xa0 ab\0ab  ab' > corpus/gguf_tokenizer/byte-level
      limit=4096 ;;
    chat_template)
      python3 -c "
import json, pathlib
for name, case in json.load(open('$golden/chat-templates/golden.json'))['templates'].items():
    pathlib.Path('corpus/chat_template', name).write_text(case['text'])"
      printf '%s' "{%- macro turn(m) -%}{{ '[INST] ' ~ m.content | tojson ~ ' [/INST]' }}{%- endmacro -%}
{%- set ns = namespace(last='', n=0) -%}{%- for m in messages[::-1] if m.content is string -%}{%- set ns.n = ns.n + 1 -%}
{{- turn(m) if m['role'] == 'user' else m.content.split('</think>')[-1].lstrip('\n') -}}{%- endfor -%}
{%- if ns.n > 9 -%}{{ raise_exception('too long') }}{%- endif -%}{{ strftime_now('%d %b %Y') }}" \
        > corpus/chat_template/macro
      limit=8192 ;;
    tokenizer)
      cp $golden/st-cls/tokenizer.json corpus/tokenizer/word-piece
      cp $golden/language-pieces/whole.json corpus/tokenizer/pieces
      cp $golden/settings-tokenizers/bpe.json corpus/tokenizer/byte-level
      limit=16384 ;;
  esac
}

run() {
  local target=$1 dictionary=()
  shift
  plant "$target"
  if [ -f "$target.dict" ]; then dictionary=("-dict=$target.dict"); fi
  # Without -entropic=0 the choice of the next input takes as long as an input of `gguf_model`.
  "${CARGO_TARGET_DIR:-target}/$triple/release/$target" -max_len=$limit -len_control=$growth -entropic=0 "${dictionary[@]}" -rss_limit_mb=1024 \
    -malloc_limit_mb=64 -timeout=120 -artifact_prefix=artifacts/ "$@" "corpus/$target"
}

mkdir -p artifacts
# One build of all, as everything but the target itself is the same.
cargo build --release --locked --target $triple $(printf -- '--bin %s ' $targets)
for target in $targets; do
  echo "fuzz target $target"
  run "$target" "$@"
done
