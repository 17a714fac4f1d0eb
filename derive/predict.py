"""The law of eigenvalue decay, predicted from the network alone (theory.md, section 5)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Protocol

import mpmath
import sympy

from derive.activation import Activation
from derive.continuation import TIED, Continuation, continuation
from derive.errors import DerivationError, NoClosedForm
from derive.local import Local, Singular, derivative_in, dominant, regular, through
from derive.network import Dense, Network
from derive.numbers import Real, exact
from derive.prediction import Branch, Prediction, Tail, constant_of
from derive.singularity import NOISE, Part, Wave
from derive.support import Degrees, degrees_of
from derive.weights import REAL

DIGITS = 30
CANCELLED = mpmath.mpf(10) ** -12
"""Share of the two ends' amplitudes at which one parity has cancelled."""
OUTPUTS = ("ntk", "nngp", "rounding")
FARTHEST = 1e12
"""Largest |t| that is searched."""
SHARP = mpmath.mpf(10) ** -22
"""Relative accuracy of t*."""
RESOLVED = mpmath.mpf(10) ** -14
"""Relative distance at which singularities of two layers are told apart."""
LONGEST_EXACT = 80
"""Characters of an exact rate that is worth showing."""


class HasNetwork(Protocol):
    """What a prediction needs of a kernel."""

    @property
    def network(self) -> Network:
        """The network with its parameters' values."""
        ...


def predict_decay(kernel: HasNetwork | Network, dim: int, q: Real = 1.0, get: str = "ntk") -> Prediction:
    """Predict how the eigenvalues on the sphere |x|^2 = q dim in R^dim decay with the degree.

    Parameters
    ----------
    kernel : Kernel or Network
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
        If an argument lies outside its domain, or the kernel has no network.
    NoClosedForm
        If a singularity that decides is of an activation whose singularities are not known.
    DerivationError
        If a second moment is infinite.

    Notes
    -----
    Let M_l(t) be the covariance before activation l. t* is the smallest |t| at which some M_l reaches g_l Q_l, where the dual of
    that activation is singular; the singular part travels through the layers behind by the chain rule. Nothing
    of the spectrum is computed. Cost: 0.1 s for one layer, 0.5 to 2 s for three.

    Examples
    --------
    >>> from derive.network import mlp
    >>> print(predict_decay(mlp("relu", depth=3), dim=10).exact)
    3 - 2*sqrt(2)
    """
    network = _network(kernel)
    if isinstance(dim, bool) or not hasattr(dim, "__index__") or dim < 2:
        raise ValueError(f"dim must be an integer from 2 on, got {dim!r}.")
    if get not in OUTPUTS:
        raise ValueError(f"get must be 'ntk', 'nngp' or 'rounding', got {get!r}.")
    square = exact(q, "q")
    if square <= 0:
        raise ValueError(f"q must be positive, got {q}.")
    with mpmath.workdps(DIGITS):
        nets = (_net(network, square, independent=True),)
        if get == "rounding":
            nets = (_net(network, square, independent=False), *nets)
        return _prediction(nets, int(dim), square, get)


# ---- the network, and its covariances along t


@dataclass(frozen=True)
class _Stage:
    """Dense layers and the activation behind them, at its variance Q."""

    dense: tuple[Dense, ...]
    activation: Activation
    dual: Continuation


@dataclass(frozen=True)
class _Net:
    """A network for inputs of second moment q; with independent roundings, or (all r = 1) with the same for x and y."""

    stages: tuple[_Stage, ...]
    last: tuple[Dense, ...]
    q: Fraction
    latent: bool


def _network(kernel: object) -> Network:
    network = kernel if isinstance(kernel, Network) else getattr(kernel, "network", None)
    if not isinstance(network, Network):
        raise TypeError(f"A prediction needs a network or a network's kernel, got {type(kernel).__name__}.")
    return network


