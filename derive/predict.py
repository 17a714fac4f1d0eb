"""The law of eigenvalue decay, predicted from the network alone (theory.md, section 5)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Protocol

import mpmath
import sympy

from derive.baseline_laws import baseline_law
from derive.continuation import TIED
from derive.covariances import Net, correlations, linear, net_of, network_of
from derive.curves import Tail, constant_of, oscillation_of, rate_of, stretch_of
from derive.errors import NoClosedForm
from derive.ir import OUTPUTS, KernelIR
from derive.local import Singular, dominant
from derive.nearest import RESOLVED, Nearest, mirror_of, nearest_of, tied_at
from derive.network import Dense, Network
from derive.numbers import Real, exact
from derive.parts import Part, Wave
from derive.prediction import Branch, Prediction
from derive.strength import moments_near
from derive.support import Degrees, degrees_of

DIGITS = 30
CANCELLED = mpmath.mpf(10) ** -12
"""Share of the two ends' amplitudes at which one parity has cancelled."""
SEVERAL = 10
"""Degrees until which a fading singularity is worth a note."""
LONGEST_EXACT = 80
"""Characters of an exact rate that is worth showing."""


class HasNetwork(Protocol):
    """What a prediction needs of a kernel; of a baseline, which has no network, its representation `ir`."""

    @property
    def network(self) -> Network:
        """The network with its parameters' values."""
        ...


def predict_decay(kernel: HasNetwork | Network, dim: int, q: Real = 1.0, get: str = "ntk") -> Prediction:
    """Predict how the eigenvalues on the sphere |x|^2 = q dim in R^dim decay with the degree.

    Parameters
    ----------
    kernel : Kernel or Network
        A network's kernel, or a baseline (`derive.baselines`).
    dim : int
        2 or more.
    q : real number > 0
    get : {"ntk", "nngp", "rounding"}

    Returns
    -------
    Prediction

    Raises
    ------
    ValueError, TypeError
        If an argument lies outside its domain, or the kernel is neither.
    NoClosedForm
        If a singularity that decides is of an activation whose singularities are not known.
    DerivationError
        If a second moment is infinite.

    Notes
    -----
    Let M_l(t) be the covariance before activation l. t* is the smallest |t| at which some M_l reaches g_l Q_l, where the dual of
    that activation is singular; the singular part travels through the layers behind by the chain rule. Nothing
    of the spectrum is computed. Cost: 0.1 s for one layer, 0.5 to 2 s for three; baselines take milliseconds.

    Examples
    --------
    >>> from derive.network import mlp
    >>> print(predict_decay(mlp("relu", depth=3), dim=10).exact)
    3 - 2*sqrt(2)
    """
    if isinstance(dim, bool) or not hasattr(dim, "__index__") or dim < 2:
        raise ValueError(f"dim must be an integer from 2 on, got {dim!r}.")
    if get not in OUTPUTS:
        raise ValueError(f"get must be 'ntk', 'nngp' or 'rounding', got {get!r}.")
    square = exact(q, "q")
    if square <= 0:
        raise ValueError(f"q must be positive, got {q}.")
    ir = getattr(kernel, "ir", None)
    if isinstance(ir, KernelIR) and ir.baseline is not None:
        return baseline_law(ir, int(dim), square, get)
    network = network_of(kernel)
    with mpmath.workdps(DIGITS):
        nets = [net_of(network, square, independent=True)]
        if get == "rounding":
            nets = [net_of(network, square, independent=False), *nets]
        return _prediction(nets, int(dim), square, get)


@dataclass(frozen=True)
class _Parity:
    """What decides about the degrees of one parity."""

    branch: Branch
    layer: int | None = None
    exact: sympy.Expr | None = None


