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

# unpack_debian DIRECTORY PACKAGE...: downloads Debian packages and unpacks them there, unless they are there already. Nothing is
# installed. Needs Debian or Ubuntu, and the network.
unpack_debian() {
    local directory=$1
    shift
    [ "$(cat "$directory/unpacked" 2> /dev/null)" != "$*" ] || return 0
    download_debian "$directory" "$@" || { apt-get -qq update && download_debian "$directory" "$@"; }
    for package in "$directory"/*.deb; do dpkg-deb -x "$package" "$directory"; done
    echo "$*" > "$directory/unpacked"
}

download_debian() {
    rm -rf "$1" && mkdir -p "$1"
    (cd "$1" && apt-get -qq download "${@:2}" 2> apt.log) || { cat "$1/apt.log" >&2; return 1; }
}