def _net(network: Network, q: Fraction, independent: bool) -> _Net:
    stages: list[_Stage] = []
    dense: list[Dense] = []
    moment: Any = q
    for layer in network.layers:
        if isinstance(layer, Dense):
            own = layer if independent else Dense(REAL, layer.W_std, layer.b_std, layer.trained, layer.label)
            dense.append(own)
            moment = _exact(layer.W_std) ** 2 * moment + _exact(layer.b_std) ** 2 if stages else layer.W_std**2 * moment + layer.b_std**2
        else:
            dual = continuation(layer, moment)
            stages.append(_Stage(tuple(dense), layer, dual))
            dense, moment = [], dual.moment
    return _Net(tuple(stages), tuple(dense), q, network.parameterization == "latent")


def _exact(value: Fraction) -> Any:
    return mpmath.mpf(value.numerator) / value.denominator


def _linear(dense: Sequence[Dense]) -> tuple[Fraction, Fraction]:
    """M = A m + B behind dense layers."""
    A, B = Fraction(1), Fraction(0)
    for layer in dense:
        r = layer.law.latent_fraction
        A, B = r * layer.W_std**2 * A, r * layer.W_std**2 * B + layer.b_std**2
    return A, B


def _correlations(net: _Net, t: Any) -> Iterator[tuple[_Stage, Any]]:
    """rho_l(t) of every layer."""
    m = _exact(net.q) * t
    for stage in net.stages:
        A, B = map(_exact, _linear(stage.dense))
        rho = (A * m + B) / stage.dual.variance
        yield stage, rho
        m = _value(stage.dual, rho)


def _value(dual: Continuation, rho: Any) -> Any:
    """kappa(rho); inf stays inf where nothing bounds it."""
    if mpmath.isfinite(rho):
        return dual.at(rho)[0]
    constant = all(part.degree is not None and part.degree <= 0 for part in dual.parts)
    return dual.moment if constant else mpmath.inf


def _beyond(net: _Net, t: Any) -> int | None:
    """The first layer with |rho_l(t)| > g_l."""
    return next((i for i, (stage, rho) in enumerate(_correlations(net, t)) if stage.dual.is_beyond(rho)), None)


def _excess(net: _Net, t: Any, layer: int) -> Any:
    """|rho_l(t)| / g_l - 1."""
    for i, (stage, rho) in enumerate(_correlations(net, t)):
        if i == layer:
            return abs(rho) / stage.dual.g - 1
    raise AssertionError


# ---- the nearest singularity


def _nearest(net: _Net) -> Any:
    """t* > 0: all rho_l(t) grow with t, so that the first to reach its g_l does so once; inf if none does."""
    if all(not mpmath.isfinite(stage.dual.g) for stage in net.stages):
        return mpmath.inf
    high = _first(net, 1)
    if not mpmath.isfinite(high):
        high = mpmath.mpf(2)
        while _beyond(net, high) is None:
            high *= 2
            if high > FARTHEST:
                return mpmath.inf
    return _edge(net, mpmath.mpf(1), high) if _beyond(net, high) is not None else high


def _first(net: _Net, sign: int) -> Any:
    """|t| at which the first layer reaches sign g."""
    stage = net.stages[0]
    A, B = map(_exact, _linear(stage.dense))
    return (stage.dual.g * stage.dual.variance - sign * B) / (A * _exact(net.q))


def _edge(net: _Net, low: Any, high: Any, side: int = 1) -> Any:
    """The t between low, where no layer is beyond its g, and high, where one is; side -1 for -t."""
    layer = _beyond(net, side * high)
    for _ in range(10):
        if layer is None:
            break
        middle = mpmath.sqrt(low * high)
        found = _beyond(net, side * middle)
        low, high, layer = (middle, high, layer) if found is None else (low, middle, found)
    while layer is not None:
        t = _root(lambda t, at=layer: _excess(net, side * t, at), low, high)
        high = t * (1 - RESOLVED)
        layer = _beyond(net, side * high)
    return t


def _root(f: Any, low: Any, high: Any) -> Any:
    """Where f changes its sign from negative to positive: Illinois' method, from below."""
    f_low, f_high = f(low), f(high)
    moved = 0
    for step in range(100):
        if f_low >= 0 or high - low < SHARP * high:
            break
        secant = mpmath.isfinite(f_high) and step % 8 < 7
        middle = low + (f_low / (f_low - f_high) if secant else mpmath.mpf(1) / 2) * (high - low)
        value = f(middle)
        if value <= 0:
            low, f_low, f_high, moved = middle, value, f_high / 2 if moved < 0 else f_high, -1
        else:
            high, f_high, f_low, moved = middle, value, f_low / 2 if moved > 0 else f_low, 1
    return low


