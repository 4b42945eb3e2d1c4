"""JaxRecorder: the recorder for JAX, where a training step is a pure function.

A compiled JAX step cannot write to a variable: it receives all state and returns it. So each step
returns its recorded values beside its logs. They are removed right after the compiled step,
before Keras, its callbacks or the next step of the same call see them.
"""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice
from typing import Any

import keras
import numpy as np
from keras import ops

from lrwidget.core.curve.ladder import FloatArray
from lrwidget.core.model.families import family_of
from lrwidget.core.model.host import MAKE_FUNCTION
from lrwidget.core.model.train_step import AttributeOverride, Step, WrappedAttribute
from lrwidget.core.monitor.own_loss import (
    as_number,
    captured_updates,
    loss_trackers,
    means_of_other_names,
    per_step_loss,
    reported,
    trains_as_keras,
)
from lrwidget.core.monitor.recorder import Recorder, current_lrs
from lrwidget.errors import ModelError

State = Any  # trainable, non-trainable, optimizer and metrics variables: four lists of arrays


class JaxRecorder(Recorder):
    """Keeps the values that the compiled step returns on the device until they are read.

    The user's metrics have the same values as without it, and exactly the same if a step updates
    its loss once.

    Raises:
        ModelError: The steps of this model, or of this version of Keras, cannot be extended.
    """

    def __init__(self, model: keras.Model, rates: list[Any], name: str) -> None:
        _check(model, rates)
        super().__init__(model, rates, name)
        self._rows: deque[Any] = deque(maxlen=self.capacity)
        self._count = 0

    @property
    def count(self) -> int:
        """The number of steps recorded so far."""
        return self._count

    def read(self, start: int) -> FloatArray:
        """Return the recorded rows from step number `start` on, shape (n, width)."""
        known = len(self._rows)
        rows = list(islice(self._rows, max(0, known - (self._count - start)), known))
        return np.array([np.asarray(row) for row in rows], dtype=np.float64).reshape(-1, self.width)

    def extend(self, step: Step) -> Step:
        """Return the step that also returns its recorded values, beside its logs."""

        def train_step(state: State, data: Any) -> tuple[Any, State]:
            model = self.model()
            with _state_of(model, state):
                lrs = current_lrs(self.rates)
            logs, state, loss = _with_own_loss(model, self._name, step, state, data)
            return (logs, ops.stack([lrs[0], loss, *lrs[1:]])), state

        return train_step

    def overrides(self) -> list[AttributeOverride]:
        """Strip the recorded values before Keras sees the step's output."""

        def wrap(make_function: Step) -> Step:
            def make_recording(step: Step, *args: Any, **kwargs: Any) -> Step:
                return make_function(self._recording(step), *args, **kwargs)

            return make_recording

        return [WrappedAttribute(self.model(), MAKE_FUNCTION, wrap)]

    def _recording(self, step: Step) -> Step:
        def recording(state: State, data: Any) -> tuple[Any, State]:
            (logs, row), state = step(state, data)
            self._rows.append(row)
            self._count += 1
            return logs, state

        return recording


def _check(model: keras.Model, rates: list[Any]) -> None:
    known = [*family_of(model.optimizer), *model.variables, *model.optimizer.variables]
    strangers = [rate for rate in rates if not any(rate is each for each in known)]
    if strangers:
        raise ModelError(
            "On the JAX backend a training step knows `model.optimizer` and the model's variables "
            f"only; got {[each.name for each in strangers]}. Pass one of these."
        )
    if getattr(keras.config, "is_nnx_enabled", bool)():
        raise ModelError(
            "LRMonitor cannot record the steps of Keras' NNX mode. Start Python with the "
            "environment variable KERAS_NNX_ENABLED=false."
        )
    if not hasattr(model, MAKE_FUNCTION):
        raise ModelError(
            "LRMonitor on the JAX backend needs Keras 3.8 or newer; this is "
            f"{keras.__version__}. pip install --upgrade keras"
        )


def _state_of(model: keras.Model, state: list[Any]) -> keras.StatelessScope:
    """Return a scope in which the variables have the values passed to the compiled step."""
    kinds = (model.trainable_variables, model.non_trainable_variables, model.optimizer.variables)
    pairs = [zip(each, values, strict=True) for each, values in zip(kinds, state, strict=False)]
    return keras.StatelessScope([pair for each in pairs for pair in each])


def _with_own_loss(
    model: keras.Model, name: str, step: Step, state: State, data: Any
) -> tuple[Any, State, Any]:
    """Run a step; return its logs, its new state, and the loss of its batch alone."""
    trackers = loss_trackers(model, name)
    if not (trackers and trains_as_keras(model)):
        return _with_measured_loss(model, name, step, state, data)
    with captured_updates(trackers[0]) as updates:
        logs, state = step(state, data)
    loss = as_number(updates[-1]) if updates else reported(_plain_logs(logs), name)
    return logs, state, loss


def _with_measured_loss(
    model: keras.Model, name: str, step: Step, state: State, data: Any
) -> tuple[Any, State, Any]:
    """Run a step with running means of zero, and add their earlier sums afterwards.

    Their updates may happen in an inner trace, such as that of a gradient, where they cannot be
    captured. The state that the step returns contains their sums in any case.
    """
    *rest, before = state
    named = _places_of_sums(model, loss_trackers(model, name))
    others = _places_of_sums(model, means_of_other_names(model, name))
    sums = [*named, *others]
    ours = {place for _, *places in sums for place in places}
    zeroed = [ops.zeros_like(value) if k in ours else value for k, value in enumerate(before)]
    with ExitStack() as stack:
        for tracker, total, count in sums:
            stack.enter_context(_reporting_all(tracker, before[total], before[count]))
        logs, (*rest, after) = step((*rest, zeroed), data)
        other_means = [
            (_result(tracker, after[total], after[count]), (after[total], after[count]))
            for tracker, total, count in others
        ]
    added = [before[k] + value if k in ours else value for k, value in enumerate(after)]
    loss = per_step_loss(
        [(after[total], after[count]) for _, total, count in named],
        other_means,
        reported(_plain_logs(logs), name),
    )
    return logs, (*rest, added), loss


def _plain_logs(logs: Any) -> Any:
    """Return the logs of a step without the values of other recorders beside them."""
    while isinstance(logs, tuple):
        logs, _ = logs
    return logs


def _places_of_sums(
    model: keras.Model, means: list[keras.metrics.Mean]
) -> list[tuple[keras.metrics.Mean, int, int]]:
    """Return each running mean with the positions of its total and its count in the state."""
    place = {id(variable): k for k, variable in enumerate(model.metrics_variables)}
    return [(each, place[id(each.total)], place[id(each.count)]) for each in means]


def _result(
    tracker: keras.metrics.Mean, total: Any, count: Any, result: Callable[[], Any] | None = None
) -> Any:
    """Return the value that a running mean reports for these sums."""
    with keras.StatelessScope([(tracker.total, total), (tracker.count, count)]):
        return (result or tracker.result)()


@contextmanager
def _reporting_all(tracker: keras.metrics.Mean, total: Any, count: Any) -> Iterator[None]:
    """Make a running mean that was set to zero report the mean including its earlier sums."""
    own_result = tracker.result

    def result() -> Any:
        return _result(tracker, total + tracker.total, count + tracker.count, own_result)

    with AttributeOverride(tracker, "result", result):
        yield
