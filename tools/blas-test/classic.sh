#!/usr/bin/env bash
# Runs the classic testers of the BLAS, levels 2 and 3, with libcke_blas.so preloaded over the reference BLAS: the routines that the
# library exports, with the testers' own sizes and with sizes around vector widths and tiles, on each instruction set of this CPU.
#
# The testers and the reference BLAS are Debian's (libblas-test, libblas3); they are unpacked below the target directory and not
# installed. Needs Debian or Ubuntu and the network.
set -euo pipefail
source "$(dirname "$0")/library.sh"

root=$work/debian
# The testers are compiled for at most 9 sizes of at most 65.
sizes='0 1 2 7 15 17 33 63 65'

packages=(libblas-test libblas3 libgfortran5)
[ "$architecture" = arm64 ] || packages+=(libquadmath0)
unpack_debian "$root" "${packages[@]}"
blas=$(echo "$root"/usr/lib/*/blas)

# An input that tests nothing but gemm and gemv.
only_ours() { sed -E '/PUT F FOR NO TEST/ { /gem[mv] /I! s/ T / F / }' "$1"; }

# The same with our sizes.
with_sizes() {
    only_ours "$1" | awk -v sizes="$sizes" '
        /NUMBER OF VALUES OF N$/ { sub(/^[0-9]+/, split(sizes, list, " ")) }
        /[0-9] +VALUES OF N$/ { $0 = sizes " VALUES OF N" }
        { print }'
}

# run TESTER INPUT ROUTINE RESULTS: fails unless the tester prints "ROUTINE PASSED" RESULTS times, reports no failure, and calls the library.
run() {
    local tester=$1 input=$2 routine=$3 results=$4 report=$work/report verbose=$work/verbose
    rm -f ./*blat?.out
    LD_LIBRARY_PATH="$blas:${blas%/blas}" LD_PRELOAD=$library CKE_BLAS_VERBOSE=1 "${runner[@]}" "$blas/$tester" < "$input" > "$report" 2> "$verbose"
    cat ./*blat?.out >> "$report" 2> /dev/null || true # the Fortran testers write to a file
    local passed found
    passed=$(grep -ciE "$routine +PASSED" "$report" || true)
    found=$(calls "$routine" "$verbose")
    if [ "$passed" -ne "$results" ] || [ "$found" -eq 0 ] ||
        grep -E 'FAIL|FATAL|SUSPECT|NOT DETECTED|ABANDONED|XERBLA WAS CALLED' "$report"; then
        cat "$report" "$verbose"
        echo "$tester (CKE_ISA=${CKE_ISA:-}): wanted $results times PASSED, found $passed, in $found calls of $routine"
        exit 1
    fi
    printf '%-9s %-7s %-6s passed in %6d calls\n' "$tester" "${CKE_ISA:-}" "$routine" "$found"
}

cd "$work"
for isa in "${isas[@]}"; do
    export CKE_ISA=$isa
    for make_input in only_ours with_sizes; do
        for type in s d; do
            for level in 2v 3m; do
                routine=${type}gem${level#?} level=${level%?}
                "$make_input" "$blas/${type}blat$level.in" > fortran.in
                "$make_input" "$blas/${type}in$level" > cblas.in
                run "xblat$level$type" fortran.in "$routine" 2 # error exits, results
                run "x${type}cblat$level" cblas.in "$routine" 3 # error exits, results in both layouts
            done
        done
    done
done
echo "classic: all testers passed"
