"""Engine: the interface of the objects that run the training steps of a range test."""

from collections.abc import Sequence
from typing import Any, Protocol

from lrwidget.core.arrays import FloatArray, Logs
from lrwidget.core.data.source import Batches
from lrwidget.core.model.building import Built
from lrwidget.core.model.rate import Rate
from lrwidget.core.model.values import Variable

SECONDS_PER_GROUP = 0.1
"""A group of steps lasts about this long, so that stopping and drawing stay prompt."""


class Engine(Protocol):
    """Runs a model's own `train_step` many times, one learning rate after the other.

    Every step reports its own values: metrics are reset before each step, because `fit` reports
    running means. An optimizer that accumulates gradients gets one learning rate for each of its
    updates, and the update reports the mean loss of its batches.

    Attributes:
        rate: The object that sets the learning rate during the test.
        traces: The number of times the training step was traced.
        variables: The variables that the steps read or write, wherever they are held, if known.
    """

    rate: Rate
    traces: int
    variables: list[Variable]

    def adopt(self, built: Built) -> Built:
        """Use optimizers that have just been built; return the object to undo at the end.

        Args:
            built: The optimizers that have just been built.
        """

    def start(self, batches: Batches) -> None:
        """Read `batches` from now on, and trace a step for their shapes without training.

        Raises:
            LRWidgetError: The data do not fit the model, or the step does not use the rate.
            Exception: The error of Keras for data that do not fit.
        """

    def run(self, lrs: FloatArray) -> Logs:
        """Train one step at each learning rate, for about 0.1 s.

        Args:
            lrs: Learning rates, shape (n,), n >= 1.

        Returns:
            The values that the steps reported, by name, each of shape (m,), 1 <= m <= n.

        Raises:
            Exception: Any error of the model or of the data.
        """

    def evaluate(self, batches: Sequence[Any]) -> float:
        """Return the loss on some batches, in inference mode, without changing any weight.

        Args:
            batches: Batches as `test_step` takes them, all with the same structure.
        """

    def finish(self) -> None:
        """Stop reading batches."""
