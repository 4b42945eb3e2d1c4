"""Monitor: learning rate and loss of every step of a `fit`; LRMonitor without its drawing."""

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from numpy.typing import NDArray

from lrwidget.core.ladder import FloatArray
from lrwidget.core.recorder import StepRecorder, recorder_of
from lrwidget.core.train_step import add_to_step, take_from_step

if TYPE_CHECKING:
    import pandas as pd


class Monitor(keras.callbacks.Callback):
    """Records the learning rate and the true loss of every training step.

    What it records goes on from one `fit` to the next. The steps are noted inside of the
    compiled step and read now and then, so that a step costs next to nothing more.

    Attributes:
        validation: `val_loss` by the number of steps trained when it was measured.
    """

    def __init__(self) -> None:
        super().__init__()
        self._recorder: StepRecorder | None = None
        self._next = 0
        self._may_wait = 0
        self._epoch = 0
        self._parts: list[FloatArray] = []
        self._epoch_parts: list[NDArray[np.int64]] = []
        self.validation: dict[int, float] = {}

    @property
    def lrs(self) -> FloatArray:
        """Learning rates, shape (steps,), whatever moved them."""
        return self._rows()[:, 0]

    @property
    def losses(self) -> FloatArray:
        """The loss of each batch alone, shape (steps,), sample weights and penalties included."""
        return self._rows()[:, 1]

    @property
    def epochs(self) -> NDArray[np.int64]:
        """The 0-based epoch of each step as `fit` numbers it, shape (steps,)."""
        self.collect()
        return np.concatenate([np.empty(0, np.int64), *self._epoch_parts])

    def to_frame(self) -> "pd.DataFrame":
        """Return a pandas DataFrame with one row for each training step.

        Columns: `step` (0-based, over every `fit` recorded), `epoch`, `lr` and `loss`; with
        validation, `validation_loss` on the last step before it was measured, else NaN.

        Raises:
            ImportError: pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise ImportError("`LRMonitor.to_frame` needs pandas: pip install pandas") from error
        rows = self._rows()
        columns = {
            "step": np.arange(len(rows)),
            "epoch": self.epochs,
            "lr": rows[:, 0],
            "loss": rows[:, 1],
        }
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
                self._parts.append(rows)
                self._epoch_parts.append(np.full(len(rows), self._epoch))
            self._may_wait = self._recorder.capacity
        return sum(map(len, self._parts))

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        """Let the steps of this `fit` be noted."""
        self.detach()
        recorder = recorder_of(self.model)
        recorder.attach(self, self.model.history)
        self._recorder, self._next, self._may_wait = recorder, recorder.count, recorder.capacity
        add_to_step(self.model, self._recorder)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        """Remember which epoch the next steps belong to."""
        self._epoch = epoch

    # Not at the end of a batch: Keras would then wait for every step before starting the next.
    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        """Read the steps before there is no room left for those that begin now."""
        group = self.model.steps_per_execution
        if self._may_wait < group:
            self.collect()
        self._may_wait -= group

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        """Read what is left, and put the learning rate of the last step into the history."""
        steps = self.collect()
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

    def detach(self) -> None:
        """Read what there is; steps of a later `fit` belong to whoever watches that one."""
        self.collect()
        self._recorder = None

    def _rows(self) -> FloatArray:
        self.collect()
        return np.concatenate([np.empty((0, 2)), *self._parts])
