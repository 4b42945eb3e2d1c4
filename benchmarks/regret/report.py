"""The page docs/regret.md: what every rule loses, and what its warnings are worth."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.regret.measure import SEEDS, TARGETS, TEST_STEPS, TRAINING_STEPS
from benchmarks.regret.page import TEXT
from benchmarks.regret.peers import PEERS
from benchmarks.regret.runs import Run, load_runs
from lrwidget.core.rules import RULES, Target
from lrwidget.core.suggest import Suggestion, suggest

AUTO = '**"auto"**'
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
    reported = [run for run in runs if not run.tuned]
    tuned = [run for run in runs if run.tuned]
    return TEXT.format(
        short=short_answer(reported),
        steps=TRAINING_STEPS,
        test_steps=TEST_STEPS,
        seeds=SEEDS,
        useless=useless,
        runs=len(runs),
        reported_tasks=len({run.task for run in reported}),
        tuned_tasks=len({run.task for run in tuned}),
        reported_rules=rule_table(reported),
        tuned_rules=rule_table(tuned),
        ratios=ratio_table(reported),
        tuned_ratios=ratio_table(tuned),
        trusted_ratios=ratio_table(reported, trusted_only=True),
        warnings=warning_table(reported),
        tuned_warnings=warning_table(tuned),
        groups=group_table(reported),
    )


def picks() -> dict[str, Pick]:
    """Return what picks a learning rate, by name: our rules, then the peers'."""

    def own(rule: str) -> Pick:
        return lambda run, target: suggestion(run, rule, target).lr

    def peer(name: str) -> Pick:
        return lambda run, _target: PEERS[name](*run.padded())

    named = {f'**"{rule}"**': own(rule) for rule in RULES}
    named[AUTO_ON_WHOLE] = lambda run, target: suggest(*run.stopped(), "auto", target).lr
    return named | {name: peer(name) for name in PEERS}


@cache
def suggestion(run: Run, rule: str, target: Target) -> Suggestion:
    """Return what lrwidget says after a range test that found its range by itself."""
    return suggest(*run.found, rule, target)


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
    """Return a sentence for each target: what "auto" loses, beside the baseline and the best."""
    lines = []
    for target in TARGETS:
        lost = {name: regrets(runs, pick, target) for name, pick in picks().items()}
        others = [name for name in lost if name not in (AUTO, AUTO_ON_WHOLE)]
        means = {name: lost[name].mean() for name in others}
        rival = min(means, key=means.__getitem__)
        ratio = ratio_over_tasks(runs, lost[AUTO], lost[BASELINE])
        lines.append(
            f'- {_title(target)}: on tasks it was not tuned on, "auto" loses '
            f"{lost[AUTO].mean():.3f} of the achievable drop, {ratio.value:.2f} times "
            f"({ratio.low:.2f} to {ratio.high:.2f}) what {BASELINE} loses. The aim of at most "
            f"half is {'reached' if ratio.value <= 0.5 else 'missed'}. The best of all other "
            f"rules is {rival} with {means[rival]:.3f}."
        )
    return "\n".join(lines)


def ratio_table(runs: list[Run], trusted_only: bool = False) -> str:
    """Return how much "auto" loses for each part that fastai's minimum / 10 loses."""
    rows = []
    for target in TARGETS:
        used = [r for r in runs if not trusted_only or suggestion(r, "auto", target).reliable]
        own, other = (regrets(used, picks()[name], target) for name in (AUTO, BASELINE))
        mean = ratio_over_tasks(used, own, other)
        share = ratio_over_tasks(used, own > 0.1, other > 0.1)
        rows.append([_title(target), str(len(used)), str(mean), str(share)])
    return _table(["learning rate", "runs", "ratio of mean regret", "of shares over 0.1"], rows)


def warning_table(runs: list[Run]) -> str:
    """Return how often `reliable` is false for bad picks of "auto", and for good ones."""
    rows = []
    for target in TARGETS:
        found = [suggestion(run, "auto", target) for run in runs]
        lost = np.array([run.regret(target, s.lr) for run, s in zip(runs, found, strict=True)])
        doubted = np.array([not s.reliable for s in found])
        bad, good = lost > 0.3, lost <= 0.1
        trusted = regrets_of(lost, ~doubted)
        rows.append(
            [
                _title(target),
                f"{doubted[bad].sum()} of {bad.sum()} ({doubted[bad].mean():.0%})",
                f"{doubted[good].sum()} of {good.sum()} ({doubted[good].mean():.0%})",
                trusted,
                regrets_of(lost, doubted),
            ]
        )
    head = ["learning rate", "bad ones warned of", "good ones warned of"]
    return _table([*head, "mean regret without a warning", "with one"], rows)


def regrets_of(lost: np.ndarray, which: np.ndarray) -> str:
    return f"{lost[which].mean():.3f} ({which.sum()} runs)" if which.any() else "-"


def group_table(runs: list[Run]) -> str:
    """Return the mean regret by model, optimizer and batch size, "auto" beside the baseline."""
    names = (AUTO, BASELINE)
    rows = []
    lost = {(name, t): regrets(runs, picks()[name], t) for t in TARGETS for name in names}
    for part in (1, 2, 3):
        groups = np.array([run.task.split("/")[part] for run in runs])
        for group in sorted(set(groups.tolist())):
            inside = groups == group
            cells = [f"{lost[name, t][inside].mean():.3f}" for t in TARGETS for name in names]
            title = f"batches of {group}" if part == 3 else group
            rows.append([title, str(inside.sum()), *cells])
    head = ["", "runs"] + [f"{_title(t)}: {n}" for t in TARGETS for n in ("auto", "/ 10")]
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
