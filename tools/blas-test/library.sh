# Sourced by the other scripts: builds the library, and sets `library` (its path), `tools` (this directory) and `work` (where a
# script may leave things).
tools=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$tools/../.."
target=$(mkdir -p "${CARGO_TARGET_DIR:-target}" && cd "${CARGO_TARGET_DIR:-target}" && pwd)
library=$target/release/libcke_blas.so
work=$target/blas-test
mkdir -p "$work"
cargo build --release --locked -p cke-blas

# How often the library was called for a routine, by the lines that CKE_BLAS_VERBOSE=1 leaves in a file.
calls() { awk -v routine="$1" '/^cke_blas: calls:/ { for (i = 3; i < NF; i += 2) if ($i == routine) sum += $(i + 1) } END { print sum + 0 }' "$2"; }