def _mirror(net: _Net, t_star: Any) -> Any:
    """t2 >= t*: the nearest singularity on the negative axis is at -t2; None if none is found."""
    if _tied(net, -t_star):
        return t_star
    high = _first(net, -1)
    limit = high if mpmath.isfinite(high) else 16 * t_star
    before, steps = t_star, 8
    for i in range(1, steps + 1):
        t = t_star * (limit / t_star) ** (mpmath.mpf(i) / steps)
        if _beyond(net, -t) is not None:
            return _edge(net, before, t, side=-1)
        before = t
    return high if mpmath.isfinite(high) else None


def _tied(net: _Net, t: Any) -> list[int]:
    """The layers that are singular at t."""
    return [i for i, (stage, rho) in enumerate(_correlations(net, t)) if stage.dual.is_singular(rho)]


# ---- what becomes of the singular part


def _walk(net: _Net, t: Any) -> tuple[Local, Local | None]:
    """NNGP and NTK near t."""
    q = _exact(net.q)
    m, k = Local(q * t, -q * t, mpmath.mpf(0)), None
    for stage in net.stages:
        M, K = _dense(stage.dense, m, k, net.latent)
        m, slope = _activation(stage.dual, M)
        k = slope.times(K) if K is not None else None
    return _dense(net.last, m, k, net.latent)


def _dense(layers: Sequence[Dense], m: Local, k: Local | None, latent: bool) -> tuple[Local, Local | None]:
    """M = r W_std^2 m + b_std^2, K = r W_std^2 k + [trained] (M, or W_std^2 m / e + b_std^2)."""
    for layer in layers:
        W, b, r = _exact(layer.W_std) ** 2, _exact(layer.b_std) ** 2, _exact(layer.law.latent_fraction)
        own = m.scaled(W / _exact(layer.law.second_moment), b) if latent else m.scaled(r * W, b)
        m, k = m.scaled(r * W, b), k.scaled(r * W) if k is not None else None
        if layer.trained:
            k = own if k is None else k.plus(own)
    return m, k


def _activation(dual: Continuation, M: Local) -> tuple[Local, Local]:
    """kappa(M) and kappa_dot(M)."""
    Q = dual.variance
    if not mpmath.isfinite(M.value):
        return _unbounded(dual, M)
    rho = M.value / Q
    value, first, second = (v / Q**n for n, v in enumerate(dual.at(rho)))
    third = mpmath.mpf(0)  # of kappa_dot's curvature nothing depends
    kappa, slope = regular(M, (value, first, second)), regular(M, (first, second, third))
    if not dual.is_singular(rho):
        return kappa, slope
    sign = int(mpmath.sign(rho))
    eta = M.scaled(-sign / (dual.g * Q), 1)
    for part in dual.parts:
        if part.g == dual.g and (own := through(eta, part, sign)) is not None:
            kappa = replace(kappa, singular=dominant(own, _finite(kappa.singular)))
            slope = replace(slope, singular=dominant(derivative_in(own, M), _finite(slope.singular)))
    return kappa, slope


def _finite(singular: Singular | None) -> Singular | None:
    """A singular part multiplied by something finite."""
    if singular is None or not all(mpmath.isfinite(abs(wave.amplitude)) for wave in singular.waves):
        return None
    return singular


def _unbounded(dual: Continuation, M: Local) -> tuple[Local, Local]:
    """Behind a pole only polynomials have an exponent: kappa ~ h_D^2 (M / Q)^D."""
    if any(part.degree is None for part in dual.parts) or M.singular is None:
        nothing = Local(mpmath.inf, mpmath.inf, mpmath.inf)
        return nothing, nothing
    D = max(part.degree for part in dual.parts)
    top = dual.at(mpmath.mpf(1))[0] if D == 0 else _leading(dual, D)
    power = Local(mpmath.mpf(1), mpmath.mpf(0), mpmath.mpf(0))
    powers = [power]
    for _ in range(D):
        powers.append(powers[-1].times(M) if len(powers) > 1 else M)
    kappa = powers[D].scaled(top / dual.variance**D)
    return kappa, powers[max(D - 1, 0)].scaled(D * top / dual.variance**D)


