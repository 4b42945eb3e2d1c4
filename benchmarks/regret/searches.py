"""The page docs/searches.md: find_lr beside the searches that people would run instead."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.regret.measure import GRID, TARGETS, TRAINING_STEPS, rates
from benchmarks.regret.page import SEARCHES
from benchmarks.regret.peers import PEERS
from benchmarks.regret.report import BASELINE, suggestion
from benchmarks.regret.runs import Run, load_runs
from lrwidget.core.advice.spread import ROUNDS, answer_of, rates_to_try
from lrwidget.core.compare.comparison import Comparison
from lrwidget.core.compare.ranking import ranking_of
from lrwidget.core.compare.rounds import better_half
from lrwidget.core.compare.run import GrowingRun
from lrwidget.core.compare.run import Run as Trial
from lrwidget.core.curve.ladder import format_lr

_SIDES = {
    "tuned": "tuned on",
    "reported": "reported",
    "afterwards": "reported (later)",
    "untouched": "untouched",
}
_CURVES_MISLEAD = ("rnn", "transformer")
_DRAWS = 2000


class Found(NamedTuple):
    """What a search answers, and what it cost."""

    lr: float | None
    steps: int
    confidence: str = ""


Search = Callable[[Run, Any], Found]


def searches_page(paths: list[Path]) -> str:
    """Return docs/searches.md for the runs in some files."""
    runs, _ = load_runs(paths)
    runs = [
        run for run in runs if run.trials and {("found", 70), ("whole", 100)} <= run.tests.keys()
    ]
    sides = {title: [run for run in runs if run.side == side] for side, title in _SIDES.items()}
    sides = {title: found for title, found in sides.items() if found}
    return SEARCHES.format(
        regret=_regret_table(sides), confidence=_confidence_table(sides), early=_early_table(sides)
    )


def from_curve(run: Run, target: Any) -> Found:
    """Return what "auto" says after 100 steps with a fixed sample."""
    found = suggestion(run, "auto", "found", 70, target, fixed=True)
    return Found(found.lr, 100, found.confidence)


def find_lr(run: Run, target: Any) -> Found:
    """Return what find_lr says, from trials at the nearest rates of the grid."""
    found = suggestion(run, "auto", "found", 70, target, fixed=True)
    model = run.task.split("/")[1]
    if found.reliable and model not in _CURVES_MISLEAD:
        return Found(found.lr, 100, found.confidence)
    result: Any = run.tests["found", 70]
    tried = sorted({_nearest(lr) for lr in rates_to_try(_Curve(result), found)})
    comparison, steps = _halved(run, target, tried, ROUNDS)
    named = {format_lr(GRID[index]): float(GRID[index]) for index in tried}
    answer = answer_of(comparison, named, found.lr)
    if answer is None:
        return Found(found.lr, 100 + steps, found.confidence)
    confidence = "low" if answer.is_at_edge or answer.is_tied else "medium"
    return Found(answer.lr, 100 + steps, confidence)


class _Curve:
    """The parts of a result that `rates_to_try` reads."""

    def __init__(self, test: Any) -> None:
        self.lrs = test.stopped()[0]
        self.config = type("Config", (), {"max_lr": float(test.ladder[-1])})


def _minimum_over_10(run: Run, _target: Any) -> Found:
    return Found(PEERS[BASELINE](*run.tests["whole", 100].padded()), 100)


def _searched(exponents: Sequence[float], rounds: Sequence[int]) -> Search:
    def search(run: Run, target: Any) -> Found:
        tried = sorted({_nearest(10.0**exponent) for exponent in exponents})
        comparison, steps = _halved(run, target, tried, rounds)
        return Found(None if comparison.best is None else float(comparison.best), steps)

    return search


def _random(run: Run, target: Any) -> Found:
    random = np.random.default_rng([run.seed, *run.task.encode()])
    return _searched(random.uniform(-6, 0, 6).tolist(), (80,))(run, target)


SEARCHED: dict[str, Search] = {
    "find_lr": find_lr,
    '"auto" alone, fixed sample': from_curve,
    BASELINE: _minimum_over_10,
    "six rates a decade apart x 80 steps": _searched(range(-5, 1), (80,)),
    "random search: six rates x 80 steps": _random,
    "halving of 16 rates at 20, 40, 80 steps": _searched(
        np.linspace(-6, 0, 16).tolist(), (20, 40, 80)
    ),
}


def _nearest(lr: float) -> int:
    return int(np.argmin(np.abs(np.log(GRID / lr))))


def _halved(
    run: Run, target: str, tried: Sequence[int], rounds: Sequence[int]
) -> tuple[Comparison, int]:
    """Return the comparison of rates of the grid, and the training steps that it took."""
    left, steps, kept = list(tried), 0, {}
    for number, count in enumerate(rounds):
        for index in left:
            kept[index] = _trial(run, target, index, count)
        steps += count * len(left)
        if number + 1 < len(rounds):
            names = better_half([kept[index] for index in left])
            left = [index for index in left if kept[index].name in names] or left[:1]
    runs = tuple(kept[index] for index in left)
    return Comparison(runs, ranking_of(runs), None, {}, steps, 0.0), steps


def _trial(run: Run, target: str, index: int, steps: int, leader: Any = None) -> Trial:
    losses = run.trials[target, steps][index]
    lrs = rates(target, float(GRID[index]), steps)
    growing = GrowingRun(format_lr(GRID[index]), run.seed, lrs, "loss", leader)
    padded = np.pad(losses, (0, steps - len(losses)), constant_values=np.nan)
    growing.add({"loss": padded})
    return growing.run()


def _regret_table(sides: dict[str, list[Run]]) -> str:
    lines = [
        "| tasks | runs | search | steps | constant | one-cycle |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for title, runs in sides.items():
        for name, search in SEARCHED.items():
            found = {target: [search(run, target) for run in runs] for target in TARGETS}
            lost = {
                target: [
                    run.regret(target, each.lr)
                    for run, each in zip(runs, found[target], strict=True)
                ]
                for target in TARGETS
            }
            steps = np.mean([each.steps for target in TARGETS for each in found[target]])
            cells = " | ".join(_with_interval(lost[target], runs) for target in TARGETS)
            lines.append(f"| {title} | {len(runs)} | {name} | {steps:.0f} | {cells} |")
    return "\n".join(lines)


def _with_interval(lost: list[float], runs: list[Run]) -> str:
    """Return a mean with its 95 % interval over the pairs of data and model (bootstrap)."""
    pairs: dict[str, list[float]] = {}
    for run, each in zip(runs, lost, strict=True):
        pairs.setdefault("/".join(run.task.split("/")[:2]), []).append(each)
    groups = [np.array(each) for each in pairs.values()]
    random = np.random.default_rng(0)
    means = []
    for _ in range(_DRAWS):
        drawn = [groups[index] for index in random.integers(0, len(groups), len(groups))]
        means.append(np.concatenate(drawn).mean())
    low, high = np.quantile(means, [0.025, 0.975])
    return f"{np.mean(lost):.3f} ({low:.3f} to {high:.3f})"


def _confidence_table(sides: dict[str, list[Run]]) -> str:
    lines = [
        "| tasks | confidence of find_lr | runs | regret below 0.1 | regret above 0.3 |",
        "| --- | --- | --- | --- | --- |",
    ]
    for title, runs in sides.items():
        answers = [(find_lr(run, target), run, target) for run in runs for target in TARGETS]
        for confidence in ("high", "medium", "low"):
            lost = [
                run.regret(target, each.lr)
                for each, run, target in answers
                if each.confidence == confidence
            ]
            if lost:
                good, bad = np.mean(np.array(lost) < 0.1), np.mean(np.array(lost) > 0.3)
                lines.append(f"| {title} | {confidence} | {len(lost)} | {good:.0%} | {bad:.0%} |")
    return "\n".join(lines)


def _early_table(sides: dict[str, list[Run]]) -> str:
    """Return how many steps `stop_early` saves, and how often it drops the eventual best."""
    lines = [
        "| tasks | comparisons | steps saved | eventual best dropped |",
        "| --- | --- | --- | --- |",
    ]
    for title, runs in sides.items():
        saved, dropped = [], []
        for run in runs:
            for target in TARGETS:
                share, is_dropped = _stopped_early(run, target)
                saved.append(share)
                dropped.append(is_dropped)
        lines.append(f"| {title} | {len(saved)} | {np.mean(saved):.0%} | {np.mean(dropped):.1%} |")
    return "\n".join(lines)


def _stopped_early(run: Run, target: str) -> tuple[float, bool]:
    """Return the share of steps saved in a comparison of five rates, and whether it lost the best.

    The rates lie a factor of 10^(2/3) apart around the suggestion, in the order of `compare`.
    """
    middle = _nearest(from_curve(run, target).lr or 1e-3)
    tried = [each for each in range(middle - 4, middle + 5, 2) if 0 <= each < len(GRID)]
    whole = {each: _trial(run, target, each, TRAINING_STEPS) for each in tried}
    finished = {each: trial for each, trial in whole.items() if trial.stop_reason == "finished"}
    if not finished:
        return 0.0, False
    best = min(finished, key=lambda each: finished[each].scored.mean())
    leader, runs = None, {}
    for each in sorted(tried, key=lambda index: abs(index - np.median(tried))):
        runs[each] = _trial(
            run, target, each, TRAINING_STEPS, None if leader is None else leader.losses
        )
        is_finished = runs[each].stop_reason == "finished"
        if is_finished and (leader is None or runs[each].scored.mean() < leader.scored.mean()):
            leader = runs[each]
    steps = sum(len(trial.losses) for trial in runs.values())
    all_steps = sum(len(trial.losses) for trial in whole.values())
    return 1 - steps / all_steps, runs[best].stop_reason == "hopeless"
