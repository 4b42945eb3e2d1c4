"""in_rounds: successive halving, with any way to run trials."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from lrwidget.core.compare.rounds import better_half
from lrwidget.core.compare.run import Run, empty_run
from lrwidget.core.compare.settings import CompareSettings, CompareUpdate
from lrwidget.core.compare.trials import Trial

if TYPE_CHECKING:
    from lrwidget.core.compare.comparing import Comparing

Report = Callable[[Run, bool], object]
"""Called with a run as it grows, and when it is complete."""

RunTrials = Callable[[Sequence[Sequence[Trial]], Report], object]
"""Runs the trials of every seed of a round, and reports each run."""


def in_rounds(
    comparing: "Comparing",
    run_trials: RunTrials,
    on_update: Callable[[CompareUpdate], object] | None,
    is_stopped: Callable[[], bool],
) -> tuple[list[Run], int]:
    """Run all rounds, and return the last run of every variant and seed, and the steps done."""
    settings, left = comparing.settings, [each.name for each in comparing.variants]
    kept: dict[tuple[str, int], Run] = {}
    done = 0
    planned = _planned(len(left), settings)

    def report(run: Run, is_complete: bool) -> None:
        nonlocal done
        kept[run.name, run.seed] = run
        if is_complete:
            done += len(run.losses)
        if on_update is not None:
            step = done if is_complete else done + len(run.losses)
            on_update(CompareUpdate(tuple(kept.values()), step, planned))

    for number, steps in enumerate(settings.rounds):
        run_trials([comparing.trials(left, seed, steps) for seed in range(settings.seeds)], report)
        if is_stopped():
            break
        if number + 1 < len(settings.rounds):
            runs = [run for run in kept.values() if run.name in left]
            names = better_half(runs)
            kept.update(
                {
                    (run.name, run.seed): replace(run, stop_reason="hopeless")
                    for run in runs
                    if run.name not in names and run.stop_reason == "finished"
                }
            )
            left = [name for name in left if name in names]
        if not left:
            break
    runs = [
        kept.get((each.name, seed)) or empty_run(each.name, seed, settings.steps)
        for each in comparing.variants
        for seed in range(settings.seeds)
    ]
    last = settings.rounds[-1]
    # Stopped between two rounds: the run of an earlier round is not the whole one.
    return [
        replace(run, stop_reason="stopped")
        if run.stop_reason == "finished" and run.steps < last
        else run
        for run in runs
    ], done


def _planned(variants: int, settings: CompareSettings) -> int:
    total, left = 0, variants
    for steps in settings.rounds:
        total += left * steps * settings.seeds
        left = -(-left // 2)
    return total
