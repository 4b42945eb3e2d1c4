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

from lrwidget.core.model.train_step import Shadow, Wrapped
from lrwidget.core.schedules.one_cycle import float_type
from lrwidget.errors import ModelError


def loss_trackers(model: keras.Model, name: str) -> list[keras.metrics.Mean]:
    """Return the metrics that may be a model's running mean loss: Keras' own, the user's.

    A train step of the user's has one of its own beside Keras' where it does not replace
    `metrics`; it tells one of the two.
    """
    means = [metric for metric in model.metrics if isinstance(metric, keras.metrics.Mean)]
    return [metric for metric in means if metric.name == name]


def means_of_other_names(model: keras.Model, name: str) -> list[keras.metrics.Mean]:
    """Return the running means, one of which a train step of the user's may report as `name`."""
    if trains_as_keras(model):
        return []
    plain = keras.metrics.Mean.update_state
    means = [each for each in model.metrics if getattr(type(each), "update_state", 0) is plain]
    return [metric for metric in means if metric.name != name]


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


def reported(logs: Any, name: str) -> Any:
    """Return the loss that a step reports, NaN where it reports none.

    Raises:
        ModelError: None of this name, which is not the usual one.
    """
    names = list(logs) if isinstance(logs, dict) else []
    if name not in [*names, "loss"]:
        raise ModelError(
            f"The training step reports {names}, not {name!r}. Pass one of these as `monitor=`."
        )
    return as_number(logs[name] if name in names else np.nan)


def as_number(loss: Any) -> Any:
    """Return a loss as one number of the type that is recorded."""
    number = ops.cast(loss, float_type())
    # No mean of a single number: a step of a millisecond would wait for it.
    return ops.mean(number) if ops.ndim(number) else number


Sums = tuple[Any, Any]  # total and count of what a running mean was told


def first_told(sums: list[Sums], otherwise: Any) -> Any:
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


def told_or_reported(named: list[Sums], others: list[tuple[Any, Sums]], loss: Any) -> Any:
    """Return the loss of one step by what running means were told in it.

    Args:
        named: Of each running mean of the loss's name, total and count of this step.
        others: Of each one of another name, its value after this step, and these sums. The loss
            that the step reports may be one of them: the one that has just this value.
        loss: What the step reports.
    """
    found = first_told(named, loss)
    for value, (total, count) in others:
        is_reported = ops.isclose(as_number(value), loss, rtol=1e-6, atol=0.0)
        told = first_told([(total, count)], found)
        found = ops.where(is_reported, told, found)
    return found


class Twins:
    """Running means beside those of a model: told the same, but begun anew at each step."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._of: weakref.WeakKeyDictionary[keras.metrics.Mean, keras.metrics.Mean] = (
            weakref.WeakKeyDictionary()
        )

    def follow(self, model: keras.Model) -> None:
        """Make a twin for each tracker that has none.

        Raises:
            ModelError: A tracker is of a kind of which no second one can be made.
        """
        name = self._name
        for tracker in [*loss_trackers(model, name), *means_of_other_names(model, name)]:
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
        named = [each for each in loss_trackers(model, self._name) if each in self._of]
        others = [each for each in means_of_other_names(model, self._name) if each in self._of]
        return told_or_reported(
            [self._sums(each) for each in named],
            [(each.result(), self._sums(each)) for each in others],
            reported(logs, self._name),
        )

    def _sums(self, tracker: keras.metrics.Mean) -> Sums:
        twin = self._of[tracker]
        return twin.total.value, twin.count.value


def _twin_of(tracker: keras.metrics.Mean) -> keras.metrics.Mean:
    kind: Any = type(tracker)
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
    """Let someone else be told what a running mean is told, first; several others if nested."""

    def wrap(own_update: Callable[..., Any]) -> Callable[..., Any]:
        def update_state(*args: Any, **kwargs: Any) -> Any:
            other(*args, **kwargs)
            return own_update(*args, **kwargs)

        return update_state

    return Wrapped(tracker, "update_state", wrap)
