#!/usr/bin/env bash
# Compares the public items of the Rust libraries with those of the last release, the tag vX.Y.Z that the commit descends from. Fails if a
# change breaks programs more than the step of the version in Cargo.toml announces. Without such a tag it says so and does nothing.
# Installs cargo-semver-checks under target/tools if it is missing (a few minutes, once). Usage: bash tools/release/semver.sh
set -euo pipefail
cd "$(dirname "$0")/../.."

tag=$(git describe --tags --abbrev=0 --match 'v[0-9]*.[0-9]*.[0-9]*' 2> /dev/null) || {
  echo "no release is tagged yet, so there is no interface to compare with"
  exit 0
}

version=0.51.0
tools=$PWD/target/tools
if [ "$("$tools/bin/cargo-semver-checks" --version 2> /dev/null)" != "cargo-semver-checks $version" ]; then
  # Without optimisation: it compiles in half the time.
  cargo install --debug cargo-semver-checks --version "$version" --locked --root "$tools" --target-dir "$tools/build"
  rm -rf "$tools/build"
fi

# Those with an interface in Rust: that of cke-blas and cke-capi is C, cke-cli is a program.
libraries=()
for name in kernels perf chart report engine demo-model; do libraries+=(--package "cke-$name"); done
# The tag is the baseline, not crates.io: it has also what a release has not published yet.
PATH=$tools/bin:$PATH cargo semver-checks "${libraries[@]}" --baseline-rev "$tag"
echo "passed: the step from $tag to the version in Cargo.toml announces all changes"
