"""The page docs/regret.md: what every rule loses, and what its warnings are worth."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.regret.measure import (
    GRID,
    SEARCH_LOSSES,
    SEARCH_STEPS,
    SEEDS,
    TARGETS,
    TEST_STEPS,
    TRAINING_STEPS,
)
from benchmarks.regret.page import TEXT
from benchmarks.regret.peers import PEERS
from benchmarks.regret.runs import Run, load_runs
from benchmarks.regret.tasks import SIDES
from lrwidget.core.curve.purpose import Target
from lrwidget.core.curve.rules import RULES
from lrwidget.core.curve.suggest import Suggestion, suggest

AUTO = '**"auto"**'
AUTO_FIXED = '**"auto"** with a fixed sample'
AUTO_ON_WHOLE = '**"auto"**, whole range'
BASELINE = "fastai minimum / 10"
_BOOTSTRAPS = 4000

Pick = Callable[[Run, Target], float | None]


class Interval(NamedTuple):
    """A number over tasks, and the 95 % interval of it when tasks are drawn again."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


def page(path: Path) -> str:
    """Return docs/regret.md for the runs in a file."""
    runs, useless = load_runs(path)
    tuned, reported, afterwards = ([run for run in runs if run.side == side] for side in SIDES)
    only_reported = reported + afterwards
    sides = {"made afterwards": afterwards, "reported before": reported, "tuned on": tuned}
    return TEXT.format(
        short_afterwards=short_answer(afterwards),
        short_reported=short_answer(reported),
        steps=TRAINING_STEPS,
        test_steps=TEST_STEPS,
        seeds=SEEDS,
        useless=useless,
        runs=len(runs),
        afterwards_tasks=len({run.task for run in afterwards}),
        reported_tasks=len({run.task for run in reported}),
        tuned_tasks=len({run.task for run in tuned}),
        afterwards_rules=rule_table(afterwards),
        reported_rules=rule_table(reported),
        tuned_rules=rule_table(tuned),
        ratios=ratio_table(sides),
        trusted_ratios=ratio_table(sides, trusted_only=True),
        search=search_table(only_reported),
        tuned_search=search_table(tuned),
        warnings=warning_table(sides),
        search_warnings=search_warning_table(only_reported),
        groups=group_table(only_reported),
    )


def picks() -> dict[str, Pick]:
    """Return what picks a learning rate, by name: our rules, then the peers'."""

    def own(rule: str) -> Pick:
        return lambda run, target: suggestion(run, rule, target).lr

    def peer(name: str) -> Pick:
        return lambda run, _target: PEERS[name](*run.padded())

    named = {f'**"{rule}"**': own(rule) for rule in RULES}
    named[AUTO_FIXED] = lambda run, target: suggestion(run, "auto", target, fixed=True).lr
    named[AUTO_ON_WHOLE] = lambda run, target: (
        suggest(*run.stopped(), "auto", target, optimizer=run.found.optimizer).lr
    )
    return named | {name: peer(name) for name in PEERS}


@cache
def suggestion(run: Run, rule: str, target: Target, fixed: bool = False) -> Suggestion:
    """Return what lrwidget says after a range test that found its range by itself.

    Args:
        fixed: Whether it was given the loss of a fixed sample too.
    """
    found = run.found
    others = found.fixed if fixed else None
    return suggest(*found.curve, rule, target, optimizer=found.optimizer, validation_losses=others)


def regrets(runs: list[Run], pick: Pick, target: Target) -> np.ndarray:
    return np.array([run.regret(target, pick(run, target)) for run in runs])


def rule_table(runs: list[Run]) -> str:
    """Return mean regret and share over 0.1 of every rule, least mean at constant rate first."""
    rows = []
    for name, pick in picks().items():
        cells, order = [name], 0.0
        for target in TARGETS:
            lost = regrets(runs, pick, target)
            order += lost.mean() / 2
            cells += [f"{over_tasks(runs, lost)}", f"{over_tasks(runs, lost > 0.1)}"]
        none = np.mean([pick(run, "constant") is None for run in runs])
        rows.append((order, [*cells, f"{none:.0%}"]))
    head = ["rule", "constant: mean", "over 0.1", "one-cycle: mean", "over 0.1", "no pick"]
    return _table(head, [cells for _, cells in sorted(rows, key=lambda row: row[0])])


