"""StepRecorder: the learning rate and the loss of every training step, noted inside the step."""

import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import keras
import numpy as np
from keras import ops

from lrwidget.core.ladder import FloatArray
from lrwidget.core.learning_rate import optimizer_of, optimizers_of
from lrwidget.core.own_loss import (
    Twins,
    as_number,
    loss_trackers,
    overheard,
    reported,
    trains_as_keras,
)
from lrwidget.core.schedules import float_type
from lrwidget.core.train_step import Addition, Shadow, Step
from lrwidget.errors import ModelError

CAPACITY = 2048
"""Steps that are kept until they have to be read.

One reading between two steps takes as long as several steps of a millisecond, although it is
quick when repeated at once.
"""


class Reader(Protocol):
    """Whoever reads the steps of a `fit`."""

    def detach(self) -> None:
        """Read what there is; what comes then belongs to others."""


class Recorder(Addition, ABC):
    """Adds to a model's training step that its learning rate and its own loss are noted.

    Args:
        model: A compiled model; held weakly, so that a cache does not keep it alive.
        optimizer: The one whose learning rate is noted; None for that of the model.
        name: What the step reports its loss as.
    """

    def __init__(
        self, model: keras.Model, optimizer: keras.optimizers.Optimizer | None, name: str
    ) -> None:
        self._model = weakref.ref(model)
        self._optimizer, self._name = optimizer, name
        self._fit: Callable[[], Any] = lambda: None
        self._readers: weakref.WeakSet[Reader] = weakref.WeakSet()
        self.capacity = max(CAPACITY, 2 * int(model.steps_per_execution))

    def attach(self, reader: Reader, fit: Any) -> None:
        """Let a reader have the steps of a `fit`; readers of an earlier one read what is theirs.

        Args:
            reader: Detached again by itself, or here if its `fit` was interrupted.
            fit: What stands for the running `fit`: its History.
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
        """The number of steps noted so far."""

    @abstractmethod
    def read(self, start: int) -> FloatArray:
        """Return learning rate and loss of the steps from number `start` on, shape (n, 2).

        At most `capacity` steps are kept.
        """

    def is_of(self, optimizer: keras.optimizers.Optimizer | None, name: str) -> bool:
        """Say whether this optimizer's learning rate and the loss of this name are noted."""
        return self._optimizer is optimizer and self._name == name

    def optimizer(self) -> keras.optimizers.Optimizer | None:
        """Return the optimizer whose learning rate is noted, if the model has one."""
        return self._optimizer or getattr(self.model(), "optimizer", None)

    def model(self) -> keras.Model:
        """Return the model while it lives."""
        model = self._model()
        if model is None:
            raise ModelError("The model was deleted while `fit` ran on it.")
        return model


class StepRecorder(Recorder):
    """Notes the steps in variables. The metrics that the user sees stay the same, bit for bit."""

    def __init__(
        self, model: keras.Model, optimizer: keras.optimizers.Optimizer | None, name: str
    ) -> None:
        super().__init__(model, optimizer, name)
        self._twins = Twins(name)
        self._overhears = False
        settings = {"trainable": False, "aggregation": "only_first_replica"}
        with _variable_scope(model):
            self._count = keras.Variable(0, dtype="int", name="steps", **settings)
            self._rows = keras.Variable(
                np.zeros((self.capacity, 2)), dtype=float_type(), name="rows", **settings
            )

    def attach(self, reader: Reader, fit: Any) -> None:
        """Let a reader have the steps of a `fit`, with the running means that the model has now."""
        super().attach(reader, fit)
        model = self.model()
        self._overhears = trains_as_keras(model) and _replicas(model) == 1
        if not self._overhears:
            with _variable_scope(model):
                self._twins.follow(model)

    @property
    def count(self) -> int:
        """The number of steps noted so far."""
        return int(ops.convert_to_numpy(self._count))

    def read(self, start: int) -> FloatArray:
        """Return learning rate and loss of the steps from number `start` on, shape (n, 2)."""
        steps = np.arange(start, self.count)
        if not len(steps):
            return np.empty((0, 2))
        return ops.convert_to_numpy(self._rows).astype(np.float64)[steps % self.capacity]

    def shadows(self) -> list[Shadow]:
        """Let the running means be followed where the step itself cannot overhear them.

        Several devices are traced in threads of their own, which would hear each other: what
        they do is exchanged here, before they start.
        """
        return [] if self._overhears else self._twins.told_too()

    def extend(self, step: Step) -> Step:
        """Return the step with the notes; on several devices, the mean of their losses."""

        def train_step(data: Any) -> Any:
            lr = _current_lr(self.optimizer())
            logs, loss = self._with_own_loss(step, data)
            self._note(lr, _mean_over_replicas(loss))
            return logs

        return train_step

    def _with_own_loss(self, step: Step, data: Any) -> tuple[Any, Any]:
        """Run a step; return what it reports, and the loss of its batch alone."""
        model = self.model()
        trackers = loss_trackers(model, self._name)
        if not (trackers and self._overhears):
            self._twins.begin()
            logs = step(data)
            return logs, self._twins.loss(model, logs)
        with overheard(trackers[0]) as told:
            logs = step(data)
        return logs, as_number(told[-1]) if told else reported(logs, self._name)

    def _note(self, lr: Any, loss: Any) -> None:
        row = ops.stack([lr, loss])
        count = ops.convert_to_tensor(self._count)
        place = count % self.capacity
        if _on_tensorflow() and _replicas(self.model()) == 1:
            _write_in_place(self._rows.value, place, row)
        else:
            place = ops.cast(place, "int32")
            self._rows.assign(ops.slice_update(self._rows, [place, 0], row[None]))
        with _after(row):
            self._count.assign(count + 1)


