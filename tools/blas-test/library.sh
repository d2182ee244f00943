# Sourced by the other scripts: builds the library, and sets `library` (its path), `tools` (this directory) and `work` (where a
# script may leave things).
#
# For another machine (tools/arm/libraries.sh) the environment names in CKE_BLAS_LIBRARY a library that was built already, in CKE_TEST_RUNNER
# what starts programs, in CKE_ISAS the instruction sets, in CKE_DEBIAN_ARCH the architecture as Debian calls it, and compilers in CC and CXX.
tools=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$tools/../.."
target=$(mkdir -p "${CARGO_TARGET_DIR:-target}" && cd "${CARGO_TARGET_DIR:-target}" && pwd)
library=${CKE_BLAS_LIBRARY:-$target/release/libcke_blas.so}
read -r -a isas <<< "${CKE_ISAS:-scalar avx2 avx512}"
read -r -a runner <<< "${CKE_TEST_RUNNER:-}"
architecture=${CKE_DEBIAN_ARCH:-}
work=$target/blas-test
mkdir -p "$work"
[ -n "${CKE_BLAS_LIBRARY:-}" ] || cargo build --release --locked -p cke-blas

# How often the library was called for a routine, by the lines that CKE_BLAS_VERBOSE=1 leaves in a file.
calls() { awk -v routine="$1" '/^cke_blas: calls:/ { for (i = 3; i < NF; i += 2) if ($i == routine) sum += $(i + 1) } END { print sum + 0 }' "$2"; }

# unpack_debian DIRECTORY PACKAGE...: downloads Debian packages and unpacks them there, unless they are there already. Nothing is
# installed. Needs Debian or Ubuntu, and the network.
unpack_debian() {
    local directory=$1 packages=("${@:2}")
    set -- "${packages[@]/%/${architecture:+:$architecture}}"
    [ "$(cat "$directory/unpacked" 2> /dev/null)" != "$*" ] || return 0
    download_debian "$directory" "$@" || { apt-get -qq update && download_debian "$directory" "$@"; }
    for package in "$directory"/*.deb; do dpkg-deb -x "$package" "$directory"; done
    echo "$*" > "$directory/unpacked"
}

download_debian() {
    rm -rf "$1" && mkdir -p "$1"
    (cd "$1" && apt-get -qq download "${@:2}" 2> apt.log) || { cat "$1/apt.log" >&2; return 1; }
}
