"""What keeps tests on real models quick: a model that many share, and training without a trace.

Tracing a training step takes most of the time of a small test.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras

from tests.core.faults import bytes_of


@contextmanager
def without_a_trace(model: keras.Model) -> Iterator[None]:
    """Let a model train eagerly for a few steps, then as it was compiled."""
    eager, model.run_eagerly = model.run_eagerly, True
    yield
    model.run_eagerly = eager
    model.train_function = model.test_function = None


class SharedModel:
    """Lends the same model again and again, and a new one after a test that changed it.

    Where nothing has changed, `range_test` uses the trace of an earlier test again.

    Args:
        build: A function that returns the compiled model.
        settled: Whether the model can be lent again, once a test is over.
    """

    def __init__(
        self, build: Callable[[], keras.Model], settled: Callable[[], bool] = lambda: True
    ) -> None:
        self._build, self._settled = build, settled
        self._unused: list[keras.Model] = []

    @contextmanager
    def lent(self) -> Iterator[keras.Model]:
        """Lend the model for one test, with Python's, numpy's and Keras' random state reset."""
        model = self._unused.pop() if self._unused else self._build()
        keras.utils.set_random_seed(0)
        before = _content_of(model)
        yield model
        if self._settled() and _content_of(model) == before:
            self._unused.append(model)


class _Same:
    """Equal only to another that holds the same object, which it keeps alive."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self._value is other._value

    __hash__ = None  # type: ignore[assignment]


def _content_of(model: keras.Model) -> list[Any]:
    """Return what a test may change of a model and its optimizer: all attributes and values."""
    optimizer = model.optimizer
    metrics = [variable for metric in model.metrics for variable in metric.variables]
    variables = [*model.variables, *optimizer.variables, *metrics]
    attributes = [
        (vars(each).keys(), list(map(_content, vars(each).values()))) for each in (model, optimizer)
    ]
    return [list(map(_Same, variables)), bytes_of(variables), attributes]


def _content(value: Any) -> Any:
    return value if isinstance(value, bool | int | float | str) else _Same(value)
