"""LRMonitor: a Keras callback that records learning rate and loss, and draws them live."""

import time
from functools import partial
from os import PathLike
from typing import TYPE_CHECKING, Any
from warnings import warn

import keras

from lrwidget.core.monitor.monitor import Monitor
from lrwidget.ui.looks.kept import KeptPicture, in_notebook, png_of

if TYPE_CHECKING:
    from lrwidget.ui.monitor.live_plot import LivePlot

SECONDS_BETWEEN_DRAWINGS = 0.1
"""More frequent redraws would slow down `fit` without a visible benefit."""

REST = 400
"""After a redraw, wait this many times as long as it took: redraws of a long `fit` take longer.

A redraw slows `fit` down by more than its own duration; docs/benchmarks.md has the measurements.
The shorter of the last two redraws counts, since one may have been delayed by chance.
"""

FIRST_LENGTH = 1.0 / REST
"""Assumed duration before the first redraw, so that the second comes after one second."""


class LRMonitor(Monitor):
    """Records the learning rate and true loss of every step of a `fit` and can draw them.

    The loss of a step is that of its batch alone, not the running mean that Keras reports. Every
    step is recorded on every backend, also with `steps_per_execution`. Records of several `fit`
    calls follow one another. The monitor does not change weights and metrics. Only random numbers
    that a step draws with `tf.random`, not with `keras.random`, start again, as in any step that
    is traced again.

    The history that `fit` returns has three more entries, each with one item per finished
    epoch: "step_lr" and "step_loss", lists with the learning rate and the loss of every step, and
    "learning_rate", the learning rate of the last step. The `logs` of other callbacks contain only
    "learning_rate".

    With `live=True` in a notebook, each `fit` shows one figure with the loss on the left axis and
    the learning rate on the right axis, over the steps, with a line at each end of an epoch and a
    point for each validation loss. It is redrawn at most ten times a second, usually every one to
    three seconds, so that it hardly slows `fit` down. Outside a notebook, `live` has no effect.

    >>> import keras, numpy as np
    >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    >>> model.compile(keras.optimizers.SGD(0.5), "mse")
    >>> monitor = LRMonitor()
    >>> history = model.fit(np.ones((6, 1)), np.ones(6), batch_size=2, verbose=0,
    ...                     callbacks=[monitor])
    >>> monitor.lrs
    array([0.5, 0.5, 0.5])
    >>> list(monitor.to_frame().columns)
    ['step', 'epoch', 'lr', 'loss']
    >>> history.history["step_lr"]
    [[0.5, 0.5, 0.5]]

    Args:
        live: Whether to draw while `fit` runs.
        optimizer: For a model with several optimizers, such as a GAN, the one whose learning rate
            is recorded. Two monitors can record one each; the history has those of the last one.
            For a MultiOptimizer, `lrs_by_optimizer` has all learning rates and `lrs` those of the
            default optimizer.
        monitor: Name of the loss among the values that the model's own `train_step` returns.
        learning_rate: In place of an optimizer, for a step that keeps its learning rate
            elsewhere: the keras.Variable that it reads, or a function that sets one.
        log_dir: A folder for TensorBoard: learning rate and loss of each step, validation losses,
            and at the end of each `fit` the plot as an image. Needs the extra `tensorboard`, on
            no backend TensorFlow. Steps are written when they are read: at the end of an epoch,
            and within a long one.

    Raises:
        ConfigError: `log_dir` is not a path; when `fit` begins: it cannot be written.
        MissingPackageError: `log_dir` is given and TensorBoard is not installed.
        ModelError: When `fit` begins: the model has several optimizers and none is chosen; the
            chosen one is not in the model or not used by its step; its step reports no such loss;
            on the JAX backend in Keras' NNX mode, with a Keras older than 3.8, or with another
            optimizer than `model.optimizer`.
    """

    def __init__(
        self,
        live: bool = False,
        *,
        optimizer: keras.optimizers.Optimizer | None = None,
        monitor: str = "loss",
        learning_rate: Any = None,
        log_dir: str | PathLike[str] | None = None,
    ) -> None:
        super().__init__(optimizer, monitor, learning_rate, log_dir)
        self.live = bool(live)
        self._plot: LivePlot | None = None
        self._kept: KeptPicture | None = None
        self._next_drawing = 0.0
        self._last_length = FIRST_LENGTH

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Start recording this `fit`, and show the figure."""
        super().on_train_begin(logs)
        self._plot = self._new_plot() if self.live else None
        self._last_length = FIRST_LENGTH
        self._next_drawing = time.monotonic() + SECONDS_BETWEEN_DRAWINGS

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Redraw if a redraw is due."""
        super().on_train_batch_begin(batch, logs)
        if self._plot is not None and time.monotonic() > self._next_drawing:
            self._draw()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Mark the end of the epoch."""
        super().on_epoch_end(epoch, logs)
        if self._plot is not None:
            self._plot.mark_epoch(self.collect(), (logs or {}).get("val_loss"))

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Draw the complete record."""
        super().on_train_end(logs)
        self._draw(over=True)

    def _draw(self, over: bool = False) -> None:
        if self._plot is None:
            return
        began = time.monotonic()
        lrs, losses = self.rows().T
        try:
            self._plot.draw(lrs, losses, over)
            if over and self._kept is not None:
                self._kept.update()
        except Exception as error:
            self._plot = None
            warn(_not_drawn(error), stacklevel=2)
        end = time.monotonic()
        usual, self._last_length = min(self._last_length, end - began), end - began
        self._next_drawing = end + max(SECONDS_BETWEEN_DRAWINGS, REST * usual)

    def _new_plot(self) -> "LivePlot | None":
        """Return a displayed plot; None outside a notebook."""
        self._kept = None
        if not in_notebook():
            return None
        from IPython.display import display

        from lrwidget.ui.monitor.live_plot import LivePlot

        plot = LivePlot()
        try:
            display(plot.view)
            self._kept = KeptPicture(partial(png_of, self.plot))
            self._kept.show()
        except Exception as error:
            warn(_not_drawn(error), stacklevel=2)
            return None
        return plot


def _not_drawn(error: Exception) -> str:
    """Say that `fit` continues without its figure: a failed redraw must not end the training."""
    return (
        f"LRMonitor stopped drawing this `fit`: {type(error).__name__}: {error}. The training and "
        "the recording continue."
    )
