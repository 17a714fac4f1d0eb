"""Block Lanczos: matrices of known spectrum, lost copies, restarts, bounds that tell, refusals."""

import numpy as np
import pytest

from derive.errors import NotEnoughMemory
from numerics.krylov import EPS, _outside, largest

N = 600
BASIS, _ = np.linalg.qr(np.random.default_rng(3).normal(size=(N, N)))
COUNT = np.arange(N)


def matrix(eigenvalues):
    K = (BASIS * eigenvalues) @ BASIS.T
    return (K + K.T) / 2


def run(K, top, block=16, **options):
    return largest(lambda V: K @ V, len(K), top, block, **options)


def errors_within(found, exact):
    """The i-th value against the i-th eigenvalue, up to the residual and n eps |K|: rounding of K and of products."""
    order = np.sort(exact)[::-1][: len(found.value)]
    rounding = N * EPS * np.abs(exact).max()
    assert (np.diff(found.value) <= 0).all()
    assert (np.abs(found.value - order) <= found.residual + rounding).all()
    assert (found.residual <= rounding / 2).all()  # the target is a quarter, and as much may be rounding


@pytest.mark.parametrize(
    "exact",
    [
        0.9**COUNT,
        (1.0 + COUNT) ** -2,
        np.linspace(1, 2, N),
        np.where(COUNT < 50, 0.8**COUNT, 0.0),
        0.9**COUNT - 5.0,
        np.r_[np.linspace(1, 2, 10), np.linspace(-30, -3, N - 10)],
        np.zeros(N),
        np.ones(N),
        1e-160 * 0.9**COUNT,
        1e160 * 0.9**COUNT,
    ],
    ids=[
        "geometric",
        "power",
        "flat",
        "low-rank",
        "shifted",
        "indefinite",
        "zero",
        "identity",
        "tiny",
        "huge",
    ],
)
@pytest.mark.parametrize("top", [1, 40])
def test_known_spectra(exact, top):
    errors_within(run(matrix(exact), top), exact)


def test_values_that_pile_up_at_the_upper_end():
    """-0.9^i has 316 of its 600 values within n eps |K| of 0."""
    exact = -(0.9**COUNT)
    for block in (4, 8, 16):
        errors_within(run(matrix(exact), 60, block=block), exact)
    found = run(
        matrix(exact), 1, passes=60
    )  # its 165 columns cannot tell them apart, and the residual says so
    assert abs(found.value[0] - exact.max()) <= found.residual[0] + N * EPS
    assert N * EPS < found.residual[0] < 1e-6


def test_no_copy_of_zero_is_lost_where_all_else_is_negative():
    exact = np.r_[np.zeros(300), -(0.5 ** np.arange(300))]
    errors_within(run(matrix(exact), 30, block=8), exact)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("decades", [2, 9, 14])
def test_a_new_block_loses_no_direction(decades, seed):
    """Columns that mix lengths 1 to 10^-decades, with rounding inside Q: all of it lies in Q and the block."""
    rng = np.random.default_rng(seed)
    Q, U = BASIS[:, :50], BASIS[:, 50:66]
    turn, _ = np.linalg.qr(rng.normal(size=(16, 16)))
    W = (U * np.logspace(0, -decades, 16)) @ turn + EPS * Q @ rng.normal(size=(50, 16))
    new = _outside(W, Q, 16, N**0.5 * EPS, rng)
    assert np.abs(new.T @ new - np.eye(16)).max() < 1e-13
    assert np.abs(Q.T @ new).max() < 1e-14
    lost = W - Q @ (Q.T @ W) - new @ (new.T @ W)
    assert (
        np.linalg.norm(lost) < 16 * N**0.5 * EPS
    )  # what is drawn anew is shorter than the noise, per column


@pytest.mark.parametrize("spread", [0.0, 1e-15, 1e-14, 1e-13, 1e-12, 1e-11, 1e-9, 1e-7])
@pytest.mark.parametrize("block", [4, 8, 60])
@pytest.mark.parametrize("shift", [0.0, 1.5])
def test_no_copy_of_a_multiple_eigenvalue_is_lost(spread, block, shift):
    noise = 1 + spread * np.random.default_rng(0).normal(size=100)
    exact = np.r_[noise, 0.5 ** (1.0 + np.arange(N - 100))] - shift
    errors_within(run(matrix(exact), 60, block=block), exact)


def test_all_degrees_of_the_cube():
    corners = np.array(np.meshgrid(*[[-1.0, 1.0]] * 9)).reshape(9, -1)
    K = np.exp(corners.T @ corners / 9)
    exact = np.linalg.eigvalsh(K)
    found = run(K, 150, block=8)  # multiplicities 1, 9, 36, 84, 126, ...
    assert np.allclose(found.value, exact[::-1][:150], rtol=0, atol=2 * len(K) * EPS * exact[-1])


def test_a_restart_keeps_what_was_found():
    G = np.random.default_rng(1).normal(size=(2 * N, 2 * N))
    K = G + G.T
    found = run(K, 20, block=4)
    assert found.columns > 5 * 20 + 10 * 4
    exact = np.linalg.eigvalsh(K)
    rounding = 2 * N * EPS * np.abs(exact).max()
    assert (np.abs(found.value - exact[::-1][:20]) <= found.residual + rounding).all()
    assert (found.residual <= rounding / 2).all()


def test_the_whole_spectrum():
    exact = 0.98**COUNT
    errors_within(run(matrix(exact), N), exact)


def test_wide_blocks_need_few_passes():
    K, calls = matrix(0.9**COUNT), []

    def multiply(V):
        calls.append(V.shape[1])
        return K @ V

    found = largest(multiply, N, 20, 128)
    assert (found.passes, found.columns) == (len(calls), sum(calls))
    assert found.passes <= 3  # 0.9^(128 q) passes rounding at q = 3


def test_what_has_not_converged_says_so():
    exact = np.linspace(1, 2, N)
    found = run(matrix(exact), 5, block=4, passes=6)
    nearest = np.abs(found.value[:, None] - exact).min(axis=1)
    assert (nearest <= found.residual + N * EPS * 2).all()
    assert found.residual.max() > 1e-3
    assert found.passes == 6


def test_the_seed_alone_decides():
    K = matrix(0.9**COUNT)
    one, same, other = run(K, 30), run(K, 30), run(K, 30, seed=1)
    assert np.array_equal(one.value, same.value)
    assert np.array_equal(one.residual, same.residual)
    assert not np.array_equal(one.value, other.value)
    assert np.allclose(one.value, other.value, rtol=0, atol=2 * N * EPS)


@pytest.mark.parametrize(
    ("multiply", "message"),
    [
        (lambda V: np.triu(np.ones((N, N))) @ V, "not symmetric"),
        (lambda V: np.full(V.shape, np.nan), "NaN or infinity, in pass 1"),
        (lambda V: np.full(V.shape, np.inf), "NaN or infinity"),
    ],
)
def test_refused_operators(multiply, message):
    with pytest.raises(ValueError, match=message):
        largest(multiply, N, 3, 8)


def test_memory_is_asked_for_before_it_is_taken(monkeypatch):
    monkeypatch.setattr("numerics.memory.available_bytes", lambda: 10**6)
    with pytest.raises(NotEnoughMemory, match=r"Krylov space of 95 vectors of 600 entries"):
        run(np.eye(N), 3, block=8)