def _prediction(nets: Sequence[Net], dim: int, q: Fraction, get: str) -> Prediction:
    """nets: the network, or for p - m the one with equal roundings and the one with independent ones."""
    net, degrees = nets[0], _degrees(nets, get)
    endless = math.inf in (degrees.even, degrees.odd)
    nearest = nearest_of(net) if endless else Nearest(mpmath.inf, (), True)
    t_star = nearest.t
    if endless:
        _require_known(net, nearest)
    if len(net.stages) == 1 and linear(net.stages[0].dense)[1] == 0:
        parities = [
            _parity(masked := [_masked(n, p) for n in nets], nearest_of(masked[0]), p, degrees, get, dim)
            for p in (0, 1)
        ]
    else:
        parities = [_parity(nets, nearest, p, degrees, get, dim) for p in (0, 1)]
    even, odd = (parity.branch for parity in parities)
    main = min(parities, key=lambda parity: _slowness(parity.branch))
    tail = main.branch.tail
    mirror = mirror_of(net, t_star) if mpmath.isfinite(t_star) else None
    same = (
        even.constant is not None
        and odd.constant is not None
        and math.isclose(even.constant, odd.constant, rel_tol=1e-9)
    )
    return Prediction(
        law=main.branch.law if main.branch.law != "zero" else "finite-rank",
        rate=_or(main.branch.rate, 0.0),
        power=main.branch.power,
        singularity=float(t_star),
        exact=main.exact,
        layer=main.layer,
        gamma=main.branch.gamma,
        constant=even.constant if same and even.power == odd.power else None,
        even=even,
        odd=odd,
        mirror=-float(mirror) if mirror is not None else None,
        mirror_rate=rate_of(mirror) if mirror is not None else None,
        oscillation=oscillation_of(tail),
        stretch=stretch_of(tail),
        rank=None if endless else _rank(degrees, dim),
        error=_error(net, t_star, main.layer),
        notes=tuple(_notes(net, nearest, main, mirror)),
        dim=dim,
        q=float(q),
        get=get,
    )


def _or(value: Any, other: Any) -> Any:
    return other if value is None else value


def _degrees(nets: Sequence[Net], get: str) -> Degrees:
    net = nets[0]
    if get == "rounding" and not any(layer.law.rounded for layer in _layers(nets[1])):
        return Degrees()
    parts = [(stage.dense, *stage.dual.parts) for stage in net.stages]
    groups = [(dense, (_highest(even), _highest(odd))) for dense, even, odd in parts]
    m, k = degrees_of(groups, net.last)
    if get == "rounding" and m.even == 0:
        values = [moments_near(n, mpmath.mpf(0))[0].value for n in nets]
        return m if abs(values[0] - values[1]) > TIED * abs(values[0]) else Degrees(None, m.odd)
    return k if get == "ntk" else m


def _layers(net: Net) -> Iterator[Dense]:
    for stage in net.stages:
        yield from stage.dense
    yield from net.last


def _highest(part: Part) -> float | int | None:
    return math.inf if part.degree is None else None if part.degree < 0 else part.degree


def _masked(net: Net, parity: int) -> Net:
    """A network of one activation, of which one parity is kept."""
    (stage,) = net.stages
    even, odd = (
        part if part.parity == parity else Part(part.parity, "polynomial", degree=-1)
        for part in stage.dual.parts
    )
    return replace(net, stages=(replace(stage, dual=replace(stage.dual, parts=(even, odd))),))


def _require_known(net: Net, nearest: Nearest) -> None:
    """An unknown phi is analytic on the real line: its dual is analytic for |rho| < 1 and smoother than algebraic at 1."""
    duals = [net.stages[i].dual for i in nearest.layers]
    kinds = {part.kind for dual in duals for part in dual.parts if part.g == dual.g}
    if mpmath.isfinite(nearest.t):
        reached = [abs(rho) for _, rho in correlations(net, nearest.t)]
    else:
        reached = [mpmath.inf] * len(net.stages)
    least = 1 + TIED if "algebraic" in kinds else 1 - TIED
    for stage, rho in zip(net.stages, reached, strict=True):
        if any(part.kind == "unknown" for part in stage.dual.parts) and rho > least:
            raise NoClosedForm(
                f"The singularities of the dual of {stage.activation.name} are not known, and they may decide: fit the "
                "computed spectrum instead (`fit_decay`)."
            )


