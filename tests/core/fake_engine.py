"""An engine that trains nothing: its losses are a function of the learning rates so far."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np

from lrwidget.core.arrays import FloatArray, Logs
from lrwidget.core.data.source import Batches
from lrwidget.core.model.building import Built
from lrwidget.core.model.rate import Rate


class FakeRate(Rate):
    """A learning rate that nothing reads."""

    variables: list[Any] = []  # noqa: RUF012

    def traced(self) -> list[Any]:
        return []

    def settle(self, model: keras.Model, reads: Any) -> None:
        """Choose nothing."""


class FakeBatches:
    """Data that nobody reads."""

    spec = None
    was_left = False

    def __init__(self) -> None:
        self.is_closed = False

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def first_non_finite(self, count: int) -> int | None:
        return None

    def holds_non_finite(self, first: int, count: int) -> bool:
        return False

    def close(self) -> None:
        self.is_closed = True


class FakeEngine:
    """Reports losses of a known curve, and adds every learning rate to one variable.

    Args:
        loss: A function of the learning rate and of the sum of all before it.
        steps_per_group: How many steps a call of `run` takes.
    """

    def __init__(self, loss: Callable[[float, float], float], steps_per_group: int = 7) -> None:
        self.rate: Rate = FakeRate()
        self.traces = 0
        self.weight = keras.Variable(0.0)
        self.variables: list[Any] = [self.weight]
        self.is_running = False
        self._loss, self._steps_per_group = loss, steps_per_group

    def adopt(self, built: Built) -> Built:
        return built

    def start(self, batches: Batches) -> None:
        self.is_running = True

    def run(self, lrs: FloatArray) -> Logs:
        losses = []
        for lr in lrs[: self._steps_per_group]:
            losses.append(self._loss(float(lr), float(self.weight)))
            self.weight.assign_add(lr)
        return {"loss": np.array(losses)}

    def evaluate(self, batches: Sequence[Any]) -> float:
        return float(self.weight)

    def finish(self) -> None:
        self.is_running = False
