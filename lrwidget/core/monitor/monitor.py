"""Monitor: learning rate and loss of every step of a `fit`; the base of LRMonitor, without UI."""

from os import PathLike
from typing import TYPE_CHECKING, Any
from warnings import warn

import keras
import numpy as np
from numpy.typing import NDArray

from lrwidget.core.curve.drawing import png_of
from lrwidget.core.curve.ladder import FloatArray, format_lr
from lrwidget.core.event_file import checked_log_dir
from lrwidget.core.frames import pandas_for
from lrwidget.core.model.fit_guard import check_not_in_use
from lrwidget.core.model.train_step import RunningFit, add_to_step, remove_from_step
from lrwidget.core.monitor.recorder import Recorder, recorder_of
from lrwidget.core.monitor.schedule_end import ScheduleEnd
from lrwidget.core.monitor.step_log import StepLog

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


class Monitor(keras.callbacks.Callback):
    """Records the learning rate and the true loss of every training step.

    Several calls of `fit` form one recording. Steps are recorded inside the compiled step and
    read from time to time, so that a step takes hardly longer.

    Args:
        optimizer: See LRMonitor.
        monitor: See LRMonitor.
        learning_rate: See LRMonitor.
        log_dir: See LRMonitor.

    Attributes:
        validation: `val_loss` by the number of steps trained when it was measured.
    """

    def __init__(
        self,
        optimizer: keras.optimizers.Optimizer | None = None,
        monitor: str = "loss",
        learning_rate: Any = None,
        log_dir: str | PathLike[str] | None = None,
    ) -> None:
        super().__init__()
        folder = None if log_dir is None else checked_log_dir(log_dir, "LRMonitor")
        self._log = None if folder is None else StepLog(folder)
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

    def __repr__(self) -> str:
        rows = self.rows()
        if not len(rows):
            return f"{type(self).__name__}(no steps yet)"
        lr, loss = rows[-1]
        name = type(self).__name__
        return f"{name}({len(rows)} steps, last learning rate {format_lr(lr)}, loss {loss:.4g})"

    def _repr_png_(self) -> bytes | None:
        """Return the plot, which a notebook shows."""
        return png_of(self.plot) if len(self.rows()) else None

    @property
    def lrs(self) -> FloatArray:
        """Learning rates in use at each step, shape (steps,)."""
        return self.rows()[:, 0]

    @property
    def lrs_by_optimizer(self) -> dict[str, FloatArray]:
        """Learning rates by the optimizer's name, each of shape (steps,), NaN where not recorded.

        A MultiOptimizer has several; `lrs` holds those of its default optimizer.
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
        a MultiOptimizer, also `lr_<name>` for each of its optimizers; with validation, also
        `validation_loss`, in the row of the last step before it was measured, NaN elsewhere.

        Raises:
            MissingPackageError: pandas is not installed.
        """
        pandas = pandas_for("LRMonitor.to_frame")
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
        return pandas.DataFrame(columns)

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw loss and learning rate over the training steps with matplotlib.

        The loss of each step is pale, the smoothed loss is bold, and each validation loss is a
        diamond at the step after which it was measured. The learning rate has its own axis on the
        right. `lrwidget.plot_monitors` draws several trainings in one figure.

        Args:
            ax: The axes to draw on; None makes a new figure.

        Returns:
            The axes of the loss.

        Raises:
            ConfigError: `ax` is not matplotlib axes.
            MissingPackageError: matplotlib is not installed.
        """
        from lrwidget.core.monitor.monitor_drawing import draw_monitor

        return draw_monitor(ax, self)

    def collect(self) -> int:
        """Read the steps recorded since the last call; return the total number of steps."""
        if self._recorder is not None:
            rows = self._recorder.read(self._next)
            if len(rows):
                first = sum(map(len, self._parts))
                self._next += len(rows)
                self._parts.append(rows[:, :2])
                self._lr_parts.append(_by_name(self._recorder.rates, rows))
                self._epoch_parts.append(np.full(len(rows), self._epoch))
                if self._log is not None:
                    self._log.add(first, self._parts[-1], self._lr_parts[-1])
            self._may_wait = self._recorder.capacity
        return sum(map(len, self._parts))

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        """Start recording the steps of this `fit`.

        Raises:
            LRWidgetError: The monitor is in use by another running `fit`, or twice in this one.
            ConfigError: `log_dir` cannot be written.
        """
        check_not_in_use(self)
        self.detach()
        model = self.model
        recorder = recorder_of(model, self._optimizer, self._loss_name, self._learning_rate)
        self._end = ScheduleEnd.ahead_of(recorder.rates, self.collect())
        if self._log is not None:
            self._log.begin()
        recorder.attach(self, model.history)
        self._recorder, self._next, self._may_wait = recorder, recorder.count, recorder.capacity
        self._group = model.steps_per_execution
        self._history = _StepHistory(model.history.history)
        self._fit = add_to_step(model, self._recorder)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        """Remember which epoch the next steps belong to."""
        self._epoch, self._epoch_start = epoch, len(self._parts)
        self._history.enter()

    # With `on_train_batch_end`, Keras would wait for every step before it starts the next one.
    # Reading `self.model` would make Keras on JAX update the variables at every step.
    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        """Announce the next steps, and read earlier ones before the recorder is full."""
        if self._may_wait < self._group:
            self.collect()
        self._may_wait -= self._group
        self._fit.expect_step()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        """Read the remaining steps, and add the learning rate of the last one to the logs."""
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
            if self._log is not None:
                self._log.add_validation(steps - 1, self.validation[steps])

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        """Remove the recorder from the model's training step."""
        if self._recorder is not None:
            remove_from_step(self._recorder.model(), self._recorder)
        self.detach()
        self._history.enter()
        if self._log is not None and self._parts:
            self._log.end(self.collect() - 1, self.plot)

    def detach(self) -> None:
        """Read the steps recorded so far and stop listening."""
        self.collect()
        self._recorder = None

    def rows(self) -> FloatArray:
        """Return learning rate and loss of each step, shape (steps, 2)."""
        self.collect()
        return _joined(self._parts)


