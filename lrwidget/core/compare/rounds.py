"""Successive halving: the numbers of steps of the rounds, and who goes on to the next."""

import itertools
from collections.abc import Sequence
from typing import Any

from lrwidget.core.checks import as_count, as_items, shown
from lrwidget.core.compare.ranking import ranking_of
from lrwidget.core.compare.run import Run
from lrwidget.errors import ConfigError


def as_rounds(rounds: Any, steps: int) -> tuple[int, ...]:
    """Return the steps of every round, of which the last is `steps`.

    Raises:
        ConfigError: They do not increase, or go beyond `steps`.
    """
    if rounds is None:
        return (steps,)
    numbers = as_items("rounds", rounds, "a list of numbers of steps")
    counts = [as_count("rounds", each, at_least=2) for each in numbers]
    counts += [] if counts and counts[-1] == steps else [steps]
    if any(later <= earlier for earlier, later in itertools.pairwise(counts)):
        raise ConfigError(
            f"`rounds` must increase up to `steps`; got rounds={shown(rounds)}, steps={steps}. "
            "Pass, for example, steps=80, rounds=(20, 40, 80)."
        )
    return tuple(counts)


def better_half(runs: Sequence[Run]) -> set[str]:
    """Return the names of the better half of the variants, rounded up, that finished."""
    rows = ranking_of(runs)
    finished = [row.name for row in rows if not row.reason]
    return set(finished[: -(-len(rows) // 2)])
