"""The errors that quasintk raises on purpose."""

from derive.errors import (
    BadExpression,
    BadKernelFile,
    CertificateError,
    DerivationError,
    DerivationTimeout,
    NoClosedForm,
    NotEnoughMemory,
    NumericalError,
    QuasintkError,
    VerificationFailed,
)

__all__ = [
    "BadExpression",
    "BadKernelFile",
    "CertificateError",
    "DerivationError",
    "DerivationTimeout",
    "NoClosedForm",
    "NotEnoughMemory",
    "NumericalError",
    "QuasintkError",
    "VerificationFailed",
]
