#!/usr/bin/env bash
# Builds the C library and the BLAS and installs them: bash crates/capi/install.sh PREFIX
# Afterwards programs find them with PKG_CONFIG_PATH=PREFIX/lib/pkgconfig pkg-config --cflags --libs cke (or cke_blas). Where PREFIX/lib is
# no directory of the system's, link with -Wl,-rpath,PREFIX/lib too, so that the loader finds them.
# Needs: a Rust toolchain. DESTDIR, where set, is put before every path that is written, as packagers expect.
set -euo pipefail

if [ $# -ne 1 ] || [ "${1#/}" = "$1" ]; then
  echo "usage: install.sh PREFIX, an absolute path" >&2
  exit 2
fi
prefix=$1
root=${DESTDIR:-}$prefix
cd "$(dirname "$0")"

version=$(sed -n 's/^version = "\(.*\)"$/\1/p' ../../Cargo.toml)
soname=libcke.so.${version%.*}
target=$(cargo metadata --format-version 1 --no-deps --locked | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
# What a program has to add that links libcke.a, as the compiler says.
private_libs=$(cargo rustc --locked --release --lib -- --print native-static-libs 2>&1 | tee /dev/stderr |
  sed -n 's/^note: native-static-libs: //p' | head -n 1)
# C compilers add the unwinder themselves: -lgcc_s, or -lgcc_eh with -static, when there is no static -lgcc_s.
private_libs=${private_libs//-lgcc_s /}
cargo build --locked --release -p cke-blas

install -d "$root/include/cke" "$root/lib/pkgconfig"
install -m 644 include/cke.h ../blas/include/cke_blas.h "$root/include/"
install -m 644 ../blas/include/cke/cblas.h "$root/include/cke/"
install -m 644 "$target/release/libcke.a" "$root/lib/"
install -m 755 "$target/release/libcke.so" "$root/lib/libcke.so.$version"
ln -sf "libcke.so.$version" "$root/lib/$soname"
ln -sf "$soname" "$root/lib/libcke.so"
# Its name has no version, so that it can stand where a program expects any BLAS.
install -m 755 "$target/release/libcke_blas.so" "$root/lib/"
for template in cke.pc.in ../blas/cke_blas.pc.in; do
  sed -e "s|@VERSION@|$version|" -e "s|@PRIVATE_LIBS@|$private_libs|" "$template" \
    > "$root/lib/pkgconfig/$(basename "$template" .in)"
done
echo "installed version $version under $root"
