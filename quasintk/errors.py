"""The errors and warnings that quasintk raises on purpose."""

from derive.errors import (
    BadExpression,
    BadKernelFile,
    CertificateError,
    ClusterError,
    DataWarning,
    DerivationError,
    DerivationTimeout,
    NoClosedForm,
    NotEnoughMemory,
    NumericalError,
    QuasintkError,
    StoreLocked,
    StoreMismatch,
    VerificationFailed,
)

__all__ = [
    "BadExpression",
    "BadKernelFile",
    "CertificateError",
    "ClusterError",
    "DataWarning",
    "DerivationError",
    "DerivationTimeout",
    "NoClosedForm",
    "NotEnoughMemory",
    "NumericalError",
    "QuasintkError",
    "StoreLocked",
    "StoreMismatch",
    "VerificationFailed",
]
