"""Numbers: generated code, Gram matrices, spectra and fitted laws."""

__quasintk__ = "0.1.0"
