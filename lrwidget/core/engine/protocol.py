"""Engine: what a range test needs of whatever runs the training steps."""

from collections.abc import Sequence
from typing import Any, Protocol

from lrwidget.core.arrays import FloatArray, Logs
from lrwidget.core.data.source import Batches
from lrwidget.core.model.building import Built
from lrwidget.core.model.rate import Rate

SECONDS_PER_GROUP = 0.1
"""A group of steps lasts about this long, so that stopping and drawing stay prompt."""


class Engine(Protocol):
    """Runs a model's own `train_step` many times, one learning rate after the other.

    Every step reports its own values: metrics start anew before each, since what `fit` reports is
    their running mean. An optimizer that accumulates gradients gets one learning rate for each of
    its updates, and the mean loss of its batches.

    Attributes:
        rate: What decides the learning rate meanwhile.
        traces: How often the training step was traced.
        variables: What the steps read or write, whoever holds it, as far as that is known.
    """

    rate: Rate
    traces: int
    variables: list[Any]

    def adopt(self, built: Built) -> Built:
        """Use optimizers that have just been built; return what to undo at the end.

        Args:
            built: What has just been built, on an optimizer that was not.
        """

    def start(self, batches: Batches) -> None:
        """Read `batches` from now on; trace for their form, without training.

        Raises:
            LRWidgetError: The data do not fit the model, or the rate is not used.
            Exception: What Keras raises where they do not fit.
        """

    def run(self, lrs: FloatArray) -> Logs:
        """Train one step at each learning rate, for about 0.1 s.

        Args:
            lrs: Learning rates, shape (n,), n >= 1.

        Returns:
            What each step reported, by name, each of shape (m,), 1 <= m <= n.

        Raises:
            Exception: Whatever the model or the data raise.
        """

    def evaluate(self, batches: Sequence[Any]) -> float:
        """Return the loss on some batches, in inference, and change nothing that trains.

        Args:
            batches: Batches as `test_step` takes them, all of one form.
        """

    def finish(self) -> None:
        """Read no more of the batches."""
