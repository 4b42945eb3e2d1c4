"""set_points: gives a mark of bqplot its points."""

from typing import Any

import numpy as np
from bqplot import Mark


def set_points(mark: Mark, x: Any, y: Any) -> None:
    """Set x and y of a mark in one message; as float64, since a narrower array breaks the mark."""
    with mark.hold_sync():
        mark.x, mark.y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
