"""Functions of the cosine t near a point t0: a few Taylor coefficients and the leading singular part.

With e = 1 - t/t0, f = value + slope e + curve e^2 + ... + singular part. The singular part is given by the Taylor
coefficients in t that it causes, t0^-j j^-(exponent + 1) sum_i Re(a_i exp(i w_i sqrt(j))): w = 0 is S e^exponent with
S = a Gamma(-exponent), and other w are functions like exp(-w^2 / (4 e)).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import mpmath

from derive.parts import NOISE, Part, Wave

INFINITE = mpmath.inf


@dataclass(frozen=True)
class Singular:
    """Taylor coefficients t0^-j j^-(exponent + 1) sum Re(amplitude exp(i frequency sqrt(j)))."""

    exponent: Any
    waves: tuple[Wave, ...]

    def times(self, factor: Any) -> Singular:
        """The same, multiplied by a constant."""
        return Singular(self.exponent, tuple(Wave(w.frequency, factor * w.amplitude) for w in self.waves))

    @property
    def decay(self) -> Any:
        """c of exp(-c sqrt(j))."""
        return mpmath.im(self.waves[0].frequency)

    @property
    def constant(self) -> Any:
        """a of the wave that does not oscillate; None if there is none."""
        steady = [mpmath.re(w.amplitude) for w in self.waves if mpmath.re(w.frequency) == 0]
        return steady[0] if steady else None

    @property
    def strength(self) -> Any:
        """S of S e^exponent."""
        return self.constant * mpmath.gamma(-self.exponent)


@dataclass(frozen=True)
class Local:
    """value + slope e + curve e^2 + singular part; what is infinite, or hidden by it, is inf."""

    value: Any
    slope: Any
    curve: Any
    singular: Singular | None = None

    @property
    def is_steep(self) -> bool:
        """Whether the singular part is the leading one after the value: c e^p, p < 1."""
        s = self.singular
        return s is not None and s.exponent < 1 and s.decay == 0

    def scaled(self, factor: Any, shift: Any = 0) -> Local:
        """factor f + shift."""
        singular = self.singular.times(factor) if self.singular else None
        return Local(factor * self.value + shift, factor * self.slope, factor * self.curve, singular)

    def plus(self, other: Local) -> Local:
        """f + g."""
        singular = dominant(self.singular, other.singular)
        return Local(self.value + other.value, self.slope + other.slope, self.curve + other.curve, singular)

    def times(self, other: Local) -> Local:
        """f g, to leading order in the singular parts."""
        crossed = [_product(f, g) for f, g in ((self, other), (other, self)) if f.singular]
        singular = crossed[0] if len(crossed) == 1 else dominant(*crossed) if crossed else None
        if self.singular and other.singular:
            both = _both(self.singular, other.singular)
            singular = dominant(singular, both) if both else singular
        return Local(
            self.value * other.value,
            self.value * other.slope + self.slope * other.value,
            self.value * other.curve + self.slope * other.slope + self.curve * other.value,
            singular,
        )


def dominant(one: Singular | None, other: Singular | None) -> Singular | None:
    """Of two singular parts the one that decays less, or their sum."""
    if one is None or other is None:
        return one or other
    if abs(one.decay - other.decay) > NOISE:
        return min(one, other, key=lambda s: s.decay)
    if abs(one.exponent - other.exponent) > NOISE:
        return min(one, other, key=lambda s: s.exponent)
    waves = list(one.waves)
    for wave in other.waves:
        same = [i for i, w in enumerate(waves) if abs(w.frequency - wave.frequency) < NOISE]
        if same:
            waves[same[0]] = Wave(wave.frequency, waves[same[0]].amplitude + wave.amplitude)
        else:
            waves.append(wave)
    return Singular(one.exponent, tuple(waves))


def regular(f: Local, values: tuple[Any, Any, Any]) -> Local:
    """F(f) where F is analytic at f's value, from F, F' and F'' there."""
    value, first, second = values
    singular = f.singular.times(first) if f.singular and first != 0 else None
    return Local(value, first * f.slope, first * f.curve + second * f.slope**2 / 2, singular)


def through(eta: Local, part: Part, sign: int) -> Singular:
    """The singular part of kappa_part(g (1 - eta)), eta = 0 at t0; sign +-1 is that of rho.

    Its amplitude is nan where the strength is not known.
    """
    ends = mpmath.mpf(sign) ** part.parity
    if not part.waves:
        return Singular(part.gamma, (Wave(mpmath.mpc(0), mpmath.nan),))
    if eta.is_steep and (inner := eta.singular) is not None:
        S = ends * part.strength * inner.strength**part.gamma
        exponent = part.gamma * inner.exponent
        return Singular(exponent, (Wave(mpmath.mpc(0), S * mpmath.rgamma(-exponent)),))
    scale, bend = eta.slope, eta.curve / eta.slope**2
    waves = []
    for wave in part.waves:
        w = wave.frequency
        shift = w * w / 8 * (1 - 1 / scale + 2 * bend) if w != 0 else 0
        waves.append(
            Wave(w / mpmath.sqrt(scale), ends / 2 * wave.amplitude * scale**part.gamma * mpmath.exp(shift))
        )
    return Singular(part.gamma, tuple(waves))


def derivative_in(f: Singular, M: Local) -> Singular:
    """Of F(M(t)), singular by f, the singular part of F'(M) = (t dF/dt) / (t dM/dt)."""
    if M.is_steep and (inner := M.singular) is not None:
        p = inner.exponent  # M = M0 + S e^p: F = S_F e^f, F' = S_F f / (S p) e^(f - p)
        S = f.strength * f.exponent / (inner.strength * p)
        exponent = f.exponent - p
        return Singular(exponent, (Wave(mpmath.mpc(0), S * mpmath.rgamma(-exponent)),))
    return replace(f.times(-1 / M.slope), exponent=f.exponent - 1)


def _product(f: Local, g: Local) -> Singular | None:
    """The singular part of f times g's value, as far as that is finite."""
    assert f.singular is not None
    if not mpmath.isfinite(g.value):
        return None
    return f.singular.times(g.value) if g.value != 0 else None


def _both(f: Singular, g: Singular) -> Singular | None:
    """S e^p times T e^q."""
    exponent = f.exponent + g.exponent
    plain = all(w.frequency == 0 for s in (f, g) for w in s.waves)
    if not plain or (exponent >= 0 and exponent == mpmath.nint(exponent)):
        return None
    return Singular(exponent, (Wave(mpmath.mpc(0), f.strength * g.strength * mpmath.rgamma(-exponent)),))
