#!/usr/bin/env bash
# Builds what is given away, for both architectures: bash tools/dist/build.sh [x86_64|aarch64]...
#
# Leaves target/dist/cke-VERSION-{x86_64,aarch64}-linux.tar.gz and SHA256SUMS, after tools/dist/check.sh has run what is in them. `cke` is
# linked statically against musl: it needs no file of the system. The two libraries are loaded into other people's programs, so they use the
# system's C library. The same commit and toolchain give the same bytes, wherever the directories lie.
#
# Needs rustup (for the standard libraries of the targets, which it fetches), a C linker and readelf for each architecture, and for the check of
# the other architecture's an emulator: tools/arm/setup.sh installs these on Debian.
set -euo pipefail
cd "$(dirname "$0")/../.."

architectures=("$@")
[ $# -gt 0 ] || architectures=(x86_64 aarch64)
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml)
dist=$PWD/target/dist
mkdir -p "$dist"

for tool in rustup cargo readelf sha256sum; do
    command -v "$tool" > /dev/null || { echo "dist: wanted $tool, found none" >&2; exit 1; }
done
targets=()
for architecture in "${architectures[@]}"; do
    case $architecture in x86_64 | aarch64) ;; *) echo "dist: wanted x86_64 or aarch64, found $architecture" >&2; exit 2 ;; esac
    targets+=("$architecture-unknown-linux-musl" "$architecture-unknown-linux-gnu")
done
rustup target add "${targets[@]}"

# Nothing in the files may tell when or where they were built.
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH CARGO_TARGET_DIR=target/dist-build CARGO_INCREMENTAL=0
flags="--remap-path-prefix=$PWD=/cke --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo"
for architecture in "${architectures[@]}"; do
    upper=${architecture^^}
    export "CARGO_TARGET_${upper}_UNKNOWN_LINUX_MUSL_RUSTFLAGS=$flags -C target-feature=+crt-static"
    export "CARGO_TARGET_${upper}_UNKNOWN_LINUX_GNU_RUSTFLAGS=$flags"
    # Rust's own linker, so that no C library but the one that comes with its standard library is looked for.
    export "CARGO_TARGET_${upper}_UNKNOWN_LINUX_MUSL_LINKER=rust-lld"
    [ "$architecture" = "$(uname -m)" ] || export "CARGO_TARGET_${upper}_UNKNOWN_LINUX_GNU_LINKER=$architecture-linux-gnu-gcc"
done

cargo_for() { cargo "$1" --locked --profile dist --target "$architecture-unknown-linux-$2" "${@:3}"; }

# What is in libdl elsewhere is in musl itself, but a crate asks for the file.
mkdir -p "$CARGO_TARGET_DIR/empty"
printf '!<arch>\n' > "$CARGO_TARGET_DIR/empty/libdl.a"

# install_into DIRECTORY ARCHITECTURE
install_into() {
    local root=$1 built=$CARGO_TARGET_DIR/$2-unknown-linux- soname=libcke.so.${version%.*} template
    install -D -m 755 "${built}musl/dist/cke" "$root/bin/cke"
    install -D -m 755 "${built}gnu/dist/libcke.so" "$root/lib/libcke.so.$version"
    ln -s "libcke.so.$version" "$root/lib/$soname"
    ln -s "$soname" "$root/lib/libcke.so"
    install -m 755 "${built}gnu/dist/libcke_blas.so" "$root/lib/"
    install -D -m 644 -t "$root/include" crates/capi/include/cke.h crates/blas/include/cke_blas.h
    install -D -m 644 -t "$root/include/cke" crates/blas/include/cke/cblas.h
    mkdir "$root/lib/pkgconfig"
    for template in crates/capi/cke.pc.in crates/blas/cke_blas.pc.in; do
        sed -e "s|@VERSION@|$version|" -e '/@PRIVATE_LIBS@/d' "$template" \
            > "$root/lib/pkgconfig/$(basename "$template" .in)"
    done
    cp -r "$dist/share" "$root/"
    install -m 644 LICENSE-MIT LICENSE-APACHE "$root/"
    python3 tools/dist/licences.py "$2-unknown-linux-musl" > "$root/THIRD-PARTY"
    sed -e "s/@VERSION@/$version/" -e "s/@ARCHITECTURE@/$2/" \
        -e "s/@GLIBC@/$(newest_glibc "$root/lib/libcke.so.$version" "$root/lib/libcke_blas.so")/" tools/dist/README.in > "$root/README"
}

# The newest version of the C library that these libraries ask for.
newest_glibc() { readelf --version-info --wide "$@" | grep -o 'GLIBC_[0-9.]*' | sed 's/GLIBC_//' | sort -uV | tail -n 1; }

# Completions and manual pages are the same everywhere: written by the program of this machine.
write_shared() {
    local cke=$CARGO_TARGET_DIR/$1-unknown-linux-musl/dist/cke share=$dist/share
    rm -rf "$share"
    mkdir -p "$share"/{bash-completion/completions,zsh/site-functions,fish/vendor_completions.d}
    run "$1" "$cke" completions bash > "$share/bash-completion/completions/cke"
    run "$1" "$cke" completions zsh > "$share/zsh/site-functions/_cke"
    run "$1" "$cke" completions fish > "$share/fish/vendor_completions.d/cke.fish"
    run "$1" "$cke" manual "$share/man/man1"
}

# run ARCHITECTURE PROGRAM ARGUMENTS
run() { if [ "$1" = "$(uname -m)" ]; then "${@:2}"; else "qemu-$1-static" "${@:2}"; fi; }

for architecture in "${architectures[@]}"; do
    # Stripped by name: cargo forgets the profile's word for a package that it has other settings for.
    cargo_for rustc musl -p cke-cli --bin cke -- -C strip=symbols -L "native=$CARGO_TARGET_DIR/empty"
    cargo_for build gnu -p cke-capi -p cke-blas --lib
done
write_shared "${architectures[0]}"

for architecture in "${architectures[@]}"; do
    name=cke-$version-$architecture-linux
    rm -rf "${dist:?}/$name"
    install_into "$dist/$name" "$architecture"
    tar --create --directory "$dist" --sort=name --owner=0 --group=0 --numeric-owner --mode=go=rX,u+rw,a-s \
        --mtime="@$SOURCE_DATE_EPOCH" "$name" | gzip -9n > "$dist/$name.tar.gz"
    rm -r "${dist:?}/$name"
    bash tools/dist/check.sh "$dist/$name.tar.gz" "$architecture"
    here=$CARGO_TARGET_DIR/$(uname -m)-unknown-linux-musl/dist/cke
    [ ! -x "$here" ] || bash tools/dist/loopback.sh "$here" "$dist/$name.tar.gz" "$architecture"
done
rm -r "$dist/share"
(cd "$dist" && sha256sum -- *.tar.gz > SHA256SUMS && cat SHA256SUMS)
