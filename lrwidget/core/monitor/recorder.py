"""StepRecorder: records the learning rate and the loss of every training step, inside the step."""

import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import keras
import numpy as np
from keras import ops

from lrwidget.core.curve.ladder import FloatArray
from lrwidget.core.model.families import family_of, is_multi, training_members
from lrwidget.core.model.given_rate import variable_of
from lrwidget.core.model.learning_rate import not_read, optimizer_of, optimizers_of
from lrwidget.core.model.strategy import replicas_of, scope_of
from lrwidget.core.model.train_step import AttributeOverride, Step, StepExtension
from lrwidget.core.model.values import float_type, is_tensorflow
from lrwidget.core.monitor.own_loss import (
    PerStepMeans,
    as_number,
    captured_updates,
    loss_trackers,
    reported,
    trains_as_keras,
)
from lrwidget.errors import ConfigError, ModelError

CAPACITY = 2048
"""Number of recorded steps that are kept until they are read.

Reading between two steps takes as long as several steps of a millisecond, so it is done rarely.
"""


class Reader(Protocol):
    """An object that reads the recorded steps of a `fit`."""

    def detach(self) -> None:
        """Read the steps recorded so far and stop listening."""


class Recorder(StepExtension, ABC):
    """Extends a model's training step: each step records its learning rate and its own loss.

    Args:
        model: A compiled model; held weakly, so that a cache does not keep it alive.
        rates: Optimizers or variables whose learning rates are recorded; may be empty.
        name: The name under which the step reports its loss.

    Attributes:
        checks_use: Whether a step that uses none of the rates raises an error.
    """

    def __init__(self, model: keras.Model, rates: list[Any], name: str) -> None:
        self._model = weakref.ref(model)
        self.rates, self._name = rates, name
        self.width = 1 + max(1, len(rates))
        self.checks_use = False
        self._fit: Callable[[], Any] = lambda: None
        self._readers: weakref.WeakSet[Reader] = weakref.WeakSet()
        self.capacity = max(CAPACITY, 2 * int(model.steps_per_execution))

    def attach(self, reader: Reader, fit: Any) -> None:
        """Register a reader for the steps of a `fit`, and detach the readers of earlier ones.

        Args:
            reader: It detaches itself when its `fit` ends; an interrupted one is detached here.
            fit: The History of the running `fit`, which identifies it.
        """
        if self._fit() is not fit:
            for earlier in list(self._readers):
                earlier.detach()
            self._readers.clear()
            self._fit = weakref.ref(fit)
        self._readers.add(reader)

    @property
    @abstractmethod
    def count(self) -> int:
        """The number of steps recorded so far."""

    @abstractmethod
    def read(self, start: int) -> FloatArray:
        """Return the recorded rows from step number `start` on, shape (n, width).

        Columns: learning rate, loss, then the learning rates of further optimizers. At most
        `capacity` steps are kept.
        """

    def is_of(self, rates: list[Any], name: str) -> bool:
        """Return whether exactly these learning rates and the loss of this name are recorded."""
        same = len(rates) == len(self.rates)
        same = same and all(a is b for a, b in zip(rates, self.rates, strict=True))
        return same and self._name == name

    def model(self) -> keras.Model:
        """Return the model, or raise ModelError if it was deleted."""
        model = self._model()
        if model is None:
            raise ModelError("The model was deleted while `fit` ran on it.")
        return model


class StepRecorder(Recorder):
    """Records the steps in variables. The user's metrics keep exactly the same values."""

    def __init__(self, model: keras.Model, rates: list[Any], name: str) -> None:
        super().__init__(model, rates, name)
        self._per_step_means = PerStepMeans(name)
        self._captures_updates = False
        settings = {"trainable": False, "aggregation": "only_first_replica"}
        with scope_of(model):
            self._count = keras.Variable(0, dtype="int", name="steps", **settings)
            self._rows = keras.Variable(
                np.zeros((self.capacity, self.width)), dtype=float_type(), name="rows", **settings
            )

    def attach(self, reader: Reader, fit: Any) -> None:
        """Register a reader for the steps of a `fit`, and copy the model's running means."""
        super().attach(reader, fit)
        model = self.model()
        self._captures_updates = trains_as_keras(model) and replicas_of(model) == 1
        if not self._captures_updates:
            with scope_of(model):
                self._per_step_means.follow(model)

    @property
    def count(self) -> int:
        """The number of steps recorded so far."""
        return int(ops.convert_to_numpy(self._count))

    def read(self, start: int) -> FloatArray:
        """Return the recorded rows from step number `start` on, shape (n, width)."""
        steps = np.arange(start, self.count)
        if not len(steps):
            return np.empty((0, self.width))
        return ops.convert_to_numpy(self._rows).astype(np.float64)[steps % self.capacity]

    def overrides(self) -> list[AttributeOverride]:
        """Return overrides that update the per-step means, if the step cannot capture updates.

        Keras traces several devices in separate threads, which would capture each other's
        updates. So the overrides are entered here, before these threads start.
        """
        return [] if self._captures_updates else self._per_step_means.forwarding()

    def extend(self, step: Step) -> Step:
        """Return the step that also records; on several devices, the mean of their losses."""

        def train_step(data: Any) -> Any:
            lrs = current_lrs(self.rates)
            is_used = self._watch()
            logs, loss = self._with_own_loss(step, data)
            if not is_used() and self.model().trainable_variables:
                raise not_read(self.model(), self.rates)
            self._record(lrs, _mean_of_replicas(loss))
            return logs

        return train_step

    def _with_own_loss(self, step: Step, data: Any) -> tuple[Any, Any]:
        """Run a step; return its logs and the loss of its batch alone."""
        model = self.model()
        trackers = loss_trackers(model, self._name)
        if not (trackers and self._captures_updates):
            self._per_step_means.begin()
            logs = step(data)
            return logs, self._per_step_means.loss(model, logs)
        with captured_updates(trackers[0]) as updates:
            logs = step(data)
        return logs, as_number(updates[-1]) if updates else reported(logs, self._name)

    def _watch(self) -> Callable[[], bool]:
        """Return a function that tells later whether the graph built since now uses the rates."""
        if not (
            self.checks_use and is_tensorflow() and self.rates and replicas_of(self.model()) == 1
        ):
            return lambda: True
        from lrwidget.core.model.graph_use import uses_since_now

        return uses_since_now(self.rates)

    def _record(self, lrs: list[Any], loss: Any) -> None:
        row = ops.stack([lrs[0], loss, *lrs[1:]])
        count = ops.convert_to_tensor(self._count)
        place = count % self.capacity
        if is_tensorflow() and replicas_of(self.model()) == 1:
            _write_in_place(self._rows.value, place, row)
        else:
            place = ops.cast(place, "int32")
            self._rows.assign(ops.slice_update(self._rows, [place, 0], row[None]))
        with _after(row):
            self._count.assign(count + 1)


