"""Rate: sets the learning rate of a model's training steps while a test runs."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras

from lrwidget.core.model.values import Variable

Reads = Callable[[Any], bool]  # whether a traced step reads a variable


class Rate(ABC):
    """Sets the learning rate of a model's training steps for a while.

    Attributes:
        variables: The variables that it changes, if known.
        leader: The optimizer whose updates are counted; None if there is none.
        notes: Sentences for the user about the learning rates that were moved.
        dtype: The type of the learning rates.
    """

    variables: list[Variable]
    leader: keras.optimizers.Optimizer | None = None
    notes: tuple[str, ...] = ()
    dtype: str = "float32"

    @contextmanager
    def handed_over(self) -> Iterator[None]:
        """Control the learning rate; the original objects are restored at the end."""
        yield

    @abstractmethod
    def traced(self) -> list[Any]:
        """Return the objects of this rate that a trace of the step depends on."""

    def replaced(self) -> list[Any]:
        """Return the objects that a trace does not depend on, because they are replaced."""
        return []

    @abstractmethod
    def settle(self, model: keras.Model, reads: Reads) -> None:
        """Choose the learning rates to move, from the variables that a traced step reads.

        Raises:
            ModelError: The step reads no variable that can be moved.
        """

    def settle_untraced(self, model: keras.Model) -> None:  # noqa: B027
        """Choose the learning rates to move if the step is not traced."""

    def counters(self) -> list[Any]:
        """Return counters that change with every step that uses this learning rate."""
        return []

    def check_counted(self, model: keras.Model, counters: list[Any]) -> None:  # noqa: B027
        """Check after an eager step that it has used this learning rate.

        Args:
            model: The model that is trained.
            counters: The return value of `counters` before the step.

        Raises:
            ModelError: The step has not used it.
        """

    def moved(self) -> list[tuple[Any, float]]:
        """Return the variables that are moved, each with its factor of the learning rate."""
        return []

    def assign(self, lr: Any) -> None:  # noqa: B027
        """Set the learning rate of the next steps; this also works in a compiled graph."""

    def set(self, lr: float) -> None:
        """Set the learning rate of the next step from Python."""
        self.assign(lr)
