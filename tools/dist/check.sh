#!/usr/bin/env bash
# Checks an archive of tools/dist/build.sh by what is in it alone: bash tools/dist/check.sh ARCHIVE x86_64|aarch64
# Needs readelf and a C compiler for the architecture, and an emulator where it is not this machine's. As root, `cke` runs with no other file
# in sight; else in an empty directory, with an empty environment.
set -euo pipefail
archive=$1 architecture=$2
most_bytes=$((24 * 1024 * 1024))

fail() { echo "dist: $archive: $*" >&2; exit 1; }
passed() { echo "passed: dist $architecture: $*"; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tar --extract --gzip --file "$archive" --directory "$work"
root=$(echo "$work"/*)
cke=$root/bin/cke

[ "$(stat -c %s "$archive")" -le "$most_bytes" ] || fail "wanted at most $most_bytes bytes, found $(stat -c %s "$archive")"
for file in bin/cke lib/libcke.so lib/libcke_blas.so include/cke.h include/cke_blas.h include/cke/cblas.h lib/pkgconfig/cke.pc lib/pkgconfig/cke_blas.pc \
    share/bash-completion/completions/cke share/zsh/site-functions/_cke share/fish/vendor_completions.d/cke.fish \
    share/man/man1/cke.1 share/man/man1/cke-generate.1 LICENSE-MIT LICENSE-APACHE THIRD-PARTY README; do
    [ -s "$root/$file" ] || fail "wanted $file, found none"
done
passed "$(stat -c %s "$archive") bytes (cke: $(stat -c %s "$cke")), all files"

headers=$(readelf --program-headers --dynamic --wide "$cke")
! grep -qE 'INTERP|NEEDED' <<< "$headers" || fail "wanted a static bin/cke, found one that needs a loader or libraries"
for file in "$cke" "$root"/lib/*.so; do
    ! readelf --sections --wide "$file" | grep -q ' \.symtab ' || fail "wanted $file without symbols, found some"
    ! grep -qaF -e "$(cd "$(dirname "$0")/../.." && pwd)" -e "$HOME/." "$file" || fail "$file has paths of this machine in it"
done
passed "static, no symbols, no paths of this machine"

# alone ARGUMENTS: runs cke where there is nothing else.
mkdir "$work/alone"
cp "$cke" "$work/alone/cke"
emulator=()
if [ "$architecture" != "$(uname -m)" ]; then
    emulator=(/emulator)
    cp "$(command -v "qemu-$architecture-static")" "$work/alone/emulator" || fail "wanted qemu-$architecture-static to run it"
fi
if [ "$(id -u)" = 0 ]; then
    chroot=$(PATH=$PATH:/usr/sbin:/sbin command -v chroot)
    alone() { env -i "$chroot" "$work/alone" "${emulator[@]}" /cke "$@"; }
else
    alone() { (cd "$work/alone" && env -i "${emulator[@]/#/.}" ./cke "$@"); }
fi

text=$(alone generate "The iterator" --temperature 0 -n 12)
[ ${#text} -gt 20 ] || fail "wanted a text from the demo model, found '$text'"
alone doctor --no-measure | grep -q '^| CPU ' || fail "cke doctor names no CPU"
passed "cke writes a text and knows its CPU with no other file around"

for arguments in "bench gemm --against x=/lib/libx.so" "bench gemm --against auto" "bench accuracy --against auto" \
    "audit --against x=/lib/libx.so"; do
    status=0
    # shellcheck disable=SC2086 # words
    message=$(alone $arguments 2>&1) || status=$?
    [ "$status" = 2 ] && grep -q 'linked statically' <<< "$message" || fail "cke $arguments: wanted a refusal, found $status: $message"
done
passed "what would load libraries is refused"

case $architecture in "$(uname -m)") cc=cc emulator=() ;; *) cc=$architecture-linux-gnu-gcc emulator=("qemu-$architecture-static") ;; esac
for pair in "cke crates/capi/examples/layer.c" "cke_blas crates/blas/examples/product.c"; do
    read -r library source <<< "$pair"
    read -r -a flags <<< "$(PKG_CONFIG_PATH=$root/lib/pkgconfig pkg-config --cflags --libs "$library")"
    "$cc" -std=c11 "$(dirname "$0")/../../$source" -o "$work/program" "${flags[@]}" -lm -pthread
    LD_LIBRARY_PATH=$root/lib "${emulator[@]}" "$work/program" > /dev/null || fail "$source fails with lib$library.so"
done
passed "C programs run with the libraries"
