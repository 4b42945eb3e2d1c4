"""The rules of other finders, from their formulas, mistakes included.

Each takes the learning rates of the whole ladder and the loss of every batch, NaN from the
first one on that was not finite, and does its own smoothing, stopping and cutting. The peers'
own ladders differ a little from ours (and Lightning's begins at 1e-8 and ends at 1); here all
read the same ladder.
"""

import math
from collections.abc import Callable

import numpy as np

Rule = Callable[[np.ndarray, np.ndarray], float | None]


def fastai_minimum(lrs: np.ndarray, losses: np.ndarray) -> float | None:
    """A tenth of the learning rate of the lowest average. Source: fastai 2.8, `minimum`."""
    lrs, losses = _fastai(lrs, losses)
    return float(lrs[losses.argmin()]) / 10 if len(losses) else None


def fastai_steep(lrs: np.ndarray, losses: np.ndarray) -> float | None:
    """Where the average falls fastest per ln(lr). Source: fastai 2.8, `steep`."""
    lrs, losses = _fastai(lrs, losses)
    if len(losses) < 2:
        return None
    return float(lrs[(np.diff(losses) / np.diff(np.log(lrs))).argmin()])


def fastai_valley(lrs: np.ndarray, losses: np.ndarray) -> float | None:
    """Half way into the longest decreasing subsequence of the average, by index.

    Source: fastai 2.8, `valley`.
    """
    lrs, losses = _fastai(lrs, losses)
    n = len(losses)
    if not n:
        return None
    start = end = 0
    lengths = [1] * n
    for i in range(1, n):
        for j in range(i):
            if losses[i] < losses[j] and lengths[i] < lengths[j] + 1:
                lengths[i] = lengths[j] + 1
            if lengths[end] < lengths[i]:
                end = i
                start = end - lengths[end]
    third = (end - start) / 3
    return float(lrs[start + int(third) + int(third / 2)])


def fastai_slide(lrs: np.ndarray, losses: np.ndarray) -> float | None:
    """Where an interval of 15 rungs sliding down has the same slope at both ends, to 0.005.

    Source: fastai 2.8, `slide`.
    """
    lrs, losses = _fastai(lrs, losses)
    if len(losses) < 16:
        return None
    slope = np.gradient(losses)
    right, left = -1, -16
    found = lrs[left]
    while left >= -len(losses) and abs(slope[right] - slope[left]) > 0.005:
        found = lrs[left]
        right, left = right - 1, left - 1
    return float(found)


def lightning(lrs: np.ndarray, losses: np.ndarray) -> float | None:
    """Where the average falls fastest per learning rate. Source: Lightning 2.6."""
    return _lightning(lrs, losses, per_lr=True)


def lightning_before_253(lrs: np.ndarray, losses: np.ndarray) -> float | None:
    """Where the average falls fastest per step. Source: Lightning before 2.5.3."""
    return _lightning(lrs, losses, per_lr=False)


def torch_lr_finder(lrs: np.ndarray, losses: np.ndarray) -> float | None:
    """Where the average falls fastest per step. Source: torch-lr-finder 0.2, `plot`."""
    lrs, losses = _light_average(lrs, losses)
    lrs, losses = lrs[10:-5], losses[10:-5]
    return float(lrs[np.gradient(losses).argmin()]) if len(losses) > 1 else None


def ignite(lrs: np.ndarray, losses: np.ndarray) -> float | None:
    """Where the average falls fastest per step, left of its minimum. Source: ignite 0.5."""
    lrs, losses = _light_average(lrs, losses)
    falling = losses[: int(losses.argmin()) + 1]
    if len(falling) < 3:
        return None
    return float(lrs[int((falling[2:] - falling[:-2]).argmin()) + 1])


def ktrain(lrs: np.ndarray, losses: np.ndarray) -> float | None:
    """Its "min numerical gradient": the index is 32 too low. Source: ktrain 0.41.

    Its loss is the running mean that Keras reports; here it gets the true one.
    """
    averages, _ = _average(losses, 0.98), None
    averages = averages[: _stop(averages, 4.0, first=2)]
    falling = averages[32 : int(averages.argmin())]
    return float(lrs[np.gradient(falling).argmin()]) if len(falling) > 1 else None


def keras_lr_finder(lrs: np.ndarray, losses: np.ndarray) -> float | None:
    """Where the loss falls most within 20 steps. Source: keras-lr-finder 0.1, `get_best_lr`."""
    n = int(np.isnan(losses).argmax()) if np.isnan(losses).any() else len(losses)
    n = min(n, _stop(losses[:n], 4.0, first=6))
    change = np.concatenate([np.zeros(20), losses[20:n] - losses[: max(n - 20, 0)]])[:n]
    inside = change[10:-5]
    return float(lrs[10:][inside.argmin()]) if len(inside) else None


PEERS: dict[str, Rule] = {
    "fastai minimum / 10": fastai_minimum,
    "fastai valley": fastai_valley,
    "fastai slide": fastai_slide,
    "fastai steep": fastai_steep,
    "Lightning 2.6": lightning,
    "Lightning before 2.5.3": lightning_before_253,
    "torch-lr-finder": torch_lr_finder,
    "ignite": ignite,
    "ktrain gradient": ktrain,
    "keras-lr-finder": keras_lr_finder,
    "always 0.1": lambda _lrs, _losses: 0.1,
    "always 0.01": lambda _lrs, _losses: 0.01,
    "always 0.001": lambda _lrs, _losses: 0.001,
}


def _fastai(lrs: np.ndarray, losses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Average with 0.98, stop at four times the best, drop 10 at the start and 5 at the end."""
    averages = _average(losses, 0.98)
    n = _stop(averages, 4.0, first=0)
    lrs, averages = lrs[:n][10:-5], averages[:n][10:-5]
    finite = ~np.isnan(averages)
    return lrs[finite], averages[finite]


def _lightning(lrs: np.ndarray, losses: np.ndarray, per_lr: bool) -> float | None:
    """Average with 0.98, its bias correction one step late; stop at four times the best."""
    averages = _average(losses, 0.98, late=1)
    n = _stop(averages, 4.0, first=2)
    lrs, averages = lrs[:n][10:-1], averages[:n][10:-1]
    lrs, averages = lrs[np.isfinite(averages)], averages[np.isfinite(averages)]
    if len(averages) < 2:
        return None
    slope = np.gradient(averages, lrs) if per_lr else np.gradient(averages)
    return float(lrs[slope.argmin()])


def _light_average(lrs: np.ndarray, losses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Average with weight 0.05 for the new loss; stop at five times the best.

    No bias correction: it starts at the first loss. This is torch-lr-finder's and ignite's.
    """
    averages = losses.copy()
    for k in range(1, len(losses)):
        averages[k] = 0.05 * losses[k] + 0.95 * averages[k - 1]
    n = _stop(averages, 5.0, first=0)
    return lrs[:n], averages[:n]


def _average(losses: np.ndarray, beta: float, late: int = 0) -> np.ndarray:
    """Return the moving average, divided by 1 - beta^(k + 1 + late)."""
    averages, value = np.empty(len(losses)), 0.0
    for k, loss in enumerate(losses.tolist()):
        value = beta * value + (1 - beta) * loss
        averages[k] = value / (1 - beta ** (k + 1 + late))
    return averages


def _stop(losses: np.ndarray, factor: float, first: int) -> int:
    """Return how many losses there are up to the first above the factor times the best."""
    best = math.inf
    for k, loss in enumerate(losses.tolist()):
        if k >= first and loss > factor * best:
            return k + 1
        best = min(best, loss)
    return len(losses)
