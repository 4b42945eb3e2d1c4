"""LRMonitor: a Keras callback that records learning rate and loss, and draws them live."""

import time
from typing import TYPE_CHECKING, Any

import keras

from lrwidget.core.monitor.monitor import Monitor

if TYPE_CHECKING:
    from lrwidget.ui.monitor.live_plot import LivePlot

SECONDS_BETWEEN_DRAWINGS = 0.1
"""More often would slow down `fit`, and nobody would see it."""

REST = 400
"""So many times as long as a drawing lasts there is none: a long `fit` has more to draw.

By measurement, drawing costs a `fit` more than its own length; docs/benchmarks.md has the numbers.
Of the last two drawings the shorter one counts: one that was held up says little of the next.
"""

FIRST_LENGTH = 1.0 / REST
"""Stands for a drawing before the first, which is slow: the second is due after a second."""


class LRMonitor(Monitor):
    """Records learning rate and true loss of every step of a `fit`; in a notebook, draws them.

    The loss of a step is that of its batch alone, not the running mean that Keras reports. Every
    step is recorded on every backend, with `steps_per_execution` too. Records of several `fit`
    calls follow one another. Weights and metrics come out as without it; only what a step draws
    with `tf.random`, rather than with `keras.random`, begins anew, as in any step traced again.

    The history that `fit` returns has three more entries, each with one item for each finished
    epoch: "step_lr" and "step_loss", the list of every step's learning rate and loss in it, and
    "learning_rate", that of its last step. The `logs` of other callbacks get only the last.

    With `live=True` in a notebook, each `fit` shows one figure: loss on the left axis, learning
    rate on the right one, against the step, with a mark at each end of an epoch and a point for
    each validation loss. It is drawn at most ten times a second, usually every one to three
    seconds, so that `fit` does not wait for it. Outside of a notebook there is nothing to draw
    on, and `live` changes nothing.

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
        optimizer: For a model that holds several, such as a GAN, the one whose learning rate is
            recorded. Each of two monitors can record one; the history has those of the last.
            Of a MultiOptimizer all are recorded, in `lrs_by_optimizer`; `lrs` has the default one.
        monitor: Which of the values that the model's own `train_step` returns is the loss.
        learning_rate: In place of an optimizer, for a step that keeps its learning rate
            elsewhere: the keras.Variable that it reads, or a function that sets one.

    Raises:
        ModelError: When `fit` begins: the model holds several optimizers and none is chosen, or
            not the chosen one, or one that its step does not use; its step reports no such loss;
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
    ) -> None:
        super().__init__(optimizer, monitor, learning_rate)
        self.live = bool(live)
        self._plot: LivePlot | None = None
        self._next_drawing = 0.0
        self._last_length = FIRST_LENGTH

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Let the steps of this `fit` be noted, and show the figure."""
        super().on_train_begin(logs)
        self._plot = self._new_plot() if self.live else None
        self._last_length = FIRST_LENGTH
        self._next_drawing = time.monotonic() + SECONDS_BETWEEN_DRAWINGS

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Draw what is known, if that is due."""
        super().on_train_batch_begin(batch, logs)
        if self._plot is not None and time.monotonic() > self._next_drawing:
            self._draw()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Mark the end of the epoch."""
        super().on_epoch_end(epoch, logs)
        if self._plot is not None:
            self._plot.mark_epoch(self.collect(), (logs or {}).get("val_loss"))

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Draw all of it."""
        super().on_train_end(logs)
        self._draw(over=True)

    def _draw(self, over: bool = False) -> None:
        if self._plot is None:
            return
        began = time.monotonic()
        lrs, losses = self.rows().T
        self._plot.draw(lrs, losses, over)
        end = time.monotonic()
        usual, self._last_length = min(self._last_length, end - began), end - began
        self._next_drawing = end + max(SECONDS_BETWEEN_DRAWINGS, REST * usual)

    def _new_plot(self) -> "LivePlot | None":
        """Return a plot on show, or None where nobody could see one."""
        if not _in_notebook():
            return None
        from IPython.display import display

        from lrwidget.ui.monitor.live_plot import LivePlot

        plot = LivePlot()
        display(plot.figure)
        return plot


def _in_notebook() -> bool:
    try:
        from IPython import get_ipython
    except ImportError:
        return False
    return hasattr(get_ipython(), "kernel")
