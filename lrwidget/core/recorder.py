"""StepRecorder: the learning rate and the loss of every training step, noted inside the step.

What `fit` reports as the loss is the running mean of the epoch. The differences of such means
lose the loss of a late batch in the digits of all before it, so each batch is measured alone.
"""

import weakref
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, Protocol

import keras
import numpy as np
from keras import ops

from lrwidget.core.ladder import FloatArray
from lrwidget.core.schedules import float_type
from lrwidget.core.train_step import Addition, Step, shadowed
from lrwidget.errors import ModelError

CAPACITY = 256
"""Steps that are kept until they have to be read; reading after every one would be slow."""


class Reader(Protocol):
    """Whoever reads the steps of a `fit`."""

    def detach(self) -> None:
        """Read what there is; what comes then belongs to others."""


class StepRecorder(Addition):
    """Adds to a model's training step that it notes its learning rate and its own loss.

    The metrics that the user sees are the same as without it: bit for bit where a step updates
    its loss once.

    Args:
        model: A compiled model; held weakly, so that a cache does not keep it alive.
    """

    def __init__(self, model: keras.Model) -> None:
        self._model = weakref.ref(model)
        self._fit: Callable[[], Any] = lambda: None
        self._readers: weakref.WeakSet[Reader] = weakref.WeakSet()
        self.capacity = max(CAPACITY, 2 * int(model.steps_per_execution))
        settings = {"trainable": False, "aggregation": "only_first_replica"}
        with model.distribute_strategy.scope() if _on_tensorflow() else nullcontext():
            self._count = keras.Variable(0, dtype="int", name="steps", **settings)
            self._rows = keras.Variable(
                np.zeros((self.capacity, 2)), dtype=float_type(), name="rows", **settings
            )

    def attach(self, reader: "Reader", fit: Any) -> None:
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
    def count(self) -> int:
        """The number of steps noted so far."""
        return int(ops.convert_to_numpy(self._count))

    def read(self, start: int) -> FloatArray:
        """Return learning rate and loss of the steps from number `start` on, shape (n, 2).

        At most `capacity` steps are kept.
        """
        rows = ops.convert_to_numpy(self._rows).astype(np.float64)
        return rows[np.arange(start, self.count) % self.capacity]

    def extend(self, step: Step) -> Step:
        """Return the step with the notes; on several devices, the mean of their losses."""

        def train_step(data: Any) -> Any:
            model = self._model()
            if model is None:
                raise ModelError("The model was deleted while `fit` ran on it.")
            lr = _current_lr(model)
            logs, loss = _with_own_loss(model, step, data)
            self._note(lr, _mean_over_replicas(loss))
            return logs

        return train_step

    def _note(self, lr: Any, loss: Any) -> None:
        row = ops.stack([lr, loss])
        place = self._count % self.capacity
        if _on_tensorflow() and _replicas() == 1:
            # In place: this is all that a step of a millisecond must wait for.
            self._rows.value.scatter_nd_update([[place]], [row])
        else:
            place = ops.cast(place, "int32")
            self._rows.assign(ops.slice_update(self._rows, [place, 0], row[None]))
        self._count.assign_add(1)


def _with_own_loss(model: keras.Model, step: Step, data: Any) -> tuple[Any, Any]:
    """Run a step; return what it reports, and the loss of its batch alone."""
    tracker = _loss_tracker(model)
    if tracker is None:
        logs = step(data)
        reported = logs.get("loss", np.nan) if isinstance(logs, dict) else np.nan
        return logs, ops.mean(ops.cast(reported, float_type()))
    # Several devices are traced in threads of their own, which would hear each other.
    alone = not _on_tensorflow() or _replicas() == 1
    if alone and type(model).train_step is keras.Model.train_step:
        return _with_reported_loss(tracker, step, data)
    return _with_measured_loss(tracker, step, data)


def _with_reported_loss(tracker: keras.metrics.Mean, step: Step, data: Any) -> tuple[Any, Any]:
    """Listen to what the step tells the running mean: Keras' own step does it once."""
    told: list[Any] = []
    own_update = tracker.update_state

    def update_state(loss: Any, sample_weight: Any = None) -> Any:
        told.append(loss)
        return own_update(loss, sample_weight=sample_weight)

    with shadowed(tracker, "update_state", update_state):
        logs = step(data)
    return logs, ops.cast(told[-1], float_type())


def _with_measured_loss(tracker: keras.metrics.Mean, step: Step, data: Any) -> tuple[Any, Any]:
    """Let the running mean start at this step, and add what was before afterwards."""
    sums = (tracker.total, tracker.count)
    before = [ops.copy(value) for value in sums]
    for value in sums:
        value.assign(ops.zeros_like(value))
    logs = step(data)
    loss = ops.cast(tracker.result(), float_type())
    for value, earlier in zip(sums, before, strict=True):
        value.assign(earlier + value)
    if isinstance(logs, dict) and "loss" in logs:
        logs = {**logs, "loss": tracker.result()}
    return logs, loss


def _loss_tracker(model: keras.Model) -> keras.metrics.Mean | None:
    """Return the metric that is a model's running mean loss, its own train step's as well."""
    means = [metric for metric in model.metrics if isinstance(metric, keras.metrics.Mean)]
    return next((metric for metric in means if metric.name == "loss"), None)


def _current_lr(model: keras.Model) -> Any:
    optimizer = getattr(model, "optimizer", None)
    lr = np.nan if optimizer is None else optimizer.learning_rate
    return ops.cast(ops.copy(ops.convert_to_tensor(lr)), float_type())


def _on_tensorflow() -> bool:
    return bool(keras.backend.backend() == "tensorflow")


def _replicas() -> int:
    import tensorflow as tf

    replica = tf.distribute.get_replica_context()
    return 1 if replica is None else int(replica.num_replicas_in_sync)


def _mean_over_replicas(loss: Any) -> Any:
    if not _on_tensorflow() or _replicas() == 1:
        return loss
    import tensorflow as tf

    replica = tf.distribute.get_replica_context()
    return replica.all_reduce(tf.distribute.ReduceOp.MEAN, loss)


_recorders: weakref.WeakKeyDictionary[keras.Model, StepRecorder] = weakref.WeakKeyDictionary()


def recorder_of(model: keras.Model) -> StepRecorder:
    """Return the recorder of a model, the one of its last `fit` if it has room for its steps.

    Raises:
        ModelError: The backend keeps its state out of reach while `fit` runs.
    """
    if keras.backend.backend() == "jax":
        raise ModelError(
            "LRMonitor cannot look into a step of the JAX backend. Use TensorFlow or PyTorch."
        )
    known = _recorders.get(model)
    if known is None or known.capacity < 2 * int(model.steps_per_execution):
        known = StepRecorder(model)
        _recorders[model] = known
    return known
