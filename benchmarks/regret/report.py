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
from lrwidget.core.purpose import Target
from lrwidget.core.rules import RULES
from lrwidget.core.suggest import Suggestion, suggest

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
            mean = ratio_over_tasks(runs, lost[name], lost[BASELINE])
            share = ratio_over_tasks(runs, lost[name] > 0.1, lost[BASELINE] > 0.1)
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


def ratio_table(runs: list[Run], trusted_only: bool = False) -> str:
    """Return how much "auto" loses for each part that fastai's minimum / 10 loses."""
    rows = []
    for fixed, name in ((False, AUTO), (True, AUTO_FIXED)):
        for target in TARGETS:
            used = [
                run
                for run in runs
                if not trusted_only or suggestion(run, "auto", target, fixed).reliable
            ]
            own, other = (regrets(used, picks()[each], target) for each in (name, BASELINE))
            mean = ratio_over_tasks(used, own, other)
            share = ratio_over_tasks(used, own > 0.1, other > 0.1)
            rows.append([name, _title(target), str(len(used)), str(mean), str(share)])
    head = ["rule", "learning rate", "runs", "ratio of mean regret", "of shares over 0.1"]
    return _table(head, rows)


def warning_table(runs: list[Run]) -> str:
    """Return how often `reliable` is false for bad picks of "auto", and for good ones."""
    rows = []
    for fixed, name in ((False, AUTO), (True, AUTO_FIXED)):
        for target in TARGETS:
            found = [suggestion(run, "auto", target, fixed) for run in runs]
            lost = np.array([run.regret(target, s.lr) for run, s in zip(runs, found, strict=True)])
            doubted = np.array([not s.reliable for s in found])
            bad, good = lost > 0.3, lost <= 0.1
            cells = [
                f"{doubted[kind].sum()} of {kind.sum()} ({doubted[kind].mean():.0%})"
                for kind in (bad, good)
            ]
            means = [regrets_of(lost, which) for which in (~doubted, doubted)]
            rows.append([name, _title(target), *cells, *means])
    head = ["rule", "learning rate", "bad ones warned of", "good ones warned of"]
    return _table([*head, "mean regret without a warning", "with one"], rows)


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