def _leading(dual: Continuation, degree: int) -> Any:
    """h_D^2, from a finite difference of order D: exact for a polynomial of degree D."""
    values = [dual.at(mpmath.mpf(i))[0] for i in range(degree + 1)]
    for _ in range(degree):
        values = [b - a for a, b in zip(values, values[1:], strict=False)]
    return values[0] / mpmath.factorial(degree)


# ---- the prediction


@dataclass(frozen=True)
class _Parity:
    """What decides about the degrees of one parity."""

    branch: Branch
    layer: int | None = None
    exact: sympy.Expr | None = None


def _prediction(nets: Sequence[_Net], dim: int, q: Fraction, get: str) -> Prediction:
    """nets: the network, or for p - m the one with equal roundings and the one with independent ones."""
    net, degrees = nets[0], _degrees(nets, get)
    t_star = _nearest(net) if math.inf in (degrees.even, degrees.odd) else mpmath.inf
    _require_known(net, t_star)
    if len(net.stages) == 1 and _linear(net.stages[0].dense)[1] == 0:
        parities = [_parity([_masked(n, p) for n in nets], _nearest(_masked(net, p)), p, degrees, get, dim) for p in (0, 1)]
    else:
        parities = [_parity(nets, t_star, p, degrees, get, dim) for p in (0, 1)]
    even, odd = (parity.branch for parity in parities)
    main = min(parities, key=lambda parity: _slowness(parity.branch))
    tail = main.branch.tail
    mirror = _mirror(net, t_star) if mpmath.isfinite(t_star) else None
    same = even.constant is not None and odd.constant is not None and math.isclose(even.constant, odd.constant, rel_tol=1e-9)
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
        mirror_rate=_rate(mirror) if mirror is not None else None,
        oscillation=_oscillation(tail),
        stretch=_stretch(tail),
        rank=_rank(degrees, dim) if math.inf not in (degrees.even, degrees.odd) else None,
        error=_error(net, t_star, main.layer),
        notes=tuple(_notes(net, t_star, main, tail, get)),
        dim=dim,
        q=float(q),
        get=get,
    )


def _or(value: Any, other: Any) -> Any:
    return other if value is None else value


def _degrees(nets: Sequence[_Net], get: str) -> Degrees:
    net = nets[0]
    if get == "rounding" and not any(layer.law.rounded for layer in _layers(nets[1])):
        return Degrees()
    groups = [(stage.dense, tuple(_highest(part) for part in stage.dual.parts)) for stage in net.stages]
    m, k = degrees_of(groups, net.last)
    if get == "rounding" and m.even == 0:
        values = [_walk(n, mpmath.mpf(0))[0].value for n in nets]
        return m if abs(values[0] - values[1]) > TIED * abs(values[0]) else Degrees(None, m.odd)
    return k if get == "ntk" else m


def _layers(net: _Net) -> Iterator[Dense]:
    for stage in net.stages:
        yield from stage.dense
    yield from net.last


def _highest(part: Part) -> float | int | None:
    return math.inf if part.degree is None else None if part.degree < 0 else part.degree


def _masked(net: _Net, parity: int) -> _Net:
    """A network of one activation, of which one parity is kept."""
    (stage,) = net.stages
    parts = tuple(part if part.parity == parity else Part(part.parity, "polynomial", degree=-1) for part in stage.dual.parts)
    return replace(net, stages=(replace(stage, dual=replace(stage.dual, parts=parts)),))


