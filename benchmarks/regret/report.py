"""The page docs/regret.md: what rules lose, how far they move with the steps, the horizon."""

from functools import cache
from pathlib import Path
from typing import get_args

import numpy as np

from benchmarks.regret.measure import GRID, LADDERS, TARGETS, TEST_STEPS, TRAINING_STEPS
from benchmarks.regret.page import TEXT
from benchmarks.regret.peers import PEERS
from benchmarks.regret.runs import Run, load_runs
from benchmarks.regret.tasks import SIDES
from lrwidget.core.curve.purpose import Purpose, Target
from lrwidget.core.curve.reading import Reading
from lrwidget.core.curve.reasons import Confidence
from lrwidget.core.curve.rules import RULES
from lrwidget.core.curve.suggest import Suggestion, suggest_over_sweeps
from lrwidget.core.range_test.settings import PROBE_STEPS

BASELINE = "fastai minimum / 10"
_NAMES = {
    "untouched": "untouched",
    "afterwards": "reported (later)",
    "reported": "reported",
    "tuned": "tuned on",
}
_LONG = 1000
_GOOD = 0.1


def page(paths: list[Path]) -> str:
    """Return docs/regret.md for the runs in some files."""
    runs, useless = load_runs(paths)
    sides = {_NAMES[side]: [r for r in runs if r.side == side] for side in reversed(SIDES)}
    sides = {side: found for side, found in sides.items() if found}
    return TEXT.format(
        measured=measured_table(sides),
        useless=useless,
        regret=regret_table(sides),
        moves=move_table(sides),
        rules=rule_table(runs),
        warnings=warning_table(sides),
        confidence=confidence_table([r for r in runs if r.side != "tuned"]),
        horizon=horizon_table(sides),
    )


@cache
def reading(run: Run, kind: str, rungs: int, fixed: bool) -> Reading:
    """Return one of the range tests, as lrwidget ends it, ready for the rules."""
    lrs, losses, sample = run.tests[kind, rungs].stopped()
    return Reading.from_losses(lrs, losses, sample if fixed else None)


def suggestion(
    run: Run, rule: str, kind: str, rungs: int, target: Target, fixed: bool = False
) -> Suggestion:
    """Return what lrwidget says after one of the range tests."""
    purpose = Purpose(target, run.tests[kind, rungs].optimizer)
    return suggest_over_sweeps((rule,), purpose, reading(run, kind, rungs, fixed), ())[rule]


def measured_table(sides: dict[str, list[Run]]) -> str:
    """Return how many tasks, pairs and runs there are on each side."""
    rows = []
    for side, runs in sides.items():
        tasks = {run.task for run in runs}
        pairs = {"/".join(task.split("/")[:2]) for task in tasks}
        rows.append([side, str(len(pairs)), str(len(tasks)), str(len(runs))])
    return _table(["tasks", "pairs of data and model", "tasks", "runs"], rows)


def regret_table(sides: dict[str, list[Run]]) -> str:
    """Return the mean regret of "auto" and of the baseline after tests of each length."""
    rows = []
    for side, runs in sides.items():
        for steps in TEST_STEPS:
            used = [r for r in runs if ("whole", steps) in r.tests]
            cells = [side, str(steps), str(len(used))]
            for target in TARGETS:
                found = _lost(used, steps, target)
                cells += [f"{_mean(used, lost):.3f}" for lost in found]
                cells.append(f"{_mean(used, found[0]) / _mean(used, found[3]):.2f}")
            rows.append(cells)
    names = ("auto", "auto, fixed sample", "auto, whole range", "/ 10", "ratio")
    head = [f"{_title(t)}: {name}" for t in TARGETS for name in names]
    return _table(["tasks", "steps of the test", "runs", *head], rows)


def _lost(runs: list[Run], steps: int, target: Target) -> list[list[float]]:
    rungs = steps - PROBE_STEPS
    picks = [
        lambda r: suggestion(r, "auto", "found", rungs, target).lr,
        lambda r: suggestion(r, "auto", "found", rungs, target, fixed=True).lr,
        lambda r: suggestion(r, "auto", "whole", steps, target).lr,
        lambda r: PEERS[BASELINE](*r.tests["whole", steps].padded()),
    ]
    return [[run.regret(target, pick(run)) for run in runs] for pick in picks]


def move_table(sides: dict[str, list[Run]]) -> str:
    """Return by which factor "auto" moves between the lengths of LADDERS, by optimizer."""
    rows = []
    for side, runs in sides.items():
        for optimizer in ("adam", "adamw", "sgd", "momentum", "rmsprop", "all"):
            used = [r for r in runs if optimizer in ("all", r.task.split("/")[2])]
            cells = [side, optimizer]
            for kind in ("whole", "found"):
                for first in (LADDERS[0], LADDERS[1]):
                    moves = _moves(used, "auto", kind, first)
                    cells.append(_median_and_90(moves))
            if moves:
                rows.append([*cells[:2], str(len(moves)), *cells[2:]])
    head = [f"{kind}: {n} to 1600" for kind in ("whole range", "with a probe") for n in (50, 100)]
    return _table(["tasks", "optimizer", "number", *head], rows)