def _parity(
    nets: Sequence[Net], nearest: Nearest, parity: int, degrees: Degrees, get: str, dim: int
) -> _Parity:
    degree, t = degrees.of(parity), nearest.t
    if degree is None:
        return _Parity(Branch("zero"))
    if degree != math.inf:
        return _Parity(Branch("finite-rank", last=int(degree)))
    if not mpmath.isfinite(t):
        return _Parity(Branch("super-exponential"))
    layer, rate = nearest.layers[0] + 1, rate_of(t)
    exact_rate = _exact_rate(nets[0], nearest)
    total = _total(nets, nearest, parity, get)
    if total is None:
        return _Parity(Branch("undecided", rate), layer, exact_rate)
    tail = (
        Tail(t, total.exponent, total.waves)
        if not any(mpmath.isnan(abs(w.amplitude)) for w in total.waves)
        else None
    )
    if total.decay != 0:
        return _Parity(Branch("stretched", rate, tail=tail), layer, exact_rate)
    power = -(2 * total.exponent + dim - 1) if t == 1 else -(total.exponent + mpmath.mpf(dim) / 2)
    constant = constant_of(tail, dim) if tail is not None else None
    branch = Branch(
        "power" if t == 1 else "exponential",
        rate,
        float(power),
        float(total.exponent),
        None if constant is None or not math.isfinite(float(constant)) else float(constant),
        tail=tail,
    )
    return _Parity(branch, layer, exact_rate)


def _total(nets: Sequence[Net], nearest: Nearest, parity: int, get: str) -> Singular | None:
    """The sum of what both ends contribute to the coefficients of one parity; None if they cancel, or have no exponent."""
    if not nearest.resolved:
        return _formal(nets[0], nearest.layers[0], get)
    ends = [
        end.times((-1) ** (parity * i))
        for i in (0, 1)
        if (end := _end(nets, (-1) ** i * nearest.t, get)) is not None
    ]
    if not ends:
        return None
    total = ends[0] if len(ends) == 1 else dominant(*ends)
    assert total is not None
    largest = max(abs(wave.amplitude) for end in ends for wave in end.waves)
    waves = tuple(wave for wave in total.waves if not abs(wave.amplitude) <= CANCELLED * largest)
    return Singular(total.exponent, waves) if waves else None


def _formal(net: Net, layer: int, get: str) -> Singular | None:
    """The exponent alone, where two layers are singular at points that cannot be told apart."""
    dual = net.stages[layer].dual
    part = min((part for part in dual.parts if part.g == dual.g), key=lambda part: part.gamma)
    dense = [one for stage in net.stages[: layer + 1] for one in stage.dense]
    exponent = part.gamma - 1 if get == "ntk" and any(one.trained for one in dense) else part.gamma
    return Singular(exponent, (Wave(mpmath.mpc(0), mpmath.nan),))


def _end(nets: Sequence[Net], t: Any, get: str) -> Singular | None:
    """The singular part at t; for p - m that of p, without that of m if m is singular there too."""
    parts = []
    for i, net in enumerate(nets):
        if tied_at(net, t):
            m, k = moments_near(net, t)
            local = k if get == "ntk" else m
            if local is not None and local.singular is not None:
                parts.append(local.singular.times((-1) ** i))
    return None if not parts else parts[0] if len(parts) == 1 else dominant(*parts)


def _exact_rate(net: Net, nearest: Nearest) -> sympy.Expr | None:
    """rho of a first layer's singularity, where g is known exactly and the numbers are short."""
    dual = net.stages[0].dual
    known = [part.exact for part in dual.parts if part.g == dual.g and part.exact is not None]
    if nearest.layers[0] != 0 or not known:
        return None
    A, B = (sympy.Rational(v.numerator, v.denominator) for v in linear(net.stages[0].dense))
    t_star = (known[0] * _variance(net) - B) / (A * sympy.Rational(net.q.numerator, net.q.denominator))
    rho = sympy.simplify(t_star - sympy.sqrt(sympy.expand(t_star**2 - 1)))
    return rho if len(str(rho)) <= LONGEST_EXACT else None


