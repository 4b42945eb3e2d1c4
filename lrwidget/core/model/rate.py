"""Rate: what decides the learning rate of a model's training steps while a test runs."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras

Reads = Callable[[Any], bool]  # whether a traced step reads a variable


class Rate(ABC):
    """Decides the learning rate of a model's training steps for a while.

    Attributes:
        variables: What it changes, as far as that is known.
        leader: The optimizer whose updates are counted; None where there is none.
        notes: What to know about what was moved, in sentences.
        dtype: Of the learning rates.
    """

    variables: list[Any]
    leader: keras.optimizers.Optimizer | None = None
    notes: tuple[str, ...] = ()
    dtype: str = "float32"

    @contextmanager
    def handed_over(self) -> Iterator[None]:
        """Let this decide the learning rate; the old objects come back at the end."""
        yield

    @abstractmethod
    def traced(self) -> list[Any]:
        """Return the objects that a trace of the step depends on because of this."""

    def exchanged(self) -> list[Any]:
        """Return the objects that do not count for a trace: others stand for them meanwhile."""
        return []

    @abstractmethod
    def settle(self, model: keras.Model, reads: Reads) -> None:
        """Choose what is moved by what a traced step reads.

        Raises:
            ModelError: The step reads nothing that could be moved.
        """

    def settle_untraced(self, model: keras.Model) -> None:  # noqa: B027
        """Choose what is moved where the step is not traced."""

    def counters(self) -> list[Any]:
        """Return numbers that every step changes which uses this."""
        return []

    def check_counted(self, counters: list[Any]) -> None:  # noqa: B027
        """Check after an eager step that it has used this.

        Args:
            counters: What `counters` returned before the step.

        Raises:
            ModelError: It has not.
        """

    def assign(self, lr: Any) -> None:  # noqa: B027
        """Set the learning rate of the steps to come, in a compiled graph too."""

    def set(self, lr: float) -> None:
        """Set the learning rate of the next step from Python."""
        self.assign(lr)
