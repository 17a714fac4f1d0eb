"""Networks: a sequence of dense and activation layers (theory.md, section 1)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Literal

from derive.activation import Activation
from derive.notebook import html_table
from derive.numbers import Real, as_argument, exact
from derive.weights import WeightLaw, weight_law

Parameterization = Literal["ntk", "latent"]
_BY = {"ntk": "standardised latents", "latent": "the latents themselves"}


@dataclass(frozen=True)
class Dense:
    """u = W_std sqrt(1 / (e d)) W h + b_std b, with W a stochastic rounding of the latents, b ~ N(0, I).

    Parameters
    ----------
    weights : {"real", "binary", "ternary"} or WeightLaw
    W_std, b_std : real numbers >= 0
        Standard deviations of the weights (W_std > 0) and the biases.
    trained : bool
        Whether this layer's weights and biases take part in the NTK.
    label : str, optional
        Ending of the layer's parameter names, "W_std_<label>"; layers of equal label share their
        parameters. By default the layer's number among the dense layers, from 1; "" leaves no ending.
    """

    law: WeightLaw
    W_std: Fraction
    b_std: Fraction
    trained: bool
    label: str | None

    def __init__(
        self,
        weights: str | WeightLaw = "real",
        W_std: Real = 1.0,
        b_std: Real = 0.0,
        trained: bool = True,
        label: str | None = None,
    ):
        scale, bias = exact(W_std, "W_std"), exact(b_std, "b_std")
        if scale <= 0:
            raise ValueError(f"W_std must be positive, got {W_std}.")
        if bias < 0:
            raise ValueError(f"b_std must not be negative, got {b_std}.")
        if label is not None and not (label == "" or f"_{label}".isidentifier()):
            raise ValueError(f"label must consist of letters, digits and underscores, got {label!r}.")
        object.__setattr__(self, "law", weight_law(weights))
        object.__setattr__(self, "W_std", scale)
        object.__setattr__(self, "b_std", bias)
        object.__setattr__(self, "trained", bool(trained))
        object.__setattr__(self, "label", label)

    def __repr__(self) -> str:
        options = f", W_std={as_argument(self.W_std)}, b_std={as_argument(self.b_std)}"
        trained = "" if self.trained else ", trained=False"
        label = "" if self.label is None else f", label={self.label!r}"
        return f"Dense({str(self.law)!r}{options}{trained}{label})"


Layer = Dense | Activation


@dataclass(frozen=True)
class Network:
    """A fully connected network of infinite width.

    Parameters
    ----------
    layers : sequence of Dense and Activation
        Any sequence that begins and ends with a dense layer and has no two activations in a row.
    parameterization : {"ntk", "latent"}
        Whether the NTK's gradients are taken with respect to standardised latents ("ntk", which for
        real weights is the usual NTK) or to the latents themselves (theory.md, section 3).
    """

    layers: tuple[Layer, ...]
    parameterization: Parameterization

    def __init__(self, layers: Iterable[Layer], parameterization: Parameterization = "ntk"):
        if parameterization not in ("ntk", "latent"):
            raise ValueError(f"parameterization must be 'ntk' or 'latent', got {parameterization!r}.")
        object.__setattr__(self, "layers", _labelled(tuple(layers)))
        object.__setattr__(self, "parameterization", parameterization)

    @property
    def dense_layers(self) -> tuple[Dense, ...]:
        """The dense layers in order."""
        return tuple(layer for layer in self.layers if isinstance(layer, Dense))

    def __repr__(self) -> str:
        latent = "" if self.parameterization == "ntk" else ", 'latent'"
        return f"Network({list(self.layers)!r}{latent})"

    def __str__(self) -> str:
        names = (f"Dense({one.law})" if isinstance(one, Dense) else one.name for one in self.layers)
        return " -> ".join(names)

    def _repr_html_(self) -> str:
        rows = [_row(number, layer) for number, layer in enumerate(self.layers, 1)]
        head = ("layer", "", "r", "W_std", "b_std", "trained")
        return html_table([f"Network, NTK by {_BY[self.parameterization]}"], head, rows)


def _row(number: int, layer: Layer) -> tuple[object, ...]:
    if isinstance(layer, Activation):
        return number, str(layer), "", "", "", ""
    numbers = (f"{float(value):.6g}" for value in (layer.law.latent_fraction, layer.W_std, layer.b_std))
    return number, f"Dense, {layer.law} weights", *numbers, "yes" if layer.trained else "no"


def mlp(
    activation: object,
    depth: int = 1,
    weights: str | WeightLaw = "binary",
    W_std: Real = 1.0,
    b_std: Real = 0.0,
    parameterization: Parameterization = "ntk",
) -> Network:
    """[Dense(weights) -> activation] * depth -> Dense(real, W_std=1, b_std=0), all dense layers trained.

    The hidden layers share W_std, b_std and latent_fraction; the readout's are called W_std_out, b_std_out.

    Examples
    --------
    >>> len(mlp("relu", depth=3).layers)
    7
    """
    if type(depth) is not int or not 1 <= depth <= 64:
        raise ValueError(f"depth must be an integer from 1 to 64, got {depth!r}.")
    act = activation if isinstance(activation, Activation) else Activation(activation)
    hidden = Dense(weights, W_std=W_std, b_std=b_std, label="")
    layers: list[Layer] = [hidden, act] * depth
    return Network([*layers, Dense("real", label="out")], parameterization)


def _labelled(layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
    for position, layer in enumerate(layers):
        if not isinstance(layer, (Dense, Activation)):
            raise TypeError(f"Layer {position} must be Dense or Activation, got {type(layer).__name__}.")
    if not layers or not isinstance(layers[0], Dense) or not isinstance(layers[-1], Dense):
        raise ValueError("A network begins and ends with a Dense layer.")
    for position, pair in enumerate(pairwise(layers)):
        if all(isinstance(layer, Activation) for layer in pair):
            raise ValueError(
                f"Layers {position} and {position + 1} are both activations: put a Dense layer between."
            )
    _check_parameters(layer for layer in layers if isinstance(layer, Activation))
    labelled: list[Layer] = []
    shared: dict[str, Dense] = {}
    count = 0
    for layer in layers:
        if isinstance(layer, Dense):
            count += 1
            label = str(count) if layer.label is None else layer.label
            layer = Dense(layer.law, layer.W_std, layer.b_std, layer.trained, label)
            first = shared.setdefault(label, layer)
            if (first.law, first.W_std, first.b_std) != (layer.law, layer.W_std, layer.b_std):
                raise ValueError(f"Dense layers labelled {layer.label!r} share their parameters but differ.")
        labelled.append(layer)
    return tuple(labelled)


def _check_parameters(activations: Iterable[Activation]) -> None:
    values: dict[str, Fraction] = {}
    for activation in activations:
        for name, value in activation.parameters:
            if values.setdefault(name, value) != value:
                raise ValueError(
                    f"Two activations have a parameter {name!r} of different values: write them as expressions "
                    "with parameters of different names."
                )
