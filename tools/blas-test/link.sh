#!/usr/bin/env bash
# Compiles the C and C++ programs here against libcke_blas.so and runs them. Needs C and C++ compilers.
set -euo pipefail
source "$(dirname "$0")/library.sh"

# build SOURCE [OPTIONS]: compiles it to $work/program, linked with what is in `after`, too.
after=()
build() {
    local source=$1 compiler=("${CC:-cc}" -std=c11)
    [ "${source##*.}" = c ] || compiler=("${CXX:-c++}" -std=c++17)
    "${compiler[@]}" -O2 -Wall -Wextra -Wpedantic -Werror "${@:2}" -Icrates/blas/include "$tools/$source" -o "$work/program" \
        -L"${library%/*}" -lcke_blas -Wl,-rpath,"${library%/*}" -pthread -lm "${after[@]}"
}

# With each kind of error reporter: called, and left by an exception or longjmp.
for style in PLAIN_STYLE MKL_STYLE; do
    for source in link.c errors.cpp; do
        build "$source" "-D$style"
        "${runner[@]}" "$work/program"
        echo "passed: $source, $style"
    done
done

# Beside another BLAS, whose error reporters are not the program's own.
"${CC:-cc}" -std=c11 -O2 -Wall -Wextra -Werror -shared -fPIC "$tools/exiting_blas.c" -o "$work/libexiting_blas.so"
after=(-L"$work" -lexiting_blas -Wl,-rpath,"$work")
for own in "" -DOWN_XERBLA; do
    build beside.c ${own:+"$own"}
    "${runner[@]}" "$work/program"
    echo "passed: beside.c $own"
done
after=()

# run_everywhere SOURCE [ARGUMENTS]: on every instruction set, of which a CPU without it takes the next lower one, and with one thread and
# with two.
run_everywhere() {
    build "$1"
    for isa in "${isas[@]}"; do
        for threads in 1 2; do
            CKE_ISA=$isa CKE_NUM_THREADS=$threads "${runner[@]}" "$work/program" "${@:2}"
            echo "passed: $1, $isa, threads: $threads"
        done
    done
}

if [ ${#runner[@]} -eq 0 ]; then
    run_everywhere flags.c
    run_everywhere stack.c
else
    # Every fourth size: all of them would take an hour.
    run_everywhere flags.c 4
    echo "skipped: stack.c: the library that is emulated is not optimised, and takes more"
fi

# Without limits in the environment the library looks for the CPUs of the process.
unset CKE_NUM_THREADS OMP_NUM_THREADS OPENBLAS_NUM_THREADS MKL_NUM_THREADS BLIS_NUM_THREADS
if [ ${#runner[@]} -eq 0 ]; then
    "$work/program"
    echo "passed: stack.c, threads: as the process may have"
fi

if "${CC:-cc}" -fopenmp -x c - -o "$work/program" <<< 'int main(void) { return 0; }' 2> /dev/null; then
    build openmp.c -fopenmp
    threads=$(OMP_PROC_BIND=false "${runner[@]}" "$work/program")
    OMP_PROC_BIND=true "${runner[@]}" "$work/program" "$threads"
    echo "passed: openmp.c, threads: $threads"
else
    echo "skipped: openmp.c: this compiler has no OpenMP"
fi
