"""Trust: sampled networks and statistical tests with a guaranteed error rate."""

__quasintk__ = "0.1.0"
