#!/usr/bin/env bash
# Builds a fuzz target on the stable toolchain, plants its first inputs and runs it:
#   run.sh safetensors|gguf|config|tokenizer|gguf_tokenizer|chat_template [libFuzzer options, e.g. -max_total_time=60 or -runs=1500000]
set -euo pipefail
cd "$(dirname "$0")"
target=${1:?which target: safetensors, gguf, config, tokenizer, gguf_tokenizer or chat_template}
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
  gguf_tokenizer)
    # Switches, then tokens, merges and a text: SentencePiece with bytes and scores, byte-level BPE with merges.
    printf '\x3d\0\0\0<unk>\n<s>\n\xe2\x96\x81\na\nb\nab\n\xe2\x96\x81ab\0\0ab abc' > corpus/gguf_tokenizer/sentencepiece
    printf '\x02\x02\0\0a\nb\nab\n\xc4\xa0\n\xc4\xa0ab\0a b\n\xc4\xa0 ab\0ab  ab' > corpus/gguf_tokenizer/byte-level
    limit=4096 ;;
  chat_template)
    printf '%s' "{{ bos_token }}{% for message in messages %}{% if loop.first and message['role'] != 'system' %}<|system|>none{% endif %}<|{{ message.role }}|>
{{ message['content'] | trim }}<|end|>
{% endfor %}{% if add_generation_prompt %}<|assistant|>
{% endif %}" > corpus/chat_template/chatml
    printf '%s' "{%- macro turn(m) -%}{{ '[INST] ' ~ m.content | tojson ~ ' [/INST]' }}{%- endmacro -%}
{%- set ns = namespace(last='', n=0) -%}{%- for m in messages[::-1] if m.content is string -%}{%- set ns.n = ns.n + 1 -%}
{{- turn(m) if m['role'] == 'user' else m.content.split('</think>')[-1].lstrip('\n') -}}{%- endfor -%}
{%- if ns.n > 9 -%}{{ raise_exception('too long') }}{%- endif -%}{{ strftime_now('%d %b %Y') }}" > corpus/chat_template/macro
    limit=8192 ;;
  tokenizer) cp $golden/st-cls/tokenizer.json corpus/tokenizer/word-piece; limit=8192 ;;
esac
if [ -f "$target.dict" ]; then dictionary=("-dict=$target.dict"); fi
exec "target/x86_64-unknown-linux-gnu/release/$target" -max_len=$limit "${dictionary[@]}" -rss_limit_mb=1024 \
  -malloc_limit_mb=64 -artifact_prefix=artifacts/ "$@" "corpus/$target"
