"""Writes spectra_activations.json: eigenvalues of other activations and precisions, by quadrature at 120 digits.

Formulas are written out here; nothing of the library is used. lambda_k = E[K(t) P_k(t)] (Funk-Hecke) in the
angle, by Gauss-Legendre panels that shrink towards both ends, where K is singular or nearly so.

- erf (Williams 1997), gelu (Tsuchida et al. 2021), relu (Cho & Saul 2009): K in closed form.
- hardtanh: lambda_k of K in dim is lambda_{k-2} of K'' in dim + 4 over dim (dim + 2), as t^k shows; K'' needs no more
  than E[phi''(u) phi''(v)], four bivariate densities at the corners.
- tanh: sum_j h_j^2 r^j t^j, with h_j by the trapezoidal rule, integrated against P_k term by term (theory.md, section 5).

Run as `python tests/reference/make_activation_spectra.py`; 2 minutes.
"""

import json
from itertools import pairwise
from pathlib import Path

import mpmath as mp
from make_spectra import legendre

HERE = Path(__file__).parent
mp.mp.dps = 120
DEGREES, NODES, LAYERS = 60, 90, 10
R = {"binary": mp.mpf(1) / 3, "real": mp.mpf(1), "16 levels": 1 / (1 + (mp.mpf(2) / 15) ** 2 / 2)}


def relu(Q, c):
    theta = mp.atan2(mp.sqrt(max((Q - c) * (Q + c), 0)), c)
    return (
        Q / 2,
        (mp.sqrt(max((Q - c) * (Q + c), 0)) + (mp.pi - theta) * c) / (2 * mp.pi),
        (mp.pi - theta) / (2 * mp.pi),
    )


def erf(Q, c):
    D = 1 + 2 * Q
    return (
        2 / mp.pi * mp.asin(2 * Q / D),
        2 / mp.pi * mp.asin(2 * c / D),
        4 / mp.pi / mp.sqrt(D * D - 4 * c * c),
    )


def gelu(Q, c):
    def kappa(c):
        A = 1 + Q
        s = mp.sqrt(A - c) * mp.sqrt(A + c)
        return (Q * Q + c * c * (1 - Q) / A) / (2 * mp.pi * s) + c * (
            mp.mpf(1) / 4 + mp.asin(c / A) / (2 * mp.pi)
        )

    def slope(c):
        A = 1 + Q
        s = mp.sqrt(A - c) * mp.sqrt(A + c)
        N = Q * Q + c * c * (1 - Q) / A
        own = (2 * c * (1 - Q) / A / s + N * c / s**3) / (2 * mp.pi)
        return own + mp.mpf(1) / 4 + mp.asin(c / A) / (2 * mp.pi) + c / (2 * mp.pi * s)

    return kappa(Q), kappa(c), slope(c)


def network(dual, depth, r, W2, b2, t):
    """NTK and NNGP of depth layers and a real readout, at q = 1."""
    q, m, k = mp.mpf(1), t, mp.mpf(0)
    for _ in range(depth):
        Q, M = W2 * q + b2, r * W2 * m + b2
        K = r * W2 * k + M
        q, m, slope = dual(Q, M)
        k = slope * K
    return k + m, m


def hardtanh_second_derivative(r, t):
    """K'' of depth 1, W_std 1, b_std 0: K = kappa + kappa_dot M, M = r t, Q = 1."""
    c = r * t
    s2 = (1 - c) * (1 + c)
    if s2 <= 0:
        return mp.mpf(0), mp.mpf(0)
    same, other = (mp.exp(-1 / (1 + sign * c)) / (mp.pi * mp.sqrt(s2)) for sign in (1, -1))
    second = same - other
    third = same * (1 / (1 + c) ** 2 + c / s2) - other * (c / s2 - 1 / (1 - c) ** 2)
    return r * r * (3 * second + c * third), r * r * second


def rule():
    """Gauss-Legendre panels of the angle, halved LAYERS times towards 0 and pi."""
    x0, w0 = legendre(NODES)
    edges = [mp.mpf(0), *(mp.pi / 2 / 2**i for i in range(LAYERS, -1, -1))]
    angles, weights = [], []
    for low, high in pairwise(edges):
        for x, w in zip(x0, w0, strict=True):
            angle = (low + high) / 2 + (high - low) / 2 * x
            angles += [angle, mp.pi - angle]
            weights += [w * (high - low) / 2] * 2
    return angles, weights


