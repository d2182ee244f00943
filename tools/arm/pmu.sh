#!/usr/bin/env bash
# Reads the counters of an emulated 64-bit ARM CPU with cke: bash tools/arm/pmu.sh [CKE]
#
# CKE is a static cke for 64-bit ARM; without it, the one of the archive that `tools/dist/build.sh aarch64` made. Boots Debian's kernel in
# QEMU's emulation of whole machines, whose Cortex-A72 counts cycles and instructions, and checks what `cke doctor`, `cke bench gemm` and
# `cke profile` say on three machines:
#
#   one     two equal cores: counts are what the arithmetic needs; a user gets them at perf_event_paranoid 2, and a reason at 3
#   two     two kinds of cores, each with a counting unit of its own, as on boards with large and small cores: both count
#   none    cores without counters: the reason
#
# The emulator counts a cycle for each instruction, and nothing else. So this shows that counts arrive and are complete. It says nothing about
# cycles on a board, and nothing about cache misses, TLB misses and stalls.
#
# Needs what tools/arm/setup.sh installs, Python, and the network for Debian's packages: the kernel, BusyBox and tools for device trees, which
# are unpacked below target/arm-pmu. Installs qemu-system-arm if it is missing. Takes a few minutes, and is no part of CI.
set -euo pipefail
cd "$(dirname "$0")/../.."

fail() { echo "pmu: $*" >&2; exit 1; }

[ $# -le 1 ] || { echo "usage: pmu.sh [CKE], a static cke for 64-bit ARM" >&2; exit 2; }
for tool in apt-get dpkg python3 qemu-aarch64-static readelf; do
    command -v "$tool" > /dev/null || fail "wanted $tool, found none: run tools/arm/setup.sh on Debian"
done
dpkg --print-foreign-architectures | grep -qx arm64 || fail "wanted arm64 among dpkg's architectures, found none: run tools/arm/setup.sh"

if ! command -v qemu-system-aarch64 > /dev/null; then
    [ "$(id -u)" = 0 ] || fail "installing qemu-system-arm needs root: run as root, or with sudo"
    echo "pmu: installs qemu-system-arm"
    DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends qemu-system-arm
fi

source=$PWD/tools/arm/pmu
work=$PWD/target/arm-pmu
debian=$work/debian
mkdir -p "$debian"

if [ ! -e "$debian/complete" ]; then
    kernel=$(apt-cache depends --important linux-image-arm64:arm64 | sed -n 's/^ *Depends: \(linux-image-.*\)$/\1/p')
    [ -n "$kernel" ] || fail "wanted Debian's package linux-image-arm64, found none: run apt-get update"
    (cd "$debian" && apt-get -qq -o APT::Sandbox::User=root download "$kernel" busybox-static:arm64 device-tree-compiler && for package in ./*.deb; do
        dpkg --fsys-tarfile "$package" | tar --extract --exclude='./lib/modules' --exclude='./usr/share'
    done && rm ./*.deb && touch complete)
fi
busybox=$debian/bin/busybox

root=$work/root
rm -rf "$root"
mkdir -p "$root"/{bin,dev,etc,proc,sys,tmp}
if [ $# = 1 ]; then
    cp "$1" "$root/bin/cke"
else
    version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml)
    name=cke-$version-aarch64-linux
    archive=target/dist/$name.tar.gz
    [ -e "$archive" ] || fail "wanted $archive, found none: bash tools/dist/build.sh aarch64 makes it"
    tar --extract --gzip --file "$archive" --to-stdout "$name/bin/cke" > "$root/bin/cke"
fi
readelf --file-header "$root/bin/cke" | grep -q 'AArch64' || fail "wanted a cke for 64-bit ARM, found $(file -b "$root/bin/cke")"
! readelf --program-headers "$root/bin/cke" | grep -q INTERP || fail "wanted a static cke, found one that needs a loader"
cp "$busybox" "$root/bin/busybox"
cp "$source/init" "$root/init"
echo 'user:x:1000:1000::/:/bin/sh' > "$root/etc/passwd"
echo 'user:x:1000:' > "$root/etc/group"
chmod 755 "$root/init" "$root/bin/cke"
chmod 1777 "$root/tmp"
(cd "$root" && find . | qemu-aarch64-static "$busybox" cpio -o -H newc -R 0:0 2> "$work/cpio.log" | gzip -1 > "$work/initramfs.gz")

machine=(-machine virt -m 1G -smp 2 -nographic -nic none -no-reboot)
# Device tree of two kinds of cores. The interrupts are of no device: counters that overflow are read too late, which takes four seconds.
two=$work/two-kinds.dtb
qemu-system-aarch64 "${machine[@]}" -cpu cortex-a72 -machine "dumpdtb=$two" > "$work/dumpdtb.log" 2>&1
fdtput() { "$debian/usr/bin/fdtput" "$@"; }
fdtput -r "$two" /pmu
for kind in 0:cortex-a53 1:cortex-a72; do
    core=${kind%:*} node=/pmu-${kind%:*}
    fdtput -c "$two" "$node"
    fdtput -t s "$two" "$node" compatible "arm,${kind#*:}-pmu"
    fdtput -t x "$two" "$node" interrupts 0 "6$core" 4
    fdtput -t x "$two" "$node" interrupt-affinity "$("$debian/usr/bin/fdtget" -t x "$two" "/cpus/cpu@$core" phandle)"
done

# boot NAME OPTIONS...: with a clock that goes by instructions, which the emulator needs to count them
boot() {
    local log=$work/$1.log status=0 kernel
    kernel=$(echo "$debian"/boot/vmlinuz-*)
    timeout 900 qemu-system-aarch64 "${machine[@]}" "${@:2}" -icount shift=0,sleep=off -kernel "$kernel" -initrd "$work/initramfs.gz" \
        -append "console=ttyAMA0 quiet loglevel=1 panic=-1 MACHINE=$1" < /dev/null > "$log" 2>&1 || status=$?
    grep -q '^=== complete' "$log" || { tail -n 20 "$log" >&2; fail "machine $1: wanted it to end within 900 s, found exit status $status; see $log"; }
}

boot one -cpu cortex-a72
boot two -cpu cortex-a72 -dtb "$two"
boot none -cpu cortex-a72,pmu=off
python3 "$source/check.py" "$work"
