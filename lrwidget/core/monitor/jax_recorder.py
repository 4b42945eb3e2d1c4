"""JaxRecorder: what StepRecorder is on other backends, where a training step is a pure function.

There is no variable that a compiled step of JAX could write to: it is given all state and gives
it back. So the note of a step leaves beside its logs, and is taken off as soon as the compiled
step is left, before Keras, its callbacks or the next of several steps a call see them.
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
from lrwidget.core.model.train_step import Shadow, Step, Wrapped
from lrwidget.core.monitor.own_loss import (
    as_number,
    loss_trackers,
    means_of_other_names,
    overheard,
    reported,
    told_or_reported,
    trains_as_keras,
)
from lrwidget.core.monitor.recorder import Recorder, current_lrs
from lrwidget.errors import ModelError

State = Any  # trainable, non-trainable, optimizer and metrics variables: four lists of arrays


class JaxRecorder(Recorder):
    """Keeps the notes that leave the compiled step, on the device until they are read.

    The metrics that the user sees are the same as without it: bit for bit where a step updates
    its loss once.

    Raises:
        ModelError: Keras does not let anything be added to its steps.
    """

    def __init__(self, model: keras.Model, rates: list[Any], name: str) -> None:
        _check(model, rates)
        super().__init__(model, rates, name)
        self._rows: deque[Any] = deque(maxlen=self.capacity)
        self._count = 0

    @property
    def count(self) -> int:
        """The number of steps noted so far."""
        return self._count

    def read(self, start: int) -> FloatArray:
        """Return what was noted of the steps from number `start` on, shape (n, width)."""
        known = len(self._rows)
        rows = list(islice(self._rows, max(0, known - (self._count - start)), known))
        return np.array([np.asarray(row) for row in rows], dtype=np.float64).reshape(-1, self.width)

    def extend(self, step: Step) -> Step:
        """Return the step with its note beside its logs."""

        def train_step(state: State, data: Any) -> tuple[Any, State]:
            model = self.model()
            with _state_of(model, state):
                lrs = current_lrs(self.rates)
            logs, state, loss = _with_own_loss(model, self._name, step, state, data)
            return (logs, ops.stack([lrs[0], loss, *lrs[1:]])), state

        return train_step

    def shadows(self) -> list[Shadow]:
        """Let Keras, which makes its train function of the compiled step, see no notes."""

        def wrap(make_function: Step) -> Step:
            def make_noting(step: Step, *args: Any, **kwargs: Any) -> Step:
                return make_function(self._noting(step), *args, **kwargs)

            return make_noting

        return [Wrapped(self.model(), "_make_function", wrap)]

    def _noting(self, step: Step) -> Step:
        def noting(state: State, data: Any) -> tuple[Any, State]:
            (logs, row), state = step(state, data)
            self._rows.append(row)
            self._count += 1
            return logs, state

        return noting


def _check(model: keras.Model, rates: list[Any]) -> None:
    known = [*family_of(model.optimizer), *model.variables, *model.optimizer.variables]
    strangers = [rate for rate in rates if not any(rate is each for each in known)]
    if strangers:
        raise ModelError(
            "On the JAX backend a training step knows `model.optimizer` and the model's variables "
            f"only; got {[each.name for each in strangers]}, another one."
        )
    if getattr(keras.config, "is_nnx_enabled", bool)():
        raise ModelError(
            "LRMonitor cannot look into a step of Keras' NNX mode. Start Python with the "
            "environment variable KERAS_NNX_ENABLED=false."
        )
    if not hasattr(model, "_make_function"):
        raise ModelError(
            "LRMonitor on the JAX backend needs Keras 3.8 or newer; this is "
            f"{keras.__version__}. pip install --upgrade keras"
        )


def _state_of(model: keras.Model, state: list[Any]) -> keras.StatelessScope:
    """Let variables have the values that a compiled step is given."""
    kinds = (model.trainable_variables, model.non_trainable_variables, model.optimizer.variables)
    pairs = [zip(each, values, strict=True) for each, values in zip(kinds, state, strict=False)]
    return keras.StatelessScope([pair for each in pairs for pair in each])


def _with_own_loss(
    model: keras.Model, name: str, step: Step, state: State, data: Any
) -> tuple[Any, State, Any]:
    """Run a step; return what it reports, its new state, and the loss of its batch alone."""
    trackers = loss_trackers(model, name)
    if not (trackers and trains_as_keras(model)):
        return _with_measured_loss(model, name, step, state, data)
    with overheard(trackers[0]) as told:
        logs, state = step(state, data)
    return logs, state, as_number(told[-1]) if told else reported(_without_notes(logs), name)


def _with_measured_loss(
    model: keras.Model, name: str, step: Step, state: State, data: Any
) -> tuple[Any, State, Any]:
    """Let the running means begin at this step, and add what was before afterwards.

    What they are told may be out of reach, in an inner trace such as that of a gradient; the
    state is what comes out of it.
    """
    *rest, before = state
    named = _places_of_sums(model, loss_trackers(model, name))
    others = _places_of_sums(model, means_of_other_names(model, name))
    sums = [*named, *others]
    ours = {place for _, *places in sums for place in places}
    anew = [ops.zeros_like(value) if k in ours else value for k, value in enumerate(before)]
    with ExitStack() as stack:
        for tracker, total, count in sums:
            stack.enter_context(_reporting_all(tracker, before[total], before[count]))
        logs, (*rest, after) = step((*rest, anew), data)
        told_by_others = [
            (_result(tracker, after[total], after[count]), (after[total], after[count]))
            for tracker, total, count in others
        ]
    added = [before[k] + value if k in ours else value for k, value in enumerate(after)]
    loss = told_or_reported(
        [(after[total], after[count]) for _, total, count in named],
        told_by_others,
        reported(_without_notes(logs), name),
    )
    return logs, (*rest, added), loss


def _without_notes(logs: Any) -> Any:
    """Return the logs of a step without what other recorders noted beside them."""
    while isinstance(logs, tuple):
        logs, _ = logs
    return logs


def _places_of_sums(
    model: keras.Model, means: list[keras.metrics.Mean]
) -> list[tuple[keras.metrics.Mean, int, int]]:
    """Return each running mean, and where its total and its count are in the state."""
    place = {id(variable): k for k, variable in enumerate(model.metrics_variables)}
    return [(each, place[id(each.total)], place[id(each.count)]) for each in means]


def _result(
    tracker: keras.metrics.Mean, total: Any, count: Any, result: Callable[[], Any] | None = None
) -> Any:
    """Return what a running mean reports with these sums."""
    with keras.StatelessScope([(tracker.total, total), (tracker.count, count)]):
        return (result or tracker.result)()


@contextmanager
def _reporting_all(tracker: keras.metrics.Mean, total: Any, count: Any) -> Iterator[None]:
    """Let a running mean that begins anew report the mean of what was before, too."""
    own_result = tracker.result

    def result() -> Any:
        return _result(tracker, total + tracker.total, count + tracker.count, own_result)

    with Shadow(tracker, "result", result):
        yield