def eigenvalues(functions, dim, degrees):
    """Of several kernels, values[i] at node i a tuple."""
    angles, weights = RULE
    cosines = COSINES
    density = [w * mp.sin(a) ** (dim - 2) for a, w in zip(angles, weights, strict=True)]
    norm = mp.beta(mp.mpf(dim - 1) / 2, mp.mpf(1) / 2)
    columns = [
        [d * f for d, f in zip(density, column, strict=True)] for column in zip(*functions, strict=True)
    ]
    found = [[] for _ in columns]
    before, now = [mp.mpf(0)] * len(angles), [mp.mpf(1)] * len(angles)
    for k in range(degrees + 1):
        for result, column in zip(found, columns, strict=True):
            result.append(mp.fdot(column, now) / norm)
        after = [
            ((2 * k + dim - 2) * t * p - k * o) / (k + dim - 2)
            for t, p, o in zip(cosines, now, before, strict=True)
        ]
        before, now = now, after
    return found


def hermite(phi, Q, order):
    """h_j by the trapezoidal rule of step 1/32 on |z| <= 30: exact to exp(-2 pi 32 pi / 2) for tanh's strip at Q = 1."""
    step = mp.mpf(1) / 32
    points = [i * step for i in range(-30 * 32, 30 * 32 + 1)]
    weighted = [step * mp.npdf(z) * phi(mp.sqrt(Q) * z) for z in points]
    before, now, h = [mp.mpf(0)] * len(points), [mp.mpf(1)] * len(points), []
    for j in range(order + 1):
        h.append(mp.fdot(weighted, now))
        up, down = mp.sqrt(j + 1), mp.sqrt(j)
        before, now = now, [(z * n - down * b) / up for z, n, b in zip(points, now, before, strict=True)]
    return h


def from_series(a, dim, degrees):
    """E[t^j P_k] = prod_{i<k} (j - i) / (dim + 2 i) times E[t^(j - k)] in dim + 2 k dimensions."""
    found = []
    for k in range(degrees + 1):
        total = mp.mpf(0)
        for j in range(k, len(a), 2):
            rise = mp.ff(j, k) / mp.fprod(dim + 2 * i for i in range(k))
            i, d = (j - k) // 2, dim + 2 * k
            total += a[j] * rise * mp.rf(mp.mpf(1) / 2, i) / mp.rf(mp.mpf(d) / 2, i)
        found.append(total)
    return found


def printed(ntk, nngp):
    return {
        name: [mp.nstr(v, 20) if abs(v) > mp.mpf(10) ** -105 else "0.0" for v in values]
        for name, values in (("ntk", ntk), ("nngp", nngp))
    }


CLOSED = [("erf", erf, 2, "binary", 1, 0.5), ("erf", erf, 2, "real", 1.5, 0.25), ("gelu", gelu, 2, "binary", 1, 0.5),
          ("gelu", gelu, 1, "real", 1.5, 0.0), ("relu", relu, 2, "16 levels", 1, 0.25), ("relu", relu, 3, "real", 1, 0.0),
          ("relu", relu, 1, "real", 1, 0.5)]  # fmt: skip

if __name__ == "__main__":
    RULE = rule()
    COSINES = [mp.cos(a) for a in RULE[0]]
    made = []
    for name, dual, depth, weights, W, b in CLOSED:
        values = [network(dual, depth, R[weights], mp.mpf(W) ** 2, mp.mpf(b) ** 2, t) for t in COSINES]
        for dim in (3, 10, 50):
            case = {
                "activation": name,
                "depth": depth,
                "weights": weights,
                "W_std": W,
                "b_std": b,
                "dim": dim,
            }
            made.append({**case, "first": 0, **printed(*eigenvalues(values, dim, DEGREES))})
    for weights in ("binary", "16 levels", "real"):
        values = [hardtanh_second_derivative(R[weights], t) for t in COSINES]
        for dim in (3, 10, 50):
            case = {
                "activation": "hardtanh",
                "depth": 1,
                "weights": weights,
                "W_std": 1,
                "b_std": 0.0,
                "dim": dim,
            }
            shifted = [
                [v / (dim * (dim + 2)) for v in found] for found in eigenvalues(values, dim + 4, DEGREES - 2)
            ]
            made.append({**case, "first": 2, **printed(*shifted)})
    h = hermite(mp.tanh, mp.mpf(1), 1100)
    for weights, order in (("binary", 260), ("real", 1100)):
        nngp = [x * x * R[weights] ** j for j, x in enumerate(h[: order + 1])]
        ntk = [a * (1 + j) for j, a in enumerate(nngp)]  # kappa + rho kappa'
        for dim in (3, 10, 50):
            case = {
                "activation": "tanh",
                "depth": 1,
                "weights": weights,
                "W_std": 1,
                "b_std": 0.0,
                "dim": dim,
            }
            made.append(
                {
                    **case,
                    "first": 0,
                    **printed(from_series(ntk, dim, DEGREES), from_series(nngp, dim, DEGREES)),
                }
            )
    note = "Eigenvalues by degree, from `first` on, for q = 1 (make_activation_spectra.py); 20 digits."
    (HERE / "spectra_activations.json").write_text(json.dumps({"note": note, "cases": made}, indent=1) + "\n")