def rule_table(runs: list[Run]) -> str:
    """Return how far every rule moves and what it loses, on all tasks with the whole range."""
    rows = []
    for rule in RULES:
        cells = [rule, _median_and_90(_moves(runs, rule, "whole", LADDERS[0]))]
        for steps in TEST_STEPS:
            used = [r for r in runs if ("whole", steps) in r.tests]
            picks = [suggestion(r, rule, "whole", steps, "constant").lr for r in used]
            lost = [r.regret("constant", lr) for r, lr in zip(used, picks, strict=True)]
            cells.append(f"{_mean(used, lost):.3f}")
        rows.append(cells)
    head = [f"regret at {steps} steps" for steps in TEST_STEPS]
    return _table(["rule", "moves by (median, nine tenths)", *head], rows)


def _moves(runs: list[Run], rule: str, kind: str, first: int) -> list[float]:
    lengths = [n for n in LADDERS if n >= first]
    moves = []
    for run in runs:
        if all((kind, n) in run.tests for n in lengths):
            found = [suggestion(run, rule, kind, n, "constant").lr for n in lengths]
            known = [lr for lr in found if lr is not None]
            if len(known) > 1:
                moves.append(max(known) / min(known))
    return moves


def warning_table(sides: dict[str, list[Run]]) -> str:
    """Return the mean regret of "auto" where it is reliable and where not, by steps."""
    rows = []
    for side, runs in sides.items():
        for steps in TEST_STEPS:
            used = [r for r in runs if ("whole", steps) in r.tests]
            rungs = steps - PROBE_STEPS
            said = [suggestion(r, "auto", "found", rungs, "constant") for r in used]
            lost = np.array([r.regret("constant", s.lr) for r, s in zip(used, said, strict=True)])
            trusted = np.array([s.reliable for s in said])
            rows.append(
                [side, str(steps), *(_regret_of(lost[which]) for which in (trusted, ~trusted))]
            )
    return _table(["tasks", "steps of the test", "reliable", "not reliable"], rows)


def confidence_table(runs: list[Run]) -> str:
    """Return how often "auto" is good at each confidence, after 100 steps with a probe.

    A suggestion is good if its regret is below 0.1.
    """
    steps = 100 - PROBE_STEPS
    used = [r for r in runs if ("found", steps) in r.tests]
    rows = []
    for confidence in get_args(Confidence):
        cells = [confidence]
        for target in TARGETS:
            said = [(r, suggestion(r, "auto", "found", steps, target)) for r in used]
            lost = [r.regret(target, s.lr) for r, s in said if s.confidence == confidence]
            good = f"{np.mean(np.array(lost) < _GOOD):.0%}" if lost else "-"
            mean = f"{np.mean(lost):.3f}" if lost else "-"
            cells += [str(len(lost)), good, mean]
        rows.append(cells)
    names = ("runs", "regret below 0.1", "mean regret")
    head = [f"{_title(t)}: {name}" for t in TARGETS for name in names]
    return _table(["confidence", *head], rows)


def horizon_table(sides: dict[str, list[Run]]) -> str:
    """Return what the best rate of 250 steps loses after 1000, times 4^-e for some e."""
    exponents = (0.0, 0.25, 0.5, 0.75, 1.0)
    rows = []
    for side, runs in sides.items():
        for target in TARGETS:
            for optimizer in ("adam", "adamw", "sgd", "momentum", "rmsprop", "all"):
                used = [
                    r
                    for r in runs
                    if (_LONG, target) in r.regrets and optimizer in ("all", r.task.split("/")[2])
                ]
                if not used:
                    continue
                best = [GRID[r.regrets[TRAINING_STEPS, target].argmin()] for r in used]
                cells = [side, _title(target), optimizer, str(len(used))]
                for e in exponents:
                    factor = (_LONG / TRAINING_STEPS) ** -e
                    lost = [
                        r.regret(target, lr * factor, _LONG)
                        for r, lr in zip(used, best, strict=True)
                    ]
                    cells.append(f"{np.mean(lost):.3f}")
                rows.append(cells)
    return _table(
        ["tasks", "learning rate", "optimizer", "number", *(f"e = {e}" for e in exponents)], rows
    )


def _mean(runs: list[Run], values: list[float]) -> float:
    """Return the mean over tasks of the mean over their runs."""
    by_task: dict[str, list[float]] = {}
    for run, value in zip(runs, values, strict=True):
        by_task.setdefault(run.task, []).append(value)
    return float(np.mean([np.mean(found) for found in by_task.values()]))


def _median_and_90(values: list[float]) -> str:
    return f"{np.median(values):.2f}, {np.quantile(values, 0.9):.2f}" if values else "-"


def _regret_of(lost: np.ndarray) -> str:
    if not len(lost):
        return "-"
    return f"{lost.mean():.3f}, over 0.3: {np.mean(lost > 0.3):.0%} ({len(lost)} runs)"


def _title(target: str) -> str:
    return target.replace("_", "-")


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
