#!/usr/bin/env bash
# Installs what builds and runs programs for 64-bit ARM on an x86-64 Debian: bash tools/arm/setup.sh
#
# Debian's own Rust compiler with its standard library for arm64, a cross linker with the C library, and QEMU's emulation of single
# programs. Your own toolchain stays as it is; `tools/arm/test.sh` names Debian's compiler to cargo. What is there is not installed again.
set -euo pipefail

packages=(rustc-web libstd-rust-web-dev libstd-rust-web-dev:arm64 gcc-aarch64-linux-gnu g++-aarch64-linux-gnu
    libc6-dev-arm64-cross libgomp1:arm64 qemu-user-static)

is_installed() { [ "$(dpkg-query --show --showformat '${db:Status-Status}' "$1" 2> /dev/null)" = installed ]; }

# dpkg-query wants an architecture where a package has several.
missing=()
for package in "${packages[@]}"; do
    case $package in libstd-rust-web-dev) name=$package:amd64 ;; *) name=$package ;; esac
    is_installed "$name" || missing+=("$package")
done

if [ ${#missing[@]} -gt 0 ]; then
    command -v apt-get > /dev/null || { echo "setup: wanted Debian with apt-get; install yourself: ${missing[*]}" >&2; exit 1; }
    [ "$(id -u)" = 0 ] || { echo "setup: installing ${missing[*]} needs root: run as root, or with sudo" >&2; exit 1; }
    echo "setup: adds the architecture arm64 to dpkg, and installs ${missing[*]}"
    dpkg --add-architecture arm64
    apt-get -qq update
    DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "${missing[@]}"
fi

# Debian has had compilers of this name that are too old for this workspace.
wanted=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' "$(dirname "$0")/../../Cargo.toml")
found=$(/usr/bin/rustc --version | cut -d ' ' -f 2)
if [ "$(printf '%s\n' "$wanted" "$found" | sort -V | head -n 1)" != "$wanted" ]; then
    echo "setup: wanted Debian's rustc $wanted or later, found $found: enable the security updates of this release" >&2
    exit 1
fi
echo "setup: $(/usr/bin/rustc --version), $(aarch64-linux-gnu-gcc --version | head -n 1), $(qemu-aarch64-static --version | head -n 1)"
