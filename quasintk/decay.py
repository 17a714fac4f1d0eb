"""A kernel's spectrum with the law fitted to it and the law predicted of it, side by side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from derive.errors import QuasintkError
from derive.notebook import html_table
from derive.numbers import Real
from derive.predict import predict_decay
from derive.prediction import Prediction
from numerics.decay_fit import DecayFit
from numerics.fit import fit_decay
from numerics.kernel import Kernel
from numerics.zonal import Spectrum, spectrum


@dataclass(frozen=True)
class Decay:
    """Eigenvalues of one kernel by degree, and their law.

    Attributes
    ----------
    label : str
    spectrum : Spectrum
    fit : DecayFit, str or None
        What was fitted to the numbers; or why nothing is; None where nothing was asked for.
    prediction : Prediction, str or None
        What was predicted of the network alone; likewise.
    """

    label: str
    spectrum: Spectrum
    fit: DecayFit | str | None
    prediction: Prediction | str | None

    @property
    def fitted(self) -> DecayFit | None:
        """The fit, where there is one."""
        return self.fit if isinstance(self.fit, DecayFit) else None

    @property
    def predicted(self) -> Prediction | None:
        """The prediction, where there is one."""
        return self.prediction if isinstance(self.prediction, Prediction) else None

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe dictionary."""
        result = {"weights": self.label, **self.spectrum.to_dict()}
        for name in ("fit", "prediction"):
            if (value := getattr(self, name)) is not None:
                result[name] = {"note": value} if isinstance(value, str) else value.to_dict()
        return result

    def plot(self, ax: Any = None) -> Any:
        """Draw the eigenvalues by degree, the fitted law in the legend, the predicted one as a thin line.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            By default those of a new figure; several spectra may go into the same ones.

        Returns
        -------
        matplotlib Axes

        Raises
        ------
        TypeError, ValueError, ImportError
            As `numerics.plots.panels` says.
        """
        from numerics.plots import draw_spectra, panels

        (axes,) = panels(ax, 1, 6.4, 4.2)
        draw_spectra(axes, {self.label: self.spectrum}, [self.fitted], [self.predicted])
        return axes

    def __repr__(self) -> str:
        laws = (f"{name} {law!r}" for name, law in self._laws())
        return f"<Decay of {self.label}: {', '.join([f'degrees 0 to {self.spectrum.degree[-1]}', *laws])}>"

    def __str__(self) -> str:
        laws = (f"\n{name}:\n{law}" for name, law in self._laws())
        return "\n".join([f"{self.label}:", str(self.spectrum), *laws])

    def _laws(self) -> Iterator[tuple[str, object]]:
        pairs = (("fitted", self.fit), ("predicted", self.prediction))
        return ((name, law) for name, law in pairs if law is not None)

    def _repr_html_(self) -> str:
        parts = (
            html_table([f"{name}: {law}"], (), ()) if isinstance(law, str) else law._repr_html_()  # type: ignore[attr-defined]  # a law
            for name, law in self._laws()
        )
        return "".join([html_table([self.label], (), ()), self.spectrum._repr_html_(), *parts])


def decay_of(
    label: str,
    kernel: Kernel,
    dim: int,
    degrees: int,
    q: Real,
    get: str,
    fit: bool = True,
    predict: bool = True,
) -> Decay:
    """Compute, fit and predict; what cannot be fitted or predicted says why, and takes nothing else with it.

    Raises
    ------
    ValueError, DerivationError, NumericalError
        As `spectrum` does.
    """
    found = spectrum(kernel, dim, degrees, get, q)
    return Decay(
        label,
        found,
        _fitted(found) if fit else None,
        _predicted(kernel, dim, q, get) if predict else None,
    )


def _fitted(found: Spectrum) -> DecayFit | str:
    try:
        return fit_decay(found)
    except QuasintkError as error:
        return f"nothing is fitted: {error}"


def _predicted(kernel: Kernel, dim: int, q: Real, get: str) -> Prediction | str:
    try:
        return predict_decay(kernel, dim, q, get)
    except (QuasintkError, TypeError) as error:
        return f"nothing is predicted: {error}"
