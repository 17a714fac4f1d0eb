"""Arrays in .npy files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from derive.errors import NotEnoughMemory


def load_array(path: Path) -> np.ndarray[Any, Any]:
    """Read a .npy file; its declared size is checked against the file's before anything is allocated."""
    try:
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[
                version
            ]
            shape, _, dtype = read(file)
            declared = file.tell() + int(np.prod(shape, dtype=object)) * dtype.itemsize
        if dtype.hasobject:
            raise TypeError(f"{path} holds Python objects: save an array of numbers.")
    except (ValueError, KeyError, EOFError) as error:
        raise ValueError(f"{path} is no .npy file of numbers: {error}") from None
    if declared != path.stat().st_size:
        raise ValueError(
            f"{path} is damaged: its header declares {declared} bytes, it has {path.stat().st_size}."
        )
    try:
        array: np.ndarray[Any, Any] = np.load(path, allow_pickle=False)
    except MemoryError:
        raise NotEnoughMemory(f"{path} with shape {shape} does not fit into memory.") from None
    return array
