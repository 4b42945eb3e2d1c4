"""StepRecorder: the learning rate and the loss of every training step, noted inside the step."""

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
from lrwidget.core.model.learning_rate import optimizer_of, optimizers_of
from lrwidget.core.model.train_step import Addition, Shadow, Step
from lrwidget.core.monitor.own_loss import (
    Twins,
    as_number,
    loss_trackers,
    overheard,
    reported,
    trains_as_keras,
)
from lrwidget.core.schedules.one_cycle import float_type
from lrwidget.errors import ConfigError, ModelError

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
        rates: What is noted: the learning rates of optimizers, or variables; it may be empty.
        name: What the step reports its loss as.

    Attributes:
        checks_use: Whether a step is refused that uses none of the rates.
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
        """Return what was noted of the steps from number `start` on, shape (n, width).

        Columns: learning rate, loss, then the learning rates of further optimizers. At most
        `capacity` steps are kept.
        """

    def is_of(self, rates: list[Any], name: str) -> bool:
        """Say whether just these learning rates and the loss of this name are noted."""
        same = len(rates) == len(self.rates)
        same = same and all(a is b for a, b in zip(rates, self.rates, strict=True))
        return same and self._name == name

    def model(self) -> keras.Model:
        """Return the model while it lives."""
        model = self._model()
        if model is None:
            raise ModelError("The model was deleted while `fit` ran on it.")
        return model


class StepRecorder(Recorder):
    """Notes the steps in variables. The metrics that the user sees stay the same, bit for bit."""

    def __init__(self, model: keras.Model, rates: list[Any], name: str) -> None:
        super().__init__(model, rates, name)
        self._twins = Twins(name)
        self._overhears = False
        settings = {"trainable": False, "aggregation": "only_first_replica"}
        with _variable_scope(model):
            self._count = keras.Variable(0, dtype="int", name="steps", **settings)
            self._rows = keras.Variable(
                np.zeros((self.capacity, self.width)), dtype=float_type(), name="rows", **settings
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
        """Return what was noted of the steps from number `start` on, shape (n, width)."""
        steps = np.arange(start, self.count)
        if not len(steps):
            return np.empty((0, self.width))
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
            lrs = current_lrs(self.rates)
            is_used = self._watch()
            logs, loss = self._with_own_loss(step, data)
            if not is_used():
                raise not_used(self.rates)
            self._note(lrs, _mean_over_replicas(loss))
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

    def _watch(self) -> Callable[[], bool]:
        """Return what says later whether the part of the graph made until then uses the rates."""
        if not (
            self.checks_use and _on_tensorflow() and self.rates and _replicas(self.model()) == 1
        ):
            return lambda: True
        from lrwidget.core.model.graph_use import uses_since_now

        return uses_since_now(self.rates)

    def _note(self, lrs: list[Any], loss: Any) -> None:
        row = ops.stack([lrs[0], loss, *lrs[1:]])
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


def current_lrs(rates: list[Any]) -> list[Any]:
    """Return the learning rates of optimizers, or those in variables, as they are now."""
    values = [getattr(rate, "learning_rate", rate) for rate in rates] or [np.nan]
    return [ops.cast(ops.copy(ops.convert_to_tensor(each)), float_type()) for each in values]


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
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer | None,
    name: str,
    learning_rate: Any = None,
) -> Recorder:
    """Return the recorder of a model, one of an earlier `fit` if it has room for its steps.

    Args:
        model: A compiled model.
        optimizer: The one whose learning rate is meant; None where the model has but one.
        name: What the training step reports its loss as.
        learning_rate: In place of an optimizer: the variable that the step reads, or a function
            that sets one.

    Raises:
        ModelError: It is not clear which optimizer is meant, there is no other loss than "loss",
            or nothing can be added to the steps of this model.
        ConfigError: A `learning_rate` that cannot be recorded.
    """
    rates = _recorded_rates(model, optimizer, learning_rate)
    if name != "loss" and type(model).train_step is keras.Model.train_step:
        raise ModelError(
            f"`monitor` is for a model with a `train_step` of its own; got monitor={name!r}. "
            'That of Keras reports its loss as "loss".'
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
    # Whoever chooses an optimizer may also watch one that does not train.
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
        return []  # it makes them only with the first step
    return training_members(model, head)


def _new_recorder(model: keras.Model, rates: list[Any], name: str) -> Recorder:
    if keras.backend.backend() != "jax":
        return StepRecorder(model, rates, name)
    from lrwidget.core.monitor.jax_recorder import JaxRecorder

    return JaxRecorder(model, rates, name)


def not_used(rates: list[Any]) -> ModelError:
    """Return the error where a training step uses none of some learning rates."""
    return ModelError(
        f"The training step does not use the learning rate of {[each.name for each in rates]}. "
        "Pass `optimizer=` with the optimizer that trains, or `learning_rate=` with the "
        "keras.Variable that the step reads."
    )
