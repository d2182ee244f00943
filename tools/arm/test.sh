#!/usr/bin/env bash
# Builds libraries, command and tests for 64-bit ARM and runs those tests that compute in QEMU's emulation of single programs:
# bash tools/arm/test.sh. Needs what tools/arm/setup.sh installs, cargo, and the network for the BLAS testers. Everything is built in
# target/cross. The last line sums up: N passed, M failed, K skipped; what is printed is also in target/cross/test.log.
#
# QEMU_CPU names a core and so the features that programs see. No test runs on two cores unless these make a difference to it:
#
#   max                       has sdot and smmla: every kernel there is, those for plain NEON among them, each against its oracle
#   cortex-a72                plain NEON: models, commands, BLAS and C interface
#   cortex-a76                sdot: models with weights of few bits, once more
#   cortex-a53, neoverse-n1   nothing that the others lack: which core is found
set -euo pipefail
cd "$(dirname "$0")/../.."

export CARGO_TARGET_DIR=target/cross
if [ "${1:-}" != steps ]; then
    mkdir -p "$CARGO_TARGET_DIR"
    trap : INT TERM # the steps end, and are summed up
    status=0
    bash tools/arm/test.sh steps 2>&1 | tee "$CARGO_TARGET_DIR/test.log" || status=$?
    printf '64-bit ARM, in %s s: ' "$SECONDS"
    awk -v status="$status" -f .ci/sum.awk "$CARGO_TARGET_DIR/test.log"
    exit "$status"
fi

emulator=qemu-aarch64-static
target=aarch64-unknown-linux-gnu
export RUSTC=/usr/bin/rustc CARGO_INCREMENTAL=0
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER=$emulator
export CKE_TEST_RUNNER=$emulator      # what starts the programs that tests start
unset CKE_MINILM_DIR CKE_REQUIRE_MINILM # a model of real size is for a real CPU

# Everything is built for the whole workspace at once: for single packages cargo would build parts of it again, with other features.
cargo_test() { cargo test --workspace --locked --no-fail-fast --target "$target" "$@"; }
# Of parts. The engine's unit tests are about texts and settings, and would build it a second time.
unit_tests=(--exclude cke-engine --lib)

failures=0
on() { # on CORE ARGUMENTS: these tests on this core
    local core=$1
    shift
    echo "--- $core ($SECONDS s)"
    QEMU_CPU=$core cargo_test "$@" || failures=$((failures + 1))
}

# Products with a gate, or into other numbers than f32, are made of what the kernels' tests compute; models test them. Of the engine those
# that compute: reading of texts and settings is the same code on every machine.
kernels=(gemm grouped halves int8 operations toys)
models=(bert_golden decoder_golden embed_golden gguf_formats gguf_golden gpt2_golden chat_session generate kv_cache memory packed_file weight_formats)
interfaces=(threads blas process interface)
commands=(doctor:: generate:: embed:: eval:: quantize:: process::)

tests() { printf -- '--test=%s ' "$@"; }

# What limits the address space limits the emulator, too, which takes more.
for test in memory_limit product_without_memory; do
    echo "skipped: $test, which the emulator would not fit into"
done
# A forked child of a program with threads was seen to wait for ever in a lock of QEMU itself, where its alarm did not reach it, either. What
# a child of these libraries does is the same code on every CPU.
forks=(product_in_a_forked_child product_in_a_child_forked job_in_a_forked_child job_in_a_child_forked drop_in_a_forked_child pool_made_in_a_forked_child)
for test in "${forks[@]}"; do
    echo "skipped: fork::$test, whose child may hang in the emulator"
done
# Texts of many kilobytes, or a start, for which tests wait as long as a CPU takes that is not emulated.
slow=(embed_text_of_10_megabytes eval_first_example_of_its_own_help interrupt_while_reading_stdin_ends_at_once)
for test in "${slow[@]}"; do
    echo "skipped: $test, which takes longer in emulation than it waits"
done

# shellcheck disable=SC2046 # words
{
    cargo_test $(tests "${kernels[@]}" "${models[@]}" "${interfaces[@]}" commands) --no-run
    cargo_test "${unit_tests[@]}" --no-run
    # Beside the kernels, which leave much of a second CPU idle.
    others_log=$CARGO_TARGET_DIR/others.log
    (
        on cortex-a72 "${unit_tests[@]}"
        on cortex-a72 $(tests "${models[@]}" "${interfaces[@]}") -- --skip memory_limit --skip product_without_memory --skip fork::
        on cortex-a72 --test commands -- "${commands[@]}" --skip memory_limit $(printf -- '--skip %s ' "${slow[@]}")
        on cortex-a76 $(tests weight_formats gguf_formats)
        echo "--- C programs ($SECONDS s)"
        bash tools/arm/libraries.sh "$CARGO_TARGET_DIR/$target/debug/deps" || failures=$((failures + 1))
        exit "$failures"
    ) > "$others_log" 2>&1 &
    on max $(tests "${kernels[@]}")
    wait $! || failures=$((failures + 1))
    cat "$others_log"
}

for core in Cortex-A53 Cortex-A72 Cortex-A76 Neoverse-N1; do
    QEMU_CPU=${core,,} "$emulator" "$CARGO_TARGET_DIR/$target/debug/cke" doctor --no-measure | grep -q "^| CPU  *| $core " || {
        echo "arm: cke doctor does not find a $core" >&2
        exit 1
    }
    echo "passed: cke doctor finds a $core"
done
[ "$failures" = 0 ]
