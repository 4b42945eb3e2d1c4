"""ranking_of: which variant is best, by how much, and how sure that is."""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lrwidget.core.arrays import FloatArray
from lrwidget.core.compare.run import Run, RunEnd
from lrwidget.core.compare.standard_error import contrasts_of, independent_contrasts, t_quantile

# One-sided level of an interval of 95 %.
_LEVEL = 0.025
# Together, the intervals of several variants miss with at most twice this probability.
_TOGETHER = 0.05
# The noise of the scored losses is estimated from this many times as many of the last losses: the
# more there are, the lower the frequencies that tell it, and the less their correlation matters.
_NOISE_WINDOW = 3
# It is estimated from at least this many.
_FEWEST = 20
_DRAWS = 4000
_MOST_SEEDS = 1_000
_ENDS: tuple[RunEnd, ...] = ("finished", "stopped", "hopeless", "diverged", "non_finite")
_REASONS = {
    "hopeless": "ended early: its loss was too far above that of the best run to catch up",
    "diverged": "the loss rose far above its lowest level",
    "non_finite": "the loss became NaN or infinite",
    "stopped": "stopped before the end",
}


@dataclass(frozen=True)
class Rank:
    """One row of a ranking.

    Attributes:
        name: Name of the variant.
        score: Its loss: the mean of the last validation losses, or else the mean training loss of
            the last tenth of the steps; the mean over seeds. NaN if not all its runs finished.
        behind: Score less that of the best, mean over seeds; NaN without a score.
        low: Lower end of the 95 % interval of `behind`.
        high: Its upper end.
        tied: Whether the interval contains 0: the variant cannot be told from the best.
        reason: Why a run did not finish; "" if all did.
        probability: The probability that the variant is the best one; 0 without a score.
        more_seeds: How many more seeds would probably decide a tie; None if it is none, or if
            more than 1,000 would be needed.
    """

    name: str
    score: float
    behind: float
    low: float
    high: float
    tied: bool
    reason: str = ""
    probability: float = 0.0
    more_seeds: int | None = None


def ranking_of(runs: Sequence[Run]) -> tuple[Rank, ...]:
    """Return the ranking of the variants, the best first.

    With several seeds, the intervals come from the differences between a variant and the best one
    with the same seed. With one seed they come from the differences on the same batches: of the
    validation data, or else of the last steps, whose noise may be correlated. Several seeds that
    gave the same losses, because the data keep their own order, are one. An interval holds
    for one variant with 95 %; of four and more variants, the intervals are widened so that all
    hold together (Bonferroni, one-sided, as in Hsu's comparison with the best, 1984).

    Args:
        runs: Every variant with the same seeds.
    """
    by_name: dict[str, list[Run]] = {}
    for run in runs:
        by_name.setdefault(run.name, []).append(run)
    finished = {
        name: own
        for name, own in by_name.items()
        if all(run.stop_reason == "finished" for run in own)
    }
    rows = _rows(finished) if finished else []
    rest = sorted((own for name, own in by_name.items() if name not in finished), key=_order)
    most_steps = max(run.steps for run in runs)
    return (*rows, *(_unfinished(own, most_steps) for own in rest))


def are_seeds_alike(runs: Sequence[Run]) -> bool:
    """Return whether all seeds gave the same losses, because the data keep their own order."""
    first = {run.name: run.losses for run in reversed(runs)}
    return all(np.array_equal(run.losses, first[run.name]) for run in runs)