def _require_known(net: _Net, t_star: Any) -> None:
    """An unknown dual is analytic for |rho| < 1, and no worse than an algebraic one at 1."""
    if mpmath.isfinite(t_star):
        correlations = [abs(rho) for _, rho in _correlations(net, t_star)]
    else:
        correlations = [mpmath.inf] * len(net.stages)
    for stage, rho in zip(net.stages, correlations, strict=True):
        kinds = [part.kind for part in stage.dual.parts if part.g == 1]
        if any(part.kind == "unknown" for part in stage.dual.parts) and rho >= 1 - TIED and not (rho < 1 + TIED and "algebraic" in kinds):
            raise NoClosedForm(
                f"The singularities of the dual of {stage.activation.name} are not known, and they may decide: fit the "
                "computed spectrum instead (`fit_decay`)."
            )


def _parity(nets: Sequence[_Net], t: Any, parity: int, degrees: Degrees, get: str, dim: int) -> _Parity:
    degree = degrees.of(parity)
    if degree is None:
        return _Parity(Branch("zero"))
    if degree != math.inf:
        return _Parity(Branch("finite-rank", last=int(degree)))
    if not mpmath.isfinite(t):
        return _Parity(Branch("super-exponential"))
    tied = _tied(nets[0], t)
    exact_rate = _exact_rate(nets[0], t, tied)
    tail, known = _tail(nets, t, parity, get)
    rate = _rate(t)
    if tail is None:
        stretched = all(part.kind == "stretched" for i in tied for part in nets[0].stages[i].dual.parts if part.g == nets[0].stages[i].dual.g)
        law = "undecided" if known else "stretched" if stretched else "power" if t == 1 else "exponential"
        return _Parity(Branch(law, rate), tied[0] + 1, exact_rate)
    stretched = mpmath.im(tail.waves[0].frequency) != 0
    law = "stretched" if stretched else "power" if t == 1 else "exponential"
    power = None
    if not stretched:
        power = float(-(2 * tail.gamma + dim - 1) if t == 1 else -(tail.gamma + mpmath.mpf(dim) / 2))
    constant = None if stretched else constant_of(tail, dim)
    gamma = None if stretched else float(tail.gamma)
    return _Parity(
        Branch(law, rate, power, gamma, None if constant is None else float(constant), tail=tail), tied[0] + 1, exact_rate
    )


def _tail(nets: Sequence[_Net], t: Any, parity: int, get: str) -> tuple[Tail | None, bool]:
    """The sum of what both ends contribute to one parity; whether a missing one is because they cancel."""
    ends = [end for sign in (1, -1) if (end := _end(nets, sign * t, get)) is not None]
    if not ends:
        return None, False
    largest = max(abs(wave.amplitude) for end in ends for wave in end.waves)
    signed = [end.times((-1) ** parity) if i else end for i, end in enumerate(ends)]
    total = signed[0] if len(signed) == 1 else dominant(*signed)
    assert total is not None
    waves = tuple(wave for wave in total.waves if abs(wave.amplitude) > CANCELLED * largest)
    return (Tail(t, total.exponent, waves), False) if waves else (None, True)


def _end(nets: Sequence[_Net], t: Any, get: str) -> Singular | None:
    """The singular part at t; for p - m that of p, without that of m if m is singular there too."""
    parts = []
    for i, net in enumerate(nets):
        if _tied(net, t):
            m, k = _walk(net, t)
            local = k if get == "ntk" else m
            if local is not None and local.singular is not None:
                parts.append(local.singular.times((-1) ** i))
    return None if not parts else parts[0] if len(parts) == 1 else dominant(*parts)


def _rate(t: Any) -> float:
    """rho = t - sqrt(t^2 - 1)."""
    return float(1 / (t + mpmath.sqrt((t - 1) * (t + 1))))


def _exact_rate(net: _Net, t: Any, tied: Sequence[int]) -> sympy.Expr | None:
    """rho of a first layer's singularity, where g is known exactly and the numbers are short."""
    dual = net.stages[0].dual
    known = [part.exact for part in dual.parts if part.g == dual.g and part.exact is not None]
    if 0 not in tied or not known:
        return None
    A, B = (sympy.Rational(v.numerator, v.denominator) for v in _linear(net.stages[0].dense))
    t_star = (known[0] * _variance(net) - B) / (A * sympy.Rational(net.q.numerator, net.q.denominator))
    rho = sympy.simplify(t_star - sympy.sqrt(sympy.expand(t_star**2 - 1)))
    return rho if len(str(rho)) <= LONGEST_EXACT else None


