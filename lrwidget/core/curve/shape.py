"""The shape of a smoothed curve: its fall, its minimum and its final rise.

x = log10(lr), L(x) is the smoothed loss, x_min is the position of its minimum, and the fall is the
highest loss left of x_min minus L(x_min). Nothing here depends on the unit of the loss.
"""

import numpy as np

from lrwidget.core.curve.ladder import FloatArray

# Number of interpolated positions per decade.
_FINE = 200


def bottom_index(losses: FloatArray) -> int:
    """Return the first index at which the loss is lowest, within a billionth of the fall.

    Because of this tolerance, rounding does not move the minimum on a flat bottom.
    """
    lowest = int(np.argmin(losses))
    before = losses[: lowest + 1]
    return int(np.argmax(before <= losses[lowest] + 1e-9 * (before.max() - losses[lowest])))


def falls(losses: FloatArray) -> bool:
    """Return whether any loss left of the lowest is higher than it."""
    return len(losses) > 1 and bottom_index(losses) > 0


def x_min(lrs: FloatArray, losses: FloatArray) -> float:
    """Return log10 of the learning rate at the minimum, interpolated between points if possible.

    It is the vertex of the parabola through the lowest point and its two neighbors, so that it
    depends little on the points of a short ladder.
    """
    k = bottom_index(losses)
    if not 0 < k < len(losses) - 1:
        return float(np.log10(lrs[k]))
    left, center, right = np.log10(lrs[k - 1 : k + 2])
    falling = (losses[k - 1] - losses[k]) / (center - left)
    rising = (losses[k + 1] - losses[k]) / (right - center)
    if falling + rising == 0:
        return float(center)
    middle = (left + center) / 2
    return float(middle + (right - left) / 2 * falling / (falling + rising))


def until_minimum(lrs: FloatArray, losses: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return log10(lrs) and the losses on a fine even grid that ends at the lowest loss."""
    bottom = bottom_index(losses)
    x = np.log10(lrs[: bottom + 1])
    fine = np.linspace(x[0], x[-1], max(100, int((x[-1] - x[0]) * _FINE)))
    return fine, np.interp(fine, x, losses[: bottom + 1])


def first_rise(lrs: FloatArray, losses: FloatArray, share: float) -> float | None:
    """Return log10 of the rate at which the loss has first risen again by a share of the fall.

    It is the first x right of x_min with L(x) >= L(x_min) + share * fall. Between two points, L
    minus (L(x_min) - 0.01 fall) is interpolated exponentially.

    Args:
        lrs: Learning rates, shape (n,), increasing, > 0.
        losses: Smoothed losses, shape (n,), which fall.
        share: > 0.

    Returns:
        The position x, or None if the loss does not rise that far.
    """
    bottom, excess = bottom_index(losses), _excess(losses)
    above = np.flatnonzero(excess[bottom:] >= share)
    return _crossing(lrs, excess, bottom + int(above[0]), share) if above.size else None


def last_rise(lrs: FloatArray, losses: FloatArray, share: float) -> float:
    """Return log10 of the rate at which the loss rises for good by a share of the fall.

    Right of this x all losses are above L(x_min) + share * fall; x is interpolated as in
    `first_rise`. If the loss does not stay above, x is the last point.
    """
    excess = _excess(losses)
    last = int(np.flatnonzero(excess < share)[-1])
    if last == len(losses) - 1:
        return float(np.log10(lrs[-1]))
    return _crossing(lrs, excess, last + 1, share)


def descents(losses: FloatArray, share: float = 1 / 20) -> list[tuple[int, int]]:
    """Return (top, bottom) of every descent without a rise of a share of the range."""
    limit = (losses.max() - losses.min()) * share
    found, top, bottom = [], 0, 0
    for k, loss in enumerate(losses.tolist()):
        if loss < losses[bottom]:
            bottom = k
        elif loss > losses[bottom] + limit or loss >= losses[top]:
            if losses[top] - losses[bottom] > limit:
                found.append((top, bottom))
            top = bottom = k
    found.append((top, bottom))
    return found


def slope_ends(x: FloatArray, losses: FloatArray) -> tuple[float, float]:
    """Return where a descent has fallen by a twentieth of its depth, and where one is left."""
    margin = (losses.max() - losses.min()) / 20
    start = np.flatnonzero(losses >= losses.max() - margin)[-1]
    end = np.flatnonzero(losses <= losses.min() + margin)[0]
    return float(x[start]), float(x[end])


def _excess(losses: FloatArray) -> FloatArray:
    """Return the distance of each loss from the lowest, in units of the fall."""
    bottom = bottom_index(losses)
    excess = losses - losses[bottom]
    return excess / excess[: bottom + 1].max()


def _crossing(lrs: FloatArray, excess: FloatArray, k: int, share: float) -> float:
    """Return where the excess reaches a share, between the points k - 1 and k."""
    x = np.log10(lrs[k - 1 : k + 1])
    before, at, after = np.log(np.array([excess[k - 1], share, excess[k]]) + 0.01)
    return float(x[0] + (at - before) / (after - before) * (x[1] - x[0]))
