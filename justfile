# The daily commands. `just` lists them.

# What CI runs, on this checkout.
ci:
    bash .ci/run

# All tests; e.g. `just test -p cke-kernels`.
test *ARGS:
    cargo test --workspace {{ARGS}}

# The tests as a CPU with less would run them: scalar or avx2.
test-isa ISA:
    CKE_ISA={{ISA}} cargo test -p cke-kernels -p cke-engine

# The tests under a sanitizer: address or thread.
sanitize KIND="address":
    bash tools/sanitize/{{KIND}}.sh

# The tests on 64-bit ARM, in emulation; tools/arm/setup.sh installs what it takes.
arm-test:
    bash tools/arm/test.sh

# What llvm-mca expects of the kernels on cores of ARM.
arm-model:
    bash tools/arm/model.sh

# Hardware counters of an emulated machine of 64-bit ARM, after `just dist aarch64`.
arm-pmu:
    bash tools/arm/pmu.sh

# Archives with a static cke, libraries, manual pages: target/dist.
dist *ARGS:
    bash tools/dist/build.sh {{ARGS}}

# Formatting and lints.
lint:
    cargo fmt --all
    cargo clippy --workspace --all-targets -- -D warnings

# The API documentation, opened in a browser.
doc:
    cargo doc --workspace --no-deps --open

# The book, built into target/book.
book:
    bash tools/book/build.sh

# Text from the demo model.
generate PROMPT="The iterator":
    cargo run --release -- generate "{{PROMPT}}"

# How fast this machine runs GPT-2.
bench *ARGS:
    cargo run --release -- bench model --synthetic gpt2 {{ARGS}}

# Where the time of a GPT-2 goes, as a page.
profile *ARGS:
    cargo run --release -- profile --synthetic gpt2 --html target/profile.html {{ARGS}}

# Models beside PyTorch, ONNX Runtime, OpenVINO and llama.cpp; tools/peers/README.md says how to install them.
peers *ARGS:
    python3 tools/peers/peers.py {{ARGS}}

# Fuzzes a target, or all, for a minute each.
fuzz TARGET="all":
    bash fuzz/run.sh {{TARGET}} -max_total_time=60
