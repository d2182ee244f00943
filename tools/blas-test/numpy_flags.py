"""Products of clean numbers raise no floating-point flag: run with libcke_blas.so preloaded, and with every flag and warning an error."""

import itertools
import warnings

import numpy as np

warnings.simplefilter("error")
np.seterr(all="raise")


def check_ones(dtype):
    found = np.ones((13, 2), dtype) @ np.ones((14, 2), dtype).T
    assert found.shape == (13, 14) and (found == 2).all()


def check_distances(dtype, m, n, k):
    """Squares of distances between the rows of two matrices by a product A Bᵀ, as scikit-learn takes them."""
    random = np.random.default_rng(1)
    x, y = random.random((m, k)).astype(dtype), random.random((n, k)).astype(dtype)
    found = (x * x).sum(1)[:, None] - 2 * (x @ y.T) + (y * y).sum(1)
    wanted = np.square(x[:, None] - y).sum(2)
    assert np.allclose(found, wanted, rtol=1e-4, atol=1e-4), (dtype, m, n, k)


for dtype in (np.float32, np.float64):
    check_ones(dtype)
    for m, n, k in itertools.product((13, 14, 17, 64, 100), (13, 14, 31, 100, 257), (1, 2, 3, 8, 50)):
        check_distances(dtype, m, n, k)
