"""The loss of a step's batch alone: what the step tells its running mean.

What `fit` reports as the loss is the running mean of the epoch. The differences of such means
lose the loss of a late batch in the digits of all before it, so each batch is measured alone.
"""

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
from keras import ops

from lrwidget.core.schedules import float_type
from lrwidget.core.train_step import Shadow
from lrwidget.errors import ModelError


def loss_trackers(model: keras.Model) -> list[keras.metrics.Mean]:
    """Return the metrics that may be a model's running mean loss: Keras' own, the user's.

    A train step of the user's has one of its own beside Keras' where it does not replace
    `metrics`; it tells one of the two.
    """
    means = [metric for metric in model.metrics if isinstance(metric, keras.metrics.Mean)]
    return [metric for metric in means if metric.name == "loss"]


def trains_as_keras(model: keras.Model) -> bool:
    """Say whether a model's step tells its running mean once and outside of any inner trace."""
    kind = type(model)
    names = ("train_step", "compute_loss")
    return all(getattr(kind, name) is getattr(keras.Model, name) for name in names)


@contextmanager
def overheard(tracker: keras.metrics.Mean) -> Iterator[list[Any]]:
    """Let a list gather what a running mean is told."""
    told: list[Any] = []
    with _telling(tracker, lambda values, *_args, **_kwargs: told.append(values)):
        yield told


def reported(logs: Any) -> Any:
    """Return the loss that a step reports, NaN where it reports none."""
    loss = logs.get("loss", np.nan) if isinstance(logs, dict) else np.nan
    return as_number(loss)


def as_number(loss: Any) -> Any:
    """Return a loss as one number of the type that is recorded."""
    number = ops.cast(loss, float_type())
    # No mean of a single number: a step of a millisecond would wait for it.
    return ops.mean(number) if ops.ndim(number) else number


def first_told(sums: list[tuple[Any, Any]], otherwise: Any) -> Any:
    """Return the first mean of one step that was told anything.

    Args:
        sums: Total and count of each running mean, begun anew at this step.
        otherwise: The loss where none was told.
    """
    loss = otherwise
    for total, count in reversed(sums):
        mean = ops.divide_no_nan(total, ops.cast(count, total.dtype))
        loss = ops.where(count > 0, as_number(mean), loss)
    return loss


class Twins:
    """Running means beside those of a model: told the same, but begun anew at each step."""

    def __init__(self) -> None:
        self._of: weakref.WeakKeyDictionary[keras.metrics.Mean, keras.metrics.Mean] = (
            weakref.WeakKeyDictionary()
        )

    def follow(self, model: keras.Model) -> None:
        """Make a twin for each tracker that has none.

        Raises:
            ModelError: A tracker is of a kind of which no second one can be made.
        """
        for tracker in loss_trackers(model):
            if tracker not in self._of:
                self._of[tracker] = _twin_of(tracker)

    def told_too(self) -> list[Shadow]:
        """Return what lets the twins be told what the trackers are."""
        return [_telling(tracker, twin.update_state) for tracker, twin in self._of.items()]

    def begin(self) -> None:
        """Forget the steps before this one."""
        for twin in self._of.values():
            twin.reset_state()

    def loss(self, model: keras.Model, logs: Any) -> Any:
        """Return the loss of the step that has just been made, by its logs where none was told."""
        twins = [self._of[each] for each in loss_trackers(model) if each in self._of]
        sums = [(twin.total.value, twin.count.value) for twin in twins]
        return first_told(sums, reported(logs))


def _twin_of(tracker: keras.metrics.Mean) -> keras.metrics.Mean:
    kind = type(tracker)
    if kind.update_state is keras.metrics.Mean.update_state:
        return keras.metrics.Mean(name=tracker.name, dtype=tracker.dtype)
    try:
        return kind.from_config(tracker.get_config())
    except TypeError as error:
        raise ModelError(
            f"LRMonitor needs a second {kind.__name__} like the one that is the model's running "
            "mean of the loss. Give it a `get_config` that its constructor accepts."
        ) from error


def _telling(tracker: keras.metrics.Mean, other: Callable[..., Any]) -> Shadow:
    """Let someone else be told what a running mean is told, first."""
    own_update = tracker.update_state

    def update_state(*args: Any, **kwargs: Any) -> Any:
        other(*args, **kwargs)
        return own_update(*args, **kwargs)

    return Shadow(tracker, "update_state", update_state)