def short_answer(runs: list[Run]) -> str:
    """Return what each "auto" loses for each target, beside the baseline and the best other."""
    lines, reached = [], []
    for target in TARGETS:
        lost = {name: regrets(runs, pick, target) for name, pick in picks().items()}
        for name in (AUTO, AUTO_FIXED):
            mean, share = ratios_to_baseline(runs, picks()[name], target)
            reached += [mean.value <= 0.5, share.value <= 0.5]
            lines.append(
                f"- {_title(target)}: {name} loses {lost[name].mean():.3f} of the achievable drop. "
                f"That is {mean} times what {BASELINE} loses; {share} times as many of its runs "
                "lose over a tenth."
            )
        means = {name: lost[name].mean() for name in lost if not name.startswith(AUTO)}
        rival = min(means, key=means.__getitem__)
        lines.append(
            f"- {_title(target)}: of all other rules {rival} loses least, {means[rival]:.3f}."
        )
    count = f"reached by {sum(reached)} of these {len(reached)} ratios"
    return "\n".join([*lines, "", f"The aim was at most half; it is {count}."])


def ratio_table(sides: dict[str, list[Run]], trusted_only: bool = False) -> str:
    """Return how much "auto" loses for each part that fastai's minimum / 10 loses."""
    rows = []
    for side, runs in sides.items():
        for fixed, name in ((False, AUTO), (True, AUTO_FIXED)):
            for target in TARGETS:
                used = [
                    run
                    for run in runs
                    if not trusted_only or suggestion(run, "auto", target, fixed).reliable
                ]
                ratios = map(str, ratios_to_baseline(used, picks()[name], target))
                rows.append([side, name, _title(target), str(len(used)), *ratios])
    head = ["tasks", "rule", "learning rate", "runs", "ratio of mean regret", "of shares over 0.1"]
    return _table(head, rows)


def ratios_to_baseline(runs: list[Run], pick: Pick, target: Target) -> tuple[Interval, Interval]:
    """Return the ratio of the mean regrets, and of the shares of runs over 0.1."""
    own, other = regrets(runs, pick, target), regrets(runs, picks()[BASELINE], target)
    return (
        ratio_over_tasks(runs, own, other),
        ratio_over_tasks(runs, own > 0.1, other > 0.1),
    )


def search_table(runs: list[Run]) -> str:
    """Return how much is lost, for each part that the baseline loses, by spending more steps."""
    of_task: dict[str, list[Run]] = {}
    for run in runs:
        of_task.setdefault(run.task, []).append(run)
    next_seed = {
        run: same[(k + 1) % len(same)] for same in of_task.values() for k, run in enumerate(same)
    }

    def search(kind: str, looks: int) -> Pick:
        return lambda run, _target: float(GRID[run.search[kind][:, looks].argmin()])

    def of_next_seed(run: Run, target: Target) -> float:
        return float(GRID[next_seed[run].regrets[target].argmin()])

    contestants = [(name, TEST_STEPS, picks()[name]) for name in (AUTO, AUTO_FIXED)]
    for kind in SEARCH_LOSSES:
        for looks, steps in enumerate(SEARCH_STEPS):
            name = f"search by {_title(kind)} loss, {steps} steps for each rate"
            contestants.append((name, len(GRID) * steps, search(kind, looks)))
    name = "the best rate of another seed"
    contestants.append((name, len(GRID) * TRAINING_STEPS, of_next_seed))
    rows = []
    for name, steps, pick in contestants:
        cells = [name, str(steps)]
        for target in TARGETS:
            cells += map(str, ratios_to_baseline(runs, pick, target))
        rows.append(cells)
    head = ["", "training steps", "constant: mean", "over 0.1", "one-cycle: mean", "over 0.1"]
    return _table(head, rows)


