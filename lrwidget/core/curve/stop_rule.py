"""DivergenceRule: detects, as the losses arrive, where a range test has diverged."""

import math

import numpy as np

from lrwidget.core.curve.ladder import FloatArray

# A level is the median of this share of the ladder, so that it covers the same range of learning
# rates for any number of steps ...
_LEVEL_SHARE = 0.05
# ... but of at least this many losses: a median of five ignores two spikes.
_LEVEL_MIN = 5
# Levels are compared five times per width, which is enough for a long test, and cheap.
_CHECKS_PER_WIDTH = 5
# The rise is measured in thirds of the fall ...
_FALL_SHARE = 1 / 3
# ... or in this many standard deviations of the noise, if that is more ...
_NOISE_WIDTH = 3.0
# ... or in steps that float32 can resolve, relative to the loss.
_RESOLUTION = 1e-5
# sd = 1.4826 * median absolute deviation, for normal noise.
_MAD_TO_SD = 1.4826


class DivergenceRule:
    """Finds the loss at which the range test has diverged.

    With L_k the median of the last w losses, B_k the lowest level so far, S the first level
    and N_k the standard deviation of the noise, the test has diverged at the first k with

        L_k - B_k > stop_factor * max((S - B_k) / 3, 3 * N_k).

    With the default factor of 4, the loss has risen by its whole fall and a third more, and by
    much more than its noise between batches. The rule uses only differences of losses: scaling or
    shifting the loss has no effect, and negative losses are allowed. The medians ignore single
    spikes. N is the larger of two robust estimates, from the differences of neighboring losses and
    from the spread of the losses on the flat start. It is calculated again each time the number of
    losses has doubled. The result does not depend on how many losses arrive together.

    Args:
        steps: Total number of losses planned, >= 2.
        stop_factor: Rise allowed, in thirds of the fall, > 0; None allows any.

    Source: the stop of Smith's range test, arXiv:1506.01186, usually implemented as "four times
        the best loss". This rule compares with the fall instead, because a ratio of losses has no
        meaning for a shifted or negative loss.
    """

    def __init__(self, steps: int, stop_factor: float | None) -> None:
        self._stop_factor = math.inf if stop_factor is None else stop_factor
        self._width = max(_LEVEL_MIN, round(_LEVEL_SHARE * steps))
        self._stride = self._width // _CHECKS_PER_WIDTH
        self._next_noise = 2 * self._width
        self._checked = 0
        self._first = math.nan
        self._best = math.inf
        self._noise = 0.0

    def first_divergence(self, losses: FloatArray) -> int | None:
        """Check the losses that arrived since the last call.

        Args:
            losses: All losses so far, shape (n,), finite.

        Returns:
            The 0-based index of the loss at which the test has diverged, or None.
        """
        counts = range(self._checked + self._stride, len(losses) + 1, self._stride)
        counts = counts[max(0, -(-(self._width - counts.start) // self._stride)) :]
        if not counts:
            return None
        self._checked = counts[-1]
        windows = np.lib.stride_tricks.sliding_window_view(losses, self._width)
        levels = np.median(windows[np.array(counts) - self._width], axis=-1)
        for count, level in zip(counts, levels.tolist(), strict=True):
            if self._diverged(losses[:count], level):
                return count - 1
        return None

    def _diverged(self, losses: FloatArray, level: float) -> bool:
        if math.isinf(self._best):
            self._first = level
        self._best = min(self._best, level)
        if len(losses) < 2 * self._width:
            return False
        if len(losses) >= self._next_noise:
            self._noise = _noise(losses, self._width)
            self._next_noise = 2 * len(losses)
        unit = max(
            _FALL_SHARE * (self._first - self._best),
            _NOISE_WIDTH * self._noise,
            _RESOLUTION * abs(self._first),
        )
        return level - self._best > self._stop_factor * unit


def _noise(losses: FloatArray, width: int) -> float:
    jumps = np.abs(np.diff(losses))
    start = losses[: 2 * width]
    spread = np.abs(start - np.median(start))
    return _MAD_TO_SD * max(float(np.median(jumps)) / math.sqrt(2.0), float(np.median(spread)))
