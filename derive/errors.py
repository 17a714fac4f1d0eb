"""Every error the product raises on purpose; no SymPy here, so that importing it costs nothing."""


class QuasintkError(Exception):
    """Base of all errors raised on purpose."""


class BadExpression(QuasintkError, ValueError):
    """The text of an activation is refused; the message names the column."""


class DerivationError(QuasintkError, ValueError):
    """The kernel of this network does not exist, or cannot be derived."""


class NoClosedForm(DerivationError):
    """The activation lies outside the class whose closed form is derived."""


class DerivationTimeout(DerivationError):
    """A derivation took more time or memory than it was allowed, and was stopped."""


class CertificateError(QuasintkError, RuntimeError):
    """A derived formula disagrees with the independent oracle: a defect of this program."""


class BadKernelFile(QuasintkError, ValueError):
    """A kernel's JSON is damaged, of another version, or no kernel at all."""


class NumericalError(QuasintkError, ArithmeticError):
    """A number cannot be computed to the accuracy asked for."""


class NotEnoughMemory(QuasintkError, MemoryError):
    """The result would not fit into the memory allowed."""


class StoreMismatch(QuasintkError, ValueError):
    """A store on the disk holds another matrix than this one, or is damaged."""


class StoreLocked(QuasintkError, RuntimeError):
    """Another process is writing a store."""


class ClusterError(QuasintkError, RuntimeError):
    """A cluster cannot be reached, was lost, or cannot compute a tile."""


class VerificationFailed(QuasintkError, AssertionError):
    """A sampled network contradicts the kernel."""


class DataWarning(UserWarning):
    """The data are valid, and of a kind that a kernel of them seldom serves; silence it with `warnings.filterwarnings`."""


def jumps_message(name: str) -> str:
    """Why there is no NTK."""
    return (
        f"{name} jumps, so its NTK is infinite at x = y before any rounded layer. "
        "Round a layer before it, or set trained=False on the layers up to it."
    )
