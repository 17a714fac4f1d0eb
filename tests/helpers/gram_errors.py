"""How far Gram matrices are apart."""

import numpy as np


def off(found, expected, scale=None):
    """Largest difference over sqrt(K(x, x) K(y, y)); of the rounding, a difference of p and m, over p."""
    root = np.sqrt(np.diag(expected if scale is None else scale))
    return np.max(np.abs(found - expected) / np.maximum(np.outer(root, root), 1e-300))
