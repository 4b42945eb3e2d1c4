"""StepLog: writes what LRMonitor records for TensorBoard."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from warnings import warn

import numpy as np

from lrwidget.core.arrays import FloatArray
from lrwidget.core.curve.drawing import png_of
from lrwidget.core.event_file import EventFile
from lrwidget.errors import ConfigError

LR, LOSS = "lrwidget/learning_rate", "lrwidget/loss"
VALIDATION, PICTURE = "lrwidget/validation_loss", "lrwidget/training"


class StepLog:
    """Writes the steps of several calls of `fit`, each into a new file of one folder.

    If a file cannot be written, the log of this `fit` ends with a warning: training goes on.

    Args:
        folder: The folder, as checked by `checked_log_dir`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: EventFile | None = None

    def begin(self) -> None:
        """Start a file for a `fit`.

        Raises:
            ConfigError: The folder cannot be written.
        """
        try:
            self._file = EventFile(self._folder)
        except OSError as error:
            raise ConfigError(
                f"`log_dir` cannot be written: {error}. Pass another folder."
            ) from error

    def add(self, first: int, rows: FloatArray, by_optimizer: dict[str, FloatArray]) -> None:
        """Write consecutive steps.

        Args:
            first: The 0-based number of the first one.
            rows: Learning rate and loss, shape (steps, 2).
            by_optimizer: The learning rates by the optimizer's name; written if there are several.
        """
        columns = {LR: rows[:, 0], LOSS: rows[:, 1]}
        if np.isnan(rows[:, 0]).all():  # a model without an optimizer
            del columns[LR]
        if len(by_optimizer) > 1:
            columns |= {f"{LR}/{name}": lrs for name, lrs in by_optimizer.items()}
        self._try(lambda file: file.add_scalars(first, columns))

    def add_validation(self, step: int, loss: float) -> None:
        """Write a validation loss that was measured after a step."""
        self._try(lambda file: file.add_scalars(step, {VALIDATION: np.array([loss])}))

    def end(self, step: int, draw: Callable[[Any], object]) -> None:
        """Write the picture of the whole recording, if matplotlib is installed."""
        picture = None if self._file is None else png_of(draw)
        if picture is not None:
            self._try(lambda file: file.add_image(PICTURE, step, picture))
        self._file = None

    def _try(self, write: Callable[[EventFile], None]) -> None:
        if self._file is None:
            return
        try:
            write(self._file)
        except OSError as error:
            self._file = None
            warn(
                f"LRMonitor stopped writing to `log_dir` in this `fit`: {error}. The training and "
                "the recording continue.",
                stacklevel=2,
            )
