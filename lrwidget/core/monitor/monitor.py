"""Monitor: learning rate and loss of every step of a `fit`; LRMonitor without its drawing."""

from typing import TYPE_CHECKING, Any
from warnings import warn

import keras
import numpy as np
from numpy.typing import NDArray

from lrwidget.core.curve.ladder import FloatArray
from lrwidget.core.model.restarted import ScheduleEnd
from lrwidget.core.model.train_step import RunningFit, add_to_step, take_from_step
from lrwidget.core.monitor.recorder import Recorder, recorder_of

if TYPE_CHECKING:
    import pandas as pd


class Monitor(keras.callbacks.Callback):
    """Records the learning rate and the true loss of every training step.

    What it records goes on from one `fit` to the next. The steps are noted inside of the
    compiled step and read now and then, so that a step costs next to nothing more.

    Args:
        optimizer: See LRMonitor.
        monitor: See LRMonitor.
        learning_rate: See LRMonitor.

    Attributes:
        validation: `val_loss` by the number of steps trained when it was measured.
    """

    def __init__(
        self,
        optimizer: keras.optimizers.Optimizer | None = None,
        monitor: str = "loss",
        learning_rate: Any = None,
    ) -> None:
        super().__init__()
        self._optimizer, self._loss_name = optimizer, monitor
        self._learning_rate = learning_rate
        self._recorder: Recorder | None = None
        self._fit = RunningFit()
        self._next = 0
        self._may_wait = 0
        self._group = 1
        self._epoch = 0
        self._epoch_start = 0
        self._history = _StepHistory({})
        self._parts: list[FloatArray] = []
        self._lr_parts: list[dict[str, FloatArray]] = []
        self._end: ScheduleEnd | None = None
        self._epoch_parts: list[NDArray[np.int64]] = []
        self.validation: dict[int, float] = {}

    @property
    def lrs(self) -> FloatArray:
        """Learning rates, shape (steps,), whatever moved them."""
        return self.rows()[:, 0]

    @property
    def lrs_by_optimizer(self) -> dict[str, FloatArray]:
        """Learning rates by the optimizer's name, each of shape (steps,), NaN where not recorded.

        A MultiOptimizer has several; `lrs` are those of its default one.
        """
        self.collect()
        names = dict.fromkeys(name for part in self._lr_parts for name in part)
        missing = [np.full(len(part), np.nan) for part in self._parts]
        return {
            name: np.concatenate(
                [part.get(name, gap) for part, gap in zip(self._lr_parts, missing, strict=True)]
            )
            for name in names
        }

    @property
    def losses(self) -> FloatArray:
        """The loss of each batch alone, shape (steps,), sample weights and penalties included."""
        return self.rows()[:, 1]

    @property
    def epochs(self) -> NDArray[np.int64]:
        """The 0-based epoch of each step as `fit` numbers it, shape (steps,)."""
        self.collect()
        return np.concatenate([np.empty(0, np.int64), *self._epoch_parts])

    def to_frame(self) -> "pd.DataFrame":
        """Return a pandas DataFrame with one row for each training step.

        Columns: `step` (0-based, over every `fit` recorded), `epoch`, `lr` and `loss`; with
        several optimizers in one, `lr_` and its name for each; with validation,
        `validation_loss` on the last step before it was measured, else NaN.

        Raises:
            ImportError: pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise ImportError("`LRMonitor.to_frame` needs pandas: pip install pandas") from error
        rows = self.rows()
        columns = {
            "step": np.arange(len(rows)),
            "epoch": self.epochs,
            "lr": rows[:, 0],
            "loss": rows[:, 1],
        }
        by_optimizer = self.lrs_by_optimizer
        if len(by_optimizer) > 1:
            columns |= {f"lr_{name}": lrs for name, lrs in by_optimizer.items()}
        if self.validation:
            measured = np.full(len(rows), np.nan)
            measured[np.array(list(self.validation)) - 1] = list(self.validation.values())
            columns["validation_loss"] = measured
        return pd.DataFrame(columns)

    def collect(self) -> int:
        """Read the steps noted since the last time; return how many there are in all."""
        if self._recorder is not None:
            rows = self._recorder.read(self._next)
            if len(rows):
                self._next += len(rows)
                self._parts.append(rows[:, :2])
                self._lr_parts.append(_by_name(self._recorder.rates, rows))
                self._epoch_parts.append(np.full(len(rows), self._epoch))
            self._may_wait = self._recorder.capacity
        return sum(map(len, self._parts))

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        """Let the steps of this `fit` be noted."""
        self.detach()
        recorder = recorder_of(self.model, self._optimizer, self._loss_name, self._learning_rate)
        self._end = ScheduleEnd.ahead_of(recorder.rates, self.collect())
        recorder.attach(self, self.model.history)
        self._recorder, self._next, self._may_wait = recorder, recorder.count, recorder.capacity
        self._group = self.model.steps_per_execution
        self._history = _StepHistory(self.model.history.history)
        self._fit = add_to_step(self.model, self._recorder)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        """Remember which epoch the next steps belong to."""
        self._epoch, self._epoch_start = epoch, len(self._parts)
        self._history.enter()

    # Not at the end of a batch: Keras would then wait for every step before starting the next.
    # Nor a look at `self.model`, for which Keras on JAX brings its state up to date.
    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        """Let the steps that begin now be noted, and read earlier ones while there is room."""
        if self._may_wait < self._group:
            self.collect()
        self._may_wait -= self._group
        self._fit.announce_step()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        """Read what is left, and put the learning rate of the last step into the history."""
        steps = self.collect()
        self._history.finish(_joined(self._parts[self._epoch_start :]))
        if self._end is not None and self._end.is_passed(steps):
            warn(self._end.message(float(self._parts[-1][-1, 0])), stacklevel=2)
            self._end = None
        if logs is None or not steps:
            return
        logs.setdefault("learning_rate", float(self._parts[-1][-1, 0]))
        if "val_loss" in logs:
            self.validation[steps] = float(logs["val_loss"])

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        """Let the next `fit` run as if there had been no monitor."""
        if self._recorder is not None:
            take_from_step(self.model, self._recorder)
        self.detach()
        self._history.enter()

    def detach(self) -> None:
        """Read what there is; steps of a later `fit` belong to whoever watches that one."""
        self.collect()
        self._recorder = None

    def rows(self) -> FloatArray:
        """Return learning rate and loss of each step, shape (steps, 2)."""
        self.collect()
        return _joined(self._parts)


class _StepHistory:
    """The steps of one `fit` on their way into its history.

    They go past `logs`, whose other readers know numbers only. An epoch enters when it is over
    for everybody: until the next one begins, Keras' History may not have entered it yet, or
    never does, because another callback raises. So all lists in it keep one length.

    Args:
        history: The dict of the History, with earlier calls of `fit` where the user shares it.
    """

    def __init__(self, history: dict[str, list[Any]]) -> None:
        self._history = history
        self._before = len(history.get("step_lr", []))
        self._finished: list[list[list[float]]] = []

    def finish(self, rows: FloatArray) -> None:
        """Remember learning rate and loss of an epoch's steps as plain numbers, fit for JSON."""
        self._finished.append(rows.T.tolist())

    def enter(self) -> None:
        """Put the epochs remembered into the history."""
        for column, name in enumerate(("step_lr", "step_loss") if self._finished else ()):
            epochs = self._history.setdefault(name, [])
            epochs[self._before :] = [columns[column] for columns in self._finished]


def _by_name(rates: list[Any], rows: FloatArray) -> dict[str, FloatArray]:
    """Return the learning rates among recorded rows by name; the loss is in the second column."""
    columns = [0, *range(2, rows.shape[1])]
    names: list[str] = []
    for rate in rates:
        same = sum(rate.name == other.name for other in rates[: len(names)])
        names.append(f"{rate.name}_{same + 1}" if same else rate.name)
    return {name: rows[:, column] for name, column in zip(names, columns, strict=False)}


def _joined(parts: list[FloatArray]) -> FloatArray:
    return np.concatenate([np.empty((0, 2)), *parts])
