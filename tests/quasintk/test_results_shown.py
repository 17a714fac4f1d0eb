"""How results look at the end of a notebook's cell and in a shell."""

import pytest
from shown import HOSTILE, Tags, require_mathjax

from derive.predict import predict_decay
from numerics.decay_fit import DecayFit, LawFit
from numerics.inclusion import compare
from numerics.mixture import equivalent_gaussian_mixture
from numerics.zonal import spectrum
from quasintk.baselines import gaussian
from quasintk.pipeline import kernel


@pytest.mark.parametrize(
    ("activation", "options"),
    [("relu", {"depth": 3}), ("tanh", {"weights": "real"}), ("heaviside(x - 1)", {"b_std": 0.1})],
)
def test_kernels(activation, options):
    one = kernel(activation, **options)
    require_mathjax(one._repr_latex_())
    require_mathjax(one.on_sphere(1.5, "nngp")._repr_latex_())
    assert repr(one.on_sphere(1.5, "nngp")).startswith("<K(t), nngp for |x|^2 = 1.5 d, of <Kernel of Dense")
    for dual in one.duals:
        require_mathjax(dual._repr_latex_())
    assert (r"\vdots" in one._repr_latex_()) == (options.get("depth") == 3)


def test_the_formula_on_the_sphere_is_the_kernel():
    """exp(t - 1), which needs no digits, and the arc-cosine kernel."""
    assert gaussian().on_sphere()._repr_latex_() == r"$\displaystyle K(t) = e^{t - 1}$"
    assert r"\arccos" in kernel("relu", weights="real").on_sphere()._repr_latex_().replace(
        "operatorname{acos}", "arccos"
    )


def test_laws_of_decay():
    a, b = kernel("relu", b_std=1), kernel("relu", weights="real", b_std=1)
    law = predict_decay(a, 10)
    require_mathjax(law._repr_latex_())
    assert Tags(law._repr_html_()).found.count("tr") == len(str(law).splitlines()) - 1
    assert repr(law) == "<Prediction: exponential, rate 0.171573, power -5.5; ntk, dim 10>"
    for one, other in ((a, b), (b, a), (a, a), (a, gaussian())):
        found = compare(one, other, 10, degrees=20)
        require_mathjax(found._repr_latex_())
        assert found.verdict.partition(" ")[0] in repr(found) or found.verdict == "equal"
    table = spectrum(b, 10)
    require_mathjax(table._repr_latex_())
    assert "46 rows" not in str(table)
    assert "... 47 more ..." in str(table)
    assert Tags(table._repr_html_()).found.count("tr") == 16


def test_fits_and_mixtures():
    values = {"log_scale": 1e-9, "rho": 0.5}
    law = LawFit(
        "super-exponential", values, {name: (-float("inf"), 2e9) for name in values}, 1.0, 0.1, 0.1, None
    )
    fit = DecayFit(law, (law,), (1, 9), 9, "degree", "super-exponential", HOSTILE, HOSTILE, None, None, None)
    require_mathjax(fit._repr_latex_())
    assert "script" not in Tags(fit._repr_html_()).found
    undecided = DecayFit(None, (), (1, 9), 9, "degree", "undecided", "", "", None, None, None)
    require_mathjax(undecided._repr_latex_())
    assert repr(undecided) == "<DecayFit: undecided; degree 1 to 9>"
    require_mathjax(equivalent_gaussian_mixture(kernel("relu", b_std=1), 5, degrees=20)._repr_latex_())