class _StepHistory:
    """Writes the steps of one `fit` into its history.

    They cannot pass through `logs`, where other callbacks expect numbers only. An epoch is
    written when the next one begins: before that, Keras' History may not have written it yet, or
    never does, because another callback raises. So all lists in the history have equal lengths.

    Args:
        history: The dict of the History; it holds earlier calls of `fit` if the user reuses it.
    """

    def __init__(self, history: dict[str, list[Any]]) -> None:
        self._history = history
        self._before = len(history.get("step_lr", []))
        self._finished: list[list[list[float]]] = []

    def finish(self, rows: FloatArray) -> None:
        """Store learning rate and loss of an epoch's steps as plain numbers, for JSON."""
        self._finished.append(rows.T.tolist())

    def enter(self) -> None:
        """Write the stored epochs into the history."""
        for column, name in enumerate(("step_lr", "step_loss") if self._finished else ()):
            epochs = self._history.setdefault(name, [])
            epochs[self._before :] = [columns[column] for columns in self._finished]


def _by_name(rates: list[Any], rows: FloatArray) -> dict[str, FloatArray]:
    """Return the learning rates in recorded rows by name; the second column is the loss."""
    columns = [0, *range(2, rows.shape[1])]
    names: list[str] = []
    for rate in rates:
        same = sum(rate.name == other.name for other in rates[: len(names)])
        names.append(f"{rate.name}_{same + 1}" if same else rate.name)
    return {name: rows[:, column] for name, column in zip(names, columns, strict=False)}


def _joined(parts: list[FloatArray]) -> FloatArray:
    return np.concatenate([np.empty((0, 2)), *parts])
