"""Arrays of a long computation, kept between its steps."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from derive.errors import StoreMismatch
from numerics import files


@dataclass(frozen=True)
class Checkpoint:
    """A .npz file that is whole or not there, for one computation: `content` says which."""

    path: Path
    content: str

    def save(self, **arrays: NDArray[Any]) -> None:
        """Put the arrays in the file's place."""
        files.write_arrays(self.path, content=np.array(self.content), **arrays)

    def load(self) -> dict[str, NDArray[Any]] | None:
        """The arrays; None where there is no file. Raises StoreMismatch where it is damaged or of another computation."""
        if not self.path.exists():
            return None
        try:
            with np.load(self.path, allow_pickle=False) as kept:
                arrays = dict(kept)
            known = str(arrays.pop("content"))
        except Exception as error:
            raise StoreMismatch(f"The checkpoint {self.path} is damaged ({error}): remove it.") from None
        if known != self.content:
            raise StoreMismatch(
                f"The checkpoint {self.path} belongs to another computation: remove it, or give another path."
            )
        return arrays

    def remove(self) -> None:
        """The computation is over."""
        files.remove(self.path)
