"""Activations known by name, each as the expression a person would type."""

NAMED: dict[str, str] = {
    "relu": "max(x, 0)",
    "leaky_relu": "max(x, 0) + min(x, 0)/100",
    "abs": "abs(x)",
    "identity": "x",
}
