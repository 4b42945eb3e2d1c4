"""The values that a training step returns, as numbers by name."""

from collections.abc import Callable
from typing import Any

from lrwidget.errors import ModelError


def numbers_of(
    logs: Any, monitor: str, converted: Callable[[Any], Any] = lambda value: value
) -> dict[str, Any]:
    """Return the numbers that a step returns, by name; a metric may report several as a dict.

    Args:
        logs: The return value of `train_step`.
        monitor: The name that must be among them.
        converted: A function that converts a value to a tensor of the backend.

    Raises:
        ModelError: The name is not among them.
    """
    reported = _flat(logs) if isinstance(logs, dict) else {}
    values = {name: converted(value) for name, value in reported.items()}
    numbers = {name: value for name, value in values.items() if len(value.shape) == 0}
    if monitor not in numbers:
        raise ModelError(
            f"`train_step` must return a dict with the batch's {monitor!r}; the numbers "
            f"in what it returned are {sorted(numbers)}. Return one, or pass `monitor=` with "
            "the name of another."
        )
    return numbers


def _flat(logs: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in logs.items():
        flat.update(_flat(value) if isinstance(value, dict) else {name: value})
    return flat
