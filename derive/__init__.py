"""Formulas: from an activation and a network to a kernel in closed form (SymPy and mpmath only)."""

__quasintk__ = "0.1.0"