def _write_in_place(rows: Any, place: Any, row: Any) -> None:
    """Write one row of a TensorFlow variable in place, to not slow down short steps."""
    import tensorflow as tf

    rows.scatter_update(tf.IndexedSlices(row, place))


def _after(value: Any) -> AbstractContextManager[Any]:
    """Make graph operations wait for a value, so that they do not run if it fails.

    If the data end inside a step, all operations that do not depend on the data still run.
    """
    if not is_tensorflow():
        return nullcontext()
    import tensorflow as tf

    return tf.control_dependencies([value])


def current_lrs(rates: list[Any]) -> list[Any]:
    """Return the current learning rates of optimizers or variables."""
    values = [getattr(rate, "learning_rate", rate) for rate in rates] or [np.nan]
    return [ops.cast(ops.copy(ops.convert_to_tensor(each)), float_type()) for each in values]


def _mean_of_replicas(loss: Any) -> Any:
    if not is_tensorflow():
        return loss
    import tensorflow as tf

    replica = tf.distribute.get_replica_context()
    if replica is None or replica.num_replicas_in_sync == 1:
        return loss
    return replica.all_reduce(tf.distribute.ReduceOp.MEAN, loss)


_recorders: weakref.WeakKeyDictionary[keras.Model, list[Recorder]] = weakref.WeakKeyDictionary()


def recorder_of(
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer | None,
    name: str,
    learning_rate: Any = None,
) -> Recorder:
    """Return the recorder of a model; that of an earlier `fit` is reused if it is large enough.

    Args:
        model: A compiled model.
        optimizer: The optimizer whose learning rate is recorded; None if the model has only one.
        name: The name under which the training step reports its loss.
        learning_rate: Instead of an optimizer, the variable that the step reads, or a function
            that sets one.

    Raises:
        ModelError: The model has several optimizers and none is chosen, the step reports no loss
            but "loss", or the steps of this model cannot be extended.
        ConfigError: The `learning_rate` cannot be recorded.
    """
    rates = _recorded_rates(model, optimizer, learning_rate)
    if name != "loss" and type(model).train_step is keras.Model.train_step:
        raise ModelError(
            f"`monitor` is for a model with a custom `train_step`; got monitor={name!r}. "
            'The `train_step` of Keras reports its loss as "loss". Leave `monitor` out.'
        )
    held = [each for head in optimizers_of(model) for each in family_of(head)]
    usable = [
        each
        for each in _recorders.get(model, [])
        if each.capacity >= 2 * int(model.steps_per_execution)
        and all(any(rate is one for one in [*held, learning_rate]) for rate in each.rates)
    ]
    fitting = [each for each in usable if each.is_of(rates, name)]
    if not fitting:
        fitting = [_new_recorder(model, rates, name)]
        _recorders[model] = [*usable, *fitting]
    # An optimizer passed by the user is recorded even if it does not train.
    fitting[0].checks_use = optimizer is None
    return fitting[0]


def _recorded_rates(
    model: keras.Model, optimizer: keras.optimizers.Optimizer | None, learning_rate: Any
) -> list[Any]:
    """Return the optimizers whose learning rates are to be recorded, or the variable."""
    if learning_rate is not None:
        if optimizer is not None:
            raise ConfigError("Pass `optimizer=` or `learning_rate=`, not both.")
        return [variable_of(learning_rate)]
    if optimizer is None and not optimizers_of(model):
        return []
    head = optimizer_of(model, optimizer)
    if is_multi(head) and not head.optimizers:
        return []  # a MultiOptimizer makes its optimizers in the first step
    return training_members(model, head)


def _new_recorder(model: keras.Model, rates: list[Any], name: str) -> Recorder:
    if keras.backend.backend() != "jax":
        return StepRecorder(model, rates, name)
    from lrwidget.core.monitor.jax_recorder import JaxRecorder

    return JaxRecorder(model, rates, name)
