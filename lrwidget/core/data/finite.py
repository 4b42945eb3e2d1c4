"""NonFiniteBatches: records which batches contain NaN or infinity."""

from typing import Any

import keras
import numpy as np


class NonFiniteBatches:
    """Counts batches, and stores the numbers of those that contain NaN or infinity."""

    def __init__(self) -> None:
        self._count = 0
        self._numbers: set[int] = set()

    def look_at(self, batch: Any) -> None:
        """Check the next batch; parts that are not numpy arrays are ignored."""
        arrays = [each for each in keras.tree.flatten(batch) if isinstance(each, np.ndarray)]
        if not all(np.isfinite(each).all() for each in arrays if each.dtype.kind == "f"):
            self._numbers.add(self._count)
        self._count += 1

    def among(self, first: int, count: int) -> bool:
        """Return whether any of `count` batches, from number `first` on, is not finite."""
        return any(number in self._numbers for number in range(first, first + count))
