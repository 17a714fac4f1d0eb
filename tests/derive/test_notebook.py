"""What notebooks show: nothing of a user's text is read as HTML, and LaTeX is what MathJax and KaTeX know."""

import pytest
from shown import HOSTILE, Tags, require_mathjax

from derive.activation import Activation
from derive.dual import dual_activation
from derive.library import NAMED
from derive.network import Dense, Network, mlp
from derive.notebook import html_table, latex_number, latex_word
from derive.weights import weight_law


def test_tables_escape_everything_and_keep_colours_to_the_page():
    page = html_table([HOSTILE, HOSTILE], [HOSTILE, "b"], [[HOSTILE, 1.5]])
    tags = Tags(page)
    assert "script" not in tags.found
    assert "".join(tags.words).count(HOSTILE) == 4
    assert "color" not in page
    assert 'class="tex2jax_ignore mathjax_ignore"' in page


@pytest.mark.parametrize(("count", "shown"), [(1, 1), (15, 15), (16, 15), (1000, 15)])
def test_the_middle_of_a_long_table_is_left_out(count, shown):
    page = html_table(["t"], ["a", "b"], ((k, 2 * k) for k in range(count)))
    assert page.count("<tr>") == shown + 1
    assert (f"{count - 14} rows" in page) == (count > 15)
    assert f">{2 * count - 2}</td>" in page


@pytest.mark.parametrize(
    ("text", "latex"),
    [
        ("1.5e-07", r"1.5 \times 10^{-7}"),
        ("-2e+10", r"-2 \times 10^{10}"),
        ("inf", r"\infty"),
        ("-inf", r"-\infty"),
        ("0.25", "0.25"),
    ],
)
def test_numbers(text, latex):
    assert latex_number(text) == latex


def test_words_keep_no_mark_that_ends_them():
    assert latex_word("log_scale") == r"\mathrm{log\_scale}"
    assert latex_word("a}{\\input|x^2") == r"\mathrm{a???input?x?2}"


@pytest.mark.parametrize(
    "name", [*NAMED, "1.5*x + 0.12345678901234567*max(x, 0)", "x if x > 0.3 else lambda_1*x"]
)
def test_activations(name):
    one = Activation(name, lambda_1=2) if "lambda_1" in name else Activation(name)
    require_mathjax(one._repr_latex_())
    assert eval(repr(one), {"Activation": Activation}) == one
    assert one.text in str(one)


@pytest.mark.parametrize("name", ["relu", "sin", "heaviside"])
def test_duals(name):
    dual = dual_activation(Activation(name))
    require_mathjax(dual._repr_latex_())
    assert dual._repr_latex_().count("&=") == 3
    assert f"Dual of {name} in closed form" in repr(dual)


@pytest.mark.parametrize("law", ["real", "binary", "ternary", 16, "r=0.4", "r=0.123456789"])
def test_laws_of_weights(law):
    one = weight_law(law)
    require_mathjax(one._repr_latex_())
    assert weight_law(str(one)) == one


def test_networks():
    net = Network([Dense("binary", 1.4142, "1/3", trained=False), Activation("prelu", a=0.3), Dense(5)])
    assert str(net) == "Dense(binary) -> prelu -> Dense(5)"
    assert Tags(net._repr_html_()).found.count("tr") == 4
    values = {"Network": Network, "Dense": Dense, "Activation": Activation}
    for one in (net, mlp("relu", 2), Network(net.layers, "latent")):
        assert eval(repr(one), values) == one
