"""Random activations of the class: their closed forms against the independent oracle, 30 digits each."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from derive.activation import Activation
from derive.dual import dual_activation
from derive.errors import NoClosedForm

numbers = st.integers(-30, 30).filter(bool).map(lambda n: f"({n}/10)")
scales = st.integers(2, 20).map(lambda n: f"({n}/10)")
powers = st.sampled_from(["1", "x"])


@st.composite
def gates(draw):
    kind = draw(st.sampled_from(["step", "cdf", "wave", "gauss", "exp", "plain"]))
    shift, scale = draw(numbers), draw(scales)
    return {
        "step": f"heaviside(x - {shift})",
        "cdf": f"Phi({scale}*x + {shift})",
        "wave": f"cos({scale}*x + {shift})",
        "gauss": f"exp(-{scale}*x**2 + {shift}*x)",
        "exp": f"(exp({scale}*x/2) if x < {shift} else exp(-{scale}*x))",
        "plain": "1",
    }[kind]


@st.composite
def expressions(draw):
    terms = draw(st.lists(st.tuples(numbers, powers, gates()), min_size=1, max_size=2))
    return " + ".join(f"{number}*{power}*{gate}" for number, power, gate in terms)


@settings(max_examples=12)
@given(expressions())
def test_a_random_activation_of_the_class_is_certified(text):
    """`dual_activation` raises CertificateError where a form and the oracle share fewer than 30 digits."""
    activation = Activation(text)
    if "cos" in text and ("Phi" in text or "heaviside" in text or "if" in text):
        with pytest.raises(NoClosedForm, match="sines beside kinks"):
            dual_activation(activation)
    else:
        assert dual_activation(activation).certificate.digits >= 30
