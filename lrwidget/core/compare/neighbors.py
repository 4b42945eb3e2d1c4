"""neighbors: the learning rates around a pick, as variants to compare."""

from collections.abc import Callable, Iterable
from typing import Any

from lrwidget.core.checks import as_function, as_items, as_number, as_rate
from lrwidget.core.curve.ladder import format_lr
from lrwidget.errors import ConfigError


def neighbors(
    lr: float,
    factors: Iterable[float] = (1 / 4, 1 / 2, 1, 2, 4),
    schedule: Callable[[float, int], Any] | None = None,
) -> dict[str, Any]:
    """Return the learning rates around a pick, as variants for `compare`.

    >>> neighbors(0.01, factors=(0.5, 1, 2))
    {'5.00e-3': 0.005, '1.00e-2': 0.01, '2.00e-2': 0.02}

    Args:
        lr: The pick, > 0.
        factors: What it is multiplied by, each > 0.
        schedule: None for constant learning rates, or a function `(lr, steps) -> schedule`.

    Returns:
        Variants by name: numbers, or functions of the number of steps.

    Raises:
        ConfigError: An argument cannot be used.
    """
    rate = as_rate("lr", lr)
    numbers = as_items("factors", factors, "a list of numbers")
    rates = [as_rate("lr", rate * as_number("factors", each, above=0.0)) for each in numbers]
    if not rates:
        raise ConfigError("`factors` must hold at least one number; got none.")
    if schedule is None:
        return {format_lr(each): each for each in rates}
    made = as_function("schedule", schedule, "(lr, steps) -> schedule", 2)
    return {format_lr(each): _Scheduled(made, each) for each in rates}


class _Scheduled:
    """A function of the number of steps that returns a schedule; it can be pickled."""

    def __init__(self, schedule: Callable[[float, int], Any], lr: float) -> None:
        self._schedule, self._lr = schedule, lr

    def __call__(self, steps: int) -> Any:
        return self._schedule(self._lr, steps)

    def __repr__(self) -> str:
        return f"schedule of {format_lr(self._lr)}"