def _variance(net: _Net) -> sympy.Rational:
    Q = net.q
    for layer in net.stages[0].dense:
        Q = layer.W_std**2 * Q + layer.b_std**2
    return sympy.Rational(Q.numerator, Q.denominator)


def _slowness(branch: Branch) -> tuple[float, ...]:
    """The slowest decay first."""
    if branch.tail is None:
        return (2.0 if branch.law in ("zero", "finite-rank") else 1.0 if branch.law == "super-exponential" else 0.5, 0.0, 0.0)
    return (-_or(branch.rate, 0.0), float(mpmath.im(branch.tail.waves[0].frequency)), -_or(branch.power, 0.0))


def _rank(degrees: Degrees, dim: int) -> int:
    """Harmonics of degree D, D - 2, ...: as many as homogeneous polynomials of degree D."""
    return sum(math.comb(int(D) + dim - 1, dim - 1) for D in (degrees.even, degrees.odd) if D is not None)


def _width(t: Any) -> Any:
    """n / k of the Taylor coefficients a_n that lambda_k is made of: t / sqrt(t^2 - 1)."""
    return t / mpmath.sqrt((t - 1) * (t + 1))


def _oscillation(tail: Tail | None) -> float | None:
    """omega of cos(omega sqrt(k)): waves fade at t* = 1."""
    if tail is None or tail.t_star == 1:
        return None
    waves: list[Wave] = [wave for wave in tail.waves if mpmath.re(wave.frequency) != 0]
    if not waves:
        return None
    largest = max(waves, key=lambda wave: abs(wave.amplitude))
    return float(mpmath.re(largest.frequency) * mpmath.sqrt(_width(tail.t_star)))


def _stretch(tail: Tail | None) -> float | None:
    """exp(-c sqrt(n)) of the coefficients makes exp(-c sqrt(n / k) sqrt(k)), and exp(-(3/2) c^(2/3) k^(2/3)) at t* = 1."""
    if tail is None or (c := mpmath.im(tail.waves[0].frequency)) == 0:
        return None
    if tail.t_star == 1:
        return float(mpmath.mpf(3) / 2 * mpmath.cbrt(c**2))
    return float(c * mpmath.sqrt(_width(tail.t_star)))


def _error(net: _Net, t_star: Any, layer: int | None) -> float:
    """What the coefficients left out of the layers before the nearest one do to log(rho)."""
    if layer in (None, 1):
        return 1e-15
    rest = [stage.dual.rest(rho) / stage.dual.moment for stage, rho in list(_correlations(net, t_star))[: layer - 1]]
    return float(max(rest)) + 1e-15


def _notes(net: _Net, t_star: Any, main: _Parity, tail: Tail | None, get: str) -> Iterator[str]:
    branch = main.branch
    if branch.law in ("finite-rank", "zero", "super-exponential"):
        return
    if tail is None:
        yield "the strength and the exponent of the singularity are not known: only the rate is predicted"
    if branch.law == "stretched" and tail is not None:
        Q = net.stages[(main.layer or 1) - 1].dual.variance
        c = abs(float(mpmath.im(tail.waves[0].frequency)))
        yield f"sets in where exp(-{c:.3g} sqrt(k)) is small, k >> {max(1.0, 4 / c**2):.3g} (variance {float(Q):.3g})"
    if branch.law == "power" and tail is not None and branch.constant is None and get == "ntk":
        yield "K(1) is infinite or not integrable: no constant"
    first = _first(net, 1)
    if main.layer != 1 and mpmath.isfinite(first):
        gap = mpmath.log(_rate(t_star)) - mpmath.log(_rate(first))
        yield (
            f"layer {main.layer} is nearest, layer 1 is singular at t = {float(first):.6g}: the law sets in for k >> {float(1 / gap):.3g}, "
            "later with more layers"
        )
    if branch.power is not None and t_star > 1:
        yield "k^power needs k >> dim^2; log_eigenvalue(k) holds from smaller k on"
