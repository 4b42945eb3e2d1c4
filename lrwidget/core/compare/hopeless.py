"""hopeless_at: the step at which a run can no longer catch up with the best finished run."""

import math

import numpy as np

from lrwidget.core.arrays import FloatArray
from lrwidget.core.compare.standard_error import mean_with_error

# Runs are checked this many times, at the same steps however the training is grouped.
_CHECKS = 20
# No run ends before this share of its steps.
_FIRST_CHECK = 0.25
# Losses are averaged over this share of the steps.
_SMOOTHED_SHARE = 0.15
# The lag must exceed the gain that is possible by this many standard errors.
_ERRORS = 4.0


def hopeless_at(losses: FloatArray, leader: FloatArray, lrs: FloatArray) -> int | None:
    """Return the number of steps after which a run has become hopeless, or None.

    Let d be the mean of (loss - loss of the leader on the same batch) over the last w steps, and g
    the fall that the run may still have: its fall over the last 2 w steps, continued to the end in
    the logarithm of the steps, or that of the leader from here to its end, if this is more. A run
    is hopeless if d > g by more than four standard errors. It is not asked before the learning rate
    has passed its highest value. docs/searches.md has what this saves, and how often a run that
    would have fallen late is lost.

    Args:
        losses: Losses of the run so far, shape (n,), finite.
        leader: Losses of the best finished run on the same batches, shape (steps,), finite, with
            learning rates of the same shape.
        lrs: Learning rates planned, shape (steps,).
    """
    steps = len(lrs)
    if len(leader) < steps:
        return None
    width = max(8, round(_SMOOTHED_SHARE * steps))
    earliest = max(int(np.argmax(lrs)) + 2 * width, round(_FIRST_CHECK * steps))
    for check in range(1, _CHECKS):
        count = check * steps // _CHECKS
        if count > len(losses):
            break
        if count >= earliest and _is_hopeless(losses[:count], leader, width):
            return count
    return None


def _is_hopeless(losses: FloatArray, leader: FloatArray, width: int) -> bool:
    count, steps = len(losses), len(leader)
    last, before = slice(count - width, count), slice(count - 2 * width, count - width)
    lag, lag_error = mean_with_error(losses[last] - leader[last])
    fall, fall_error = mean_with_error(losses[before] - losses[last])
    middle = count - width / 2
    rest = middle / width * math.log((steps - width / 2) / middle)
    of_leader = float(leader[last].mean() - leader[-width:].mean())
    gain, error = rest * fall, math.hypot(lag_error, rest * fall_error)
    if of_leader > gain:
        gain, error = of_leader, lag_error
    return lag - _ERRORS * error > max(gain, 0.0)