def _write_in_place(rows: Any, place: Any, row: Any) -> None:
    """Write one row of a variable of TensorFlow's: a step of a millisecond must wait for it."""
    import tensorflow as tf

    rows.scatter_update(tf.IndexedSlices(row, place))


def _after(value: Any) -> AbstractContextManager[Any]:
    """Let operations of a graph wait for a value, or else fail with it.

    Where the data end inside of a step, all that does not wait for them still runs.
    """
    if not _on_tensorflow():
        return nullcontext()
    import tensorflow as tf

    return tf.control_dependencies([value])


def _current_lr(optimizer: keras.optimizers.Optimizer | None) -> Any:
    lr = np.nan if optimizer is None else optimizer.learning_rate
    return ops.cast(ops.copy(ops.convert_to_tensor(lr)), float_type())


def _on_tensorflow() -> bool:
    return bool(keras.backend.backend() == "tensorflow")


def _variable_scope(model: keras.Model) -> AbstractContextManager[Any]:
    return model.distribute_strategy.scope() if _on_tensorflow() else nullcontext()


def _replicas(model: keras.Model) -> int:
    return int(model.distribute_strategy.num_replicas_in_sync) if _on_tensorflow() else 1


def _mean_over_replicas(loss: Any) -> Any:
    if not _on_tensorflow():
        return loss
    import tensorflow as tf

    replica = tf.distribute.get_replica_context()
    if replica is None or replica.num_replicas_in_sync == 1:
        return loss
    return replica.all_reduce(tf.distribute.ReduceOp.MEAN, loss)


_recorders: weakref.WeakKeyDictionary[keras.Model, list[Recorder]] = weakref.WeakKeyDictionary()


def recorder_of(
    model: keras.Model, optimizer: keras.optimizers.Optimizer | None, name: str
) -> Recorder:
    """Return the recorder of a model, one of an earlier `fit` if it has room for its steps.

    Args:
        model: A compiled model.
        optimizer: The one whose learning rate is meant; None where the model has but one.
        name: What the training step reports its loss as.

    Raises:
        ModelError: It is not clear which optimizer is meant, there is no other loss than "loss",
            or nothing can be added to the steps of this model.
    """
    if optimizer is not None or len(optimizers_of(model)) > 1:
        optimizer_of(model, optimizer)
    if name != "loss" and type(model).train_step is keras.Model.train_step:
        raise ModelError(
            f"`monitor` is for a model with a `train_step` of its own; got monitor={name!r}. "
            'That of Keras reports its loss as "loss".'
        )
    held = [None, *optimizers_of(model)]
    usable = [
        each
        for each in _recorders.get(model, [])
        if each.optimizer() in held and each.capacity >= 2 * int(model.steps_per_execution)
    ]
    for recorder in usable:
        if recorder.is_of(optimizer, name):
            return recorder
    new = _new_recorder(model, optimizer, name)
    _recorders[model] = [*usable, new]
    return new


def _new_recorder(
    model: keras.Model, optimizer: keras.optimizers.Optimizer | None, name: str
) -> Recorder:
    if keras.backend.backend() != "jax":
        return StepRecorder(model, optimizer, name)
    from lrwidget.core.jax_recorder import JaxRecorder

    return JaxRecorder(model, optimizer, name)
