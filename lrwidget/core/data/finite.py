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
        parts = keras.tree.flatten(batch)
        arrays = [x for x in parts if isinstance(x, np.ndarray) and x.dtype.kind == "f"]
        # A sum is twice as fast as looking at each number, and almost always enough.
        with np.errstate(all="ignore"):
            doubtful = [each for each in arrays if not np.isfinite(each.sum())]
        if not all(np.isfinite(each).all() for each in doubtful):
            self._numbers.add(self._count)
        self._count += 1

    def first(self, count: int) -> int | None:
        """Return the number of the first of `count` batches that is not finite; None if all are."""
        return min((number for number in self._numbers if number < count), default=None)

    def among(self, first: int, count: int) -> bool:
        """Return whether any of `count` batches, from number `first` on, is not finite."""
        return any(number in self._numbers for number in range(first, first + count))