def _variance(net: Net) -> sympy.Rational:
    Q = net.q
    for layer in net.stages[0].dense:
        Q = layer.W_std**2 * Q + layer.b_std**2
    return sympy.Rational(Q.numerator, Q.denominator)


def _slowness(branch: Branch) -> tuple[float, ...]:
    """The slowest decay first."""
    if branch.tail is None:
        return (
            2.0
            if branch.law in ("zero", "finite-rank")
            else 1.0
            if branch.law == "super-exponential"
            else 0.5,
            0.0,
            0.0,
        )
    return (-_or(branch.rate, 0.0), float(mpmath.im(branch.tail.waves[0].frequency)), -_or(branch.power, 0.0))


def _rank(degrees: Degrees, dim: int) -> int:
    """Harmonics of degree D, D - 2, ...: as many as homogeneous polynomials of degree D."""
    return sum(math.comb(int(D) + dim - 1, dim - 1) for D in (degrees.even, degrees.odd) if D is not None)


def _error(net: Net, t_star: Any, layer: int | None) -> float:
    """What the coefficients left out of the layers before the nearest one do to log(rho)."""
    if layer in (None, 1):
        return 1e-15
    rest = [
        stage.dual.rest(rho) / stage.dual.moment
        for stage, rho in list(correlations(net, t_star))[: layer - 1]
    ]
    return float(max(rest)) + 1e-15


def _notes(net: Net, nearest: Nearest, main: _Parity, mirror: Any) -> Iterator[str]:
    branch, t_star = main.branch, nearest.t
    if branch.law in ("finite-rank", "zero", "super-exponential"):
        return
    if not nearest.resolved:
        yield (
            f"layer {main.layer} and the one before it are singular within a relative {float(RESOLVED):g} of each other: no constant, "
            "and the exponents are those beyond any computed degree"
        )
        return
    if branch.power is None and branch.law != "stretched":
        yield "only the rate is predicted: the singular parts cancel, or have no exponent"
    elif branch.tail is None:
        yield "the strength of the singularity is not known: no constant and no curve"
    elif branch.law == "stretched":
        c, Q = (
            abs(float(mpmath.im(branch.tail.waves[0].frequency))),
            float(net.stages[(main.layer or 1) - 1].dual.variance),
        )
        yield f"sets in for k >> {max(1.0, 4 / c**2):.3g}, where {c:.3g} sqrt(k) is large (variance {Q:.3g})"
    elif branch.law == "power" and branch.constant is None:
        yield "K is not integrable over the sphere: no constant"
    if (main.layer or 1) > 1 and t_star > 1:
        yield from _merged_until(net, t_star, main.layer or 1)
    if mirror is not None and mirror > t_star > 1 and (fades := _degrees_apart(t_star, mirror)) > SEVERAL:
        yield (
            f"the singularity at t = {-float(mirror):.10g} fades like exp(-k / {fades:.3g}): even and odd degrees differ "
            f"until k >> {fades:.3g}"
        )
    if branch.power is not None and t_star > 1:
        yield "the power needs k >> dim^2; log_eigenvalue(k) holds from smaller k on"


def _merged_until(net: Net, t_star: Any, layer: int) -> Iterator[str]:
    """What is left falls like 0.2 to 2 times G / k from k = 10 G on (GELU, Gaussians and erf, 2 and 3 layers)."""
    before = nearest_of(replace(net, stages=net.stages[: layer - 1])).t
    if mpmath.isfinite(before):
        G = _degrees_apart(t_star, before)
        yield (
            f"layer {layer} is nearest and layer {layer - 1} singular at t = {float(before):.10g}: up to degrees of about {G:.3g} they "
            "act as one, and eigenvalues keep a factor to this law that changes slowly (GELU, 2 layers: 1.5 to 15); the law sets in for "
            f"k >> {G:.3g}, within 10 % from about {20 * G:.2g} and 1 % from {200 * G:.2g} on"
        )


def _degrees_apart(near: Any, far: Any) -> float:
    """1 / log(rho_near / rho_far), where log(1 / rho) = acosh(t)."""
    gap = mpmath.acosh(far) - mpmath.acosh(near)
    return float(1 / gap) if gap > 0 else math.inf
