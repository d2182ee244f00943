#!/usr/bin/env bash
# Runs NumPy's own tests of matmul, dot, einsum and linalg with libcke_blas.so preloaded, and demands that the calls arrived: NumPy
# from PyPI calls scipy_cblas_sgemm64_ and its like. Then products with floating-point flags and warnings as errors, and threadpoolctl
# with the class that the README of the library has for it. Needs Python 3.11 or later with venv, and the network.
set -euo pipefail
source "$(dirname "$0")/library.sh"

environment=$work/venv
if ! cmp -s "$tools/requirements.txt" "$environment/requirements.txt"; then
    rm -rf "$environment"
    python3 -m venv "$environment"
    "$environment/bin/python" -m pip install --quiet --disable-pip-version-check -r "$tools/requirements.txt"
    cp "$tools/requirements.txt" "$environment/"
fi

# Left out: test_huge_vectordot, which takes up to 16 GB and tests ddot and zdotu, which the library does not have.
# NumPy tests itself where it is installed; nothing of the checkout may come first on its path.
mkdir -p "$work/empty"
cd "$work/empty"
LD_PRELOAD=$library CKE_BLAS_VERBOSE=1 "$environment/bin/python" -m pytest -q --disable-warnings -p no:cacheprovider --pyargs \
    numpy._core.tests.test_multiarray numpy._core.tests.test_numeric numpy._core.tests.test_einsum \
    numpy._core.tests.test_multithreading numpy.linalg.tests \
    -k '(dot or matmul or inner or einsum or linalg or parallel) and not huge_vectordot' \
    2> "$work/verbose" || { cat "$work/verbose"; exit 1; }

for routine in sgemm dgemm sgemv dgemv; do
    found=$(calls "$routine" "$work/verbose")
    echo "numpy: $found calls of $routine"
    [ "$found" -gt 0 ]
done
if grep -vE '^cke_blas: calls:' "$work/verbose"; then
    echo "numpy: the lines above are not expected on stderr" >&2
    exit 1
fi

LD_PRELOAD=$library CKE_BLAS_VERBOSE=1 "$environment/bin/python" "$tools/numpy_flags.py" 2> "$work/verbose" ||
    { cat "$work/verbose"; exit 1; }
[ "$(calls sgemm "$work/verbose")" -gt 100 ]
[ "$(calls dgemm "$work/verbose")" -gt 100 ]
echo "numpy: products raise no floating-point flag"

# threadpoolctl finds the OpenBLAS behind the preload by its file's name, and what it sets there limits our products, too.
LD_PRELOAD=$library "$environment/bin/python" -W error - <<'PYTHON'
import ctypes
import numpy
import threadpoolctl

threads = ctypes.CDLL(None).cke_blas_get_num_threads
with threadpoolctl.threadpool_limits(2):
    numpy.ones((200, 200)) @ numpy.full((200, 200), 2.0)
    with threadpoolctl.threadpool_limits(1):
        assert threads() == 1
PYTHON
sed -n '/^```python$/,/^```$/p' "$tools/../../crates/blas/README.md" | grep -v '^```' > "$work/threadpoolctl_example.py"
grep -q 'threadpoolctl.register(' "$work/threadpoolctl_example.py"
LD_PRELOAD=$library "$environment/bin/python" -W error "$work/threadpoolctl_example.py"
echo "numpy: threadpoolctl limits the library's threads"
