"""CompareSettings: the settings of a comparison; and what it calls while it runs."""

import secrets
from dataclasses import dataclass
from typing import Any

from lrwidget.core.checks import as_count, as_flag, as_function, as_text, check_listeners
from lrwidget.core.compare.rounds import as_rounds
from lrwidget.core.compare.run import Run
from lrwidget.core.data.reader import StopFlag

_MOST_SEEDS = 100
_MOST_TRIAL_STEPS = 100_000


@dataclass(frozen=True)
class CompareUpdate:
    """The progress of a running comparison.

    Attributes:
        runs: The runs so far; the last one may be running.
        step: Training steps done, in all runs.
        steps: Training steps planned; fewer are needed if runs end early.
    """

    runs: tuple[Run, ...]
    step: int
    steps: int


@dataclass(frozen=True, kw_only=True)
class CompareSettings:
    """The settings of a comparison, checked; see `compare`."""

    steps: int
    seeds: int = 1
    batch_size: int = 32
    seed: int = 0
    monitor: str = "loss"
    stop_early: bool = True
    rounds: tuple[int, ...] = ()

    @classmethod
    def of(cls, **given: Any) -> "CompareSettings":
        """Return checked settings; `rounds` then ends with `steps`, and a seed is drawn."""
        steps = as_count("steps", given["steps"], at_least=2, at_most=_MOST_TRIAL_STEPS)
        seed = given["seed"]
        return cls(
            steps=steps,
            seeds=as_count("seeds", given["seeds"], at_least=1, at_most=_MOST_SEEDS),
            batch_size=as_count("batch_size", given["batch_size"], at_least=1),
            seed=secrets.randbits(31) if seed is None else as_count("seed", seed, at_most=2**62),
            monitor=as_text("monitor", given["monitor"]),
            stop_early=as_flag("stop_early", given["stop_early"]),
            rounds=as_rounds(given["rounds"], steps),
        )


def check_callbacks(on_update: Any, stop: Any, executor: Any) -> None:
    """Raise ConfigError unless `on_update`, `stop` and `executor` can be used."""
    if executor is not None:
        as_function("executor.submit", getattr(executor, "submit", None), "of a function", 1)
    check_listeners(on_update, stop)


def is_set(stop: StopFlag | None) -> bool:
    return stop is not None and stop.is_set()