def warning_table(sides: dict[str, list[Run]]) -> str:
    """Return how often `reliable` is false for bad picks of "auto", and for good ones."""
    rows = []
    for side, runs in sides.items():
        for fixed, name in ((False, AUTO), (True, AUTO_FIXED)):
            for target in TARGETS:
                found = [suggestion(run, "auto", target, fixed) for run in runs]
                lost = regrets(runs, picks()[name], target)
                doubted = np.array([not s.reliable for s in found])
                cells = [
                    f"{doubted[kind].sum()} of {kind.sum()} ({doubted[kind].mean():.0%})"
                    for kind in (lost > 0.3, lost <= 0.1)
                ]
                means = [regrets_of(lost, which) for which in (~doubted, doubted)]
                rows.append([side, name, _title(target), *cells, *means])
    head = ["tasks", "rule", "learning rate", "bad ones warned of", "good ones warned of"]
    return _table([*head, "mean regret without a warning", "with one"], rows)


def search_warning_table(runs: list[Run]) -> str:
    """Return how many bad picks a search could warn of, if it also warned of a tenth of the good.

    It looks at the pick of "auto" with a fixed sample, and warns where the regret that it sees
    itself is above a limit. The limit is put where a tenth of the good ones are above it.
    """
    rows = []
    for kind in SEARCH_LOSSES:
        for looks, steps in enumerate(SEARCH_STEPS):
            cells = [f"{_title(kind)} loss, {steps} steps for each rate", str(len(GRID) * steps)]
            for target in TARGETS:
                picked = [suggestion(run, "auto", target, fixed=True).lr for run in runs]
                lost = np.array(
                    [run.regret(target, lr) for run, lr in zip(runs, picked, strict=True)]
                )
                seen = np.array(
                    [run.seen_regret(kind, looks, lr) for run, lr in zip(runs, picked, strict=True)]
                )
                caught = seen[lost > 0.3] > np.quantile(seen[lost <= 0.1], 0.9)
                cells.append(f"{caught.sum()} of {len(caught)} ({caught.mean():.0%})")
            rows.append(cells)
    return _table(["a search by", "training steps", *map(_title, TARGETS)], rows)


def regrets_of(lost: np.ndarray, which: np.ndarray) -> str:
    return f"{lost[which].mean():.3f} ({which.sum()} runs)" if which.any() else "-"


def group_table(runs: list[Run]) -> str:
    """Return the mean regret by model, optimizer and batch size, "auto" beside the baseline."""
    names = (AUTO, AUTO_FIXED, BASELINE)
    rows = []
    lost = {(name, t): regrets(runs, picks()[name], t) for t in TARGETS for name in names}
    for part in (1, 2, 3):
        groups = np.array([run.task.split("/")[part] for run in runs])
        for group in sorted(set(groups.tolist())):
            inside = groups == group
            cells = [f"{lost[name, t][inside].mean():.3f}" for t in TARGETS for name in names]
            title = f"batches of {group}" if part == 3 else group
            rows.append([title, str(inside.sum()), *cells])
    head = ["", "runs"] + [f"{_title(t)}: {n}" for t in TARGETS for n in ("auto", "fixed", "/ 10")]
    return _table(head, rows)


def over_tasks(runs: list[Run], values: np.ndarray) -> Interval:
    """Return the mean with its interval over tasks."""
    means = _task_means(runs, values)
    drawn = means[_draws(len(means))].mean(axis=1)
    return Interval(float(means.mean()), *np.quantile(drawn, [0.025, 0.975]).tolist())


def ratio_over_tasks(runs: list[Run], own: np.ndarray, other: np.ndarray) -> Interval:
    """Return the ratio of two means with its interval over tasks."""
    a, b = _task_means(runs, own), _task_means(runs, other)
    draws = _draws(len(a))
    drawn = a[draws].sum(axis=1) / b[draws].sum(axis=1)
    return Interval(float(a.sum() / b.sum()), *np.quantile(drawn, [0.025, 0.975]).tolist())


def _task_means(runs: list[Run], values: np.ndarray) -> np.ndarray:
    tasks = np.array([run.task for run in runs])
    return np.array([values[tasks == task].mean() for task in sorted(set(tasks.tolist()))])


def _draws(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, count, (_BOOTSTRAPS, count))


def _title(target: str) -> str:
    return target.replace("_", "-")


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