def _rows(finished: dict[str, list[Run]]) -> list[Rank]:
    names = list(finished)
    scores, errors = _scores_and_errors(list(finished.values()))
    best = int(np.argmin(scores))
    degrees = errors.shape[1]
    level = min(_LEVEL, _TOGETHER / max(1, len(names) - 1))
    quantile = t_quantile(1 - level, degrees) if degrees else math.inf
    probabilities = _probabilities(scores, errors)
    is_alike = are_seeds_alike([run for own in finished.values() for run in own])
    seeds = len(next(iter(finished.values())))
    rows = []
    for index in np.argsort(scores, kind="stable"):
        behind = float(scores[index] - scores[best])
        difference = errors[index] - errors[best]
        error = math.sqrt(float(np.mean(difference**2))) if degrees else math.inf
        reach = 0.0 if index == best else quantile * error
        tied = behind <= reach
        rows.append(
            Rank(
                name=names[index],
                score=float(scores[index]),
                behind=behind,
                low=behind - reach,
                high=behind + reach,
                tied=bool(tied),
                probability=float(probabilities[index]),
                more_seeds=_more_seeds(behind, error, seeds)
                if tied and not (is_alike and seeds > 1)
                else None,
            )
        )
    return rows


def _scores_and_errors(runs: list[list[Run]]) -> tuple[FloatArray, FloatArray]:
    """Return the score of each variant, and independent estimates of its error.

    Returns:
        Shapes (variants,) and (variants, degrees of freedom). The differences between rows of the
        errors are paired, so that the noise that all variants share cancels.
    """
    if are_seeds_alike([run for own in runs for run in own]):
        runs = [own[:1] for own in runs]
    by_seed = np.array([[run.scored.mean() for run in own] for own in runs])
    scores = by_seed.mean(axis=1)
    if by_seed.shape[1] > 1:
        return scores, independent_contrasts(by_seed)
    first = [own[0] for own in runs]
    if all(len(run.validation_batches) for run in first):
        return scores, independent_contrasts(np.stack([run.validation_batches for run in first]))
    scored = len(first[0].scored)
    width = min(max(_NOISE_WINDOW * scored, _FEWEST), *(len(run.losses) for run in first))
    errors = contrasts_of(np.stack([run.losses[-width:] for run in first]))
    return scores, errors * math.sqrt(width / scored)


def _probabilities(scores: FloatArray, errors: FloatArray) -> FloatArray:
    """Return how probable it is that each variant has the lowest score."""
    degrees = errors.shape[1]
    if not degrees:
        return np.full(len(scores), 1 / len(scores))
    random = np.random.default_rng(0)
    normal = errors @ random.standard_normal((degrees, _DRAWS)) / math.sqrt(degrees)
    scale = np.sqrt(random.chisquare(degrees, _DRAWS) / degrees)
    drawn = scores[:, None] + normal / scale
    # Identical variants share the probability.
    is_best = drawn == drawn.min(axis=0)
    return (is_best / is_best.sum(axis=0)).mean(axis=1)


def _more_seeds(behind: float, error: float, seeds: int) -> int | None:
    """Return how many more seeds would probably separate two variants.

    Args:
        behind: The difference of their scores, assumed to be the true one.
        error: Its standard error now.
        seeds: Seeds so far.
    """
    if behind <= 0 or not math.isfinite(error):
        return None
    deviation = error * math.sqrt(seeds)
    totals = range(max(2, seeds + 1), _MOST_SEEDS + seeds + 1)

    def separate(total: int) -> bool:
        return behind > t_quantile(1 - _LEVEL, total - 1) * deviation / math.sqrt(total)

    first = bisect_left(totals, True, key=separate)
    return totals[first] - seeds if first < len(totals) else None


def _unfinished(runs: list[Run], most_steps: int) -> Rank:
    run = _worst(runs)
    reason = run.failure or _REASONS[run.stop_reason]
    if run.stop_reason == "hopeless" and len(run.losses) == run.steps < most_steps:
        reason = f"not in the better half after {run.steps} steps"
    nan = math.nan
    return Rank(run.name, nan, nan, nan, nan, False, reason)


def _worst(runs: list[Run]) -> Run:
    return max(runs, key=lambda run: (_ENDS.index(run.stop_reason), bool(run.failure)))


def _order(runs: list[Run]) -> tuple[int, int, float]:
    """Return a key that sorts variants that did not finish, the most promising first."""
    run = _worst(runs)
    tail = run.losses[-_FEWEST:]
    return (
        _ENDS.index(run.stop_reason),
        -run.steps,
        float(tail.mean()) if len(tail) else math.inf,
    )
