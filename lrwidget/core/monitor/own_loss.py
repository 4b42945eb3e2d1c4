"""The loss of each batch alone, captured from the updates of the metric that averages it.

`fit` reports the running mean of the loss over the epoch. Late in an epoch, the difference of
two such means is too imprecise to recover the loss of one batch, so each batch is measured alone.
"""

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
from keras import ops

from lrwidget.core.model.train_step import AttributeOverride, WrappedAttribute
from lrwidget.core.model.values import float_type
from lrwidget.errors import ModelError


def loss_trackers(model: keras.Model, name: str) -> list[keras.metrics.Mean]:
    """Return the metrics that may hold a model's running mean loss: Keras' or the user's.

    A custom train step that does not override `metrics` has its own tracker beside the one of
    Keras, and updates one of the two.
    """
    means = [metric for metric in model.metrics if isinstance(metric, keras.metrics.Mean)]
    return [metric for metric in means if metric.name == name]


def means_of_other_names(model: keras.Model, name: str) -> list[keras.metrics.Mean]:
    """Return the running means of other names; a custom train step may report one as `name`."""
    if trains_as_keras(model):
        return []
    plain = keras.metrics.Mean.update_state
    means = [each for each in model.metrics if getattr(type(each), "update_state", 0) is plain]
    return [metric for metric in means if metric.name != name]


def trains_as_keras(model: keras.Model) -> bool:
    """Return whether a step updates its running mean once and outside any inner trace."""
    kind = type(model)
    names = ("train_step", "compute_loss")
    return all(getattr(kind, name) is getattr(keras.Model, name) for name in names)


@contextmanager
def captured_updates(tracker: keras.metrics.Mean) -> Iterator[list[Any]]:
    """Collect the values passed to the metric's `update_state`."""
    updates: list[Any] = []
    with _forwarding(tracker, lambda values, *_args, **_kwargs: updates.append(values)):
        yield updates


def reported(logs: Any, name: str) -> Any:
    """Return the loss that a step reports, NaN if it reports none.

    Raises:
        ModelError: The step reports nothing under this name, and the name is not "loss".
    """
    names = list(logs) if isinstance(logs, dict) else []
    if name not in [*names, "loss"]:
        raise ModelError(
            f"The training step reports {names}, not {name!r}. Pass one of these as `monitor=`."
        )
    return as_number(logs[name] if name in names else np.nan)


def as_number(loss: Any) -> Any:
    """Return a loss as a scalar of the recorded type."""
    number = ops.cast(loss, float_type())
    # The mean of a scalar would slow down a step of a millisecond.
    return ops.mean(number) if ops.ndim(number) else number


Sums = tuple[Any, Any]  # total and count of the updates of a running mean


def first_updated(sums: list[Sums], otherwise: Any) -> Any:
    """Return the first of these means that was updated in this step.

    Args:
        sums: Total and count of each running mean since the start of this step.
        otherwise: The loss to return if none was updated.
    """
    loss = otherwise
    for total, count in reversed(sums):
        mean = ops.divide_no_nan(total, ops.cast(count, total.dtype))
        loss = ops.where(count > 0, as_number(mean), loss)
    return loss


def per_step_loss(named: list[Sums], others: list[tuple[Any, Sums]], loss: Any) -> Any:
    """Return the loss of one step, from the updates of the running means in it.

    Args:
        named: Total and count in this step of each running mean that has the name of the loss.
        others: For each running mean of another name, its value after this step, and its total
            and count in this step. The reported loss is one of them if the values are equal.
        loss: The loss that the step reports.
    """
    found = first_updated(named, loss)
    for value, (total, count) in others:
        is_reported = ops.isclose(as_number(value), loss, rtol=1e-6, atol=0.0)
        own = first_updated([(total, count)], found)
        found = ops.where(is_reported, own, found)
    return found


class PerStepMeans:
    """Copies of a model's running means that receive the same updates but restart at each step."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._of: weakref.WeakKeyDictionary[keras.metrics.Mean, keras.metrics.Mean] = (
            weakref.WeakKeyDictionary()
        )

    def follow(self, model: keras.Model) -> None:
        """Make a copy for each tracker that has none.

        Raises:
            ModelError: A tracker of a custom class cannot be copied.
        """
        name = self._name
        for tracker in [*loss_trackers(model, name), *means_of_other_names(model, name)]:
            if tracker not in self._of:
                self._of[tracker] = _per_step_copy(tracker)

    def forwarding(self) -> list[AttributeOverride]:
        """Return overrides that forward each metric's updates to its per-step copy."""
        return [_forwarding(tracker, copy.update_state) for tracker, copy in self._of.items()]

    def begin(self) -> None:
        """Reset the copies at the start of a step."""
        for copy in self._of.values():
            copy.reset_state()

    def loss(self, model: keras.Model, logs: Any) -> Any:
        """Return the loss of the last step, or the one in its logs if no copy was updated."""
        named = [each for each in loss_trackers(model, self._name) if each in self._of]
        others = [each for each in means_of_other_names(model, self._name) if each in self._of]
        return per_step_loss(
            [self._sums(each) for each in named],
            [(each.result(), self._sums(each)) for each in others],
            reported(logs, self._name),
        )

    def _sums(self, tracker: keras.metrics.Mean) -> Sums:
        copy = self._of[tracker]
        return copy.total.value, copy.count.value


def _per_step_copy(tracker: keras.metrics.Mean) -> keras.metrics.Mean:
    kind: Any = type(tracker)
    if kind.update_state is keras.metrics.Mean.update_state:
        return keras.metrics.Mean(name=tracker.name, dtype=tracker.dtype)
    try:
        return kind.from_config(tracker.get_config())
    except TypeError as error:
        raise ModelError(
            f"LRMonitor cannot copy {kind.__name__}, the metric that averages the model's loss. "
            "Define its `get_config` so that the constructor accepts what it returns."
        ) from error


def _forwarding(tracker: keras.metrics.Mean, other: Callable[..., Any]) -> AttributeOverride:
    """Also call `other` with every update of this metric, before the metric sees it."""

    def wrap(own_update: Callable[..., Any]) -> Callable[..., Any]:
        def update_state(*args: Any, **kwargs: Any) -> Any:
            other(*args, **kwargs)
            return own_update(*args, **kwargs)

        return update_state

    return WrappedAttribute(tracker, "update_state", wrap)
