"""Every error that lrwidget raises on purpose.

    LRWidgetError
    ├── ConfigError          (also a ValueError)   a setting that cannot be used
    ├── ModelError           (also a ValueError)   a model that cannot be tested as it is
    ├── DataError            (also a ValueError)   data that are not a stream of batches
    ├── BusyError            (also a RuntimeError) the model is in a range test right now
    ├── TooLargeError        (also a MemoryError)  no second copy of the model fits into memory
    ├── FileError            (also an OSError)     a file that cannot be read or written
    ├── MissingPackageError  (also an ImportError) a package that is not installed
    └── NotRestoredError     (also a RuntimeError) a variable of the model could not be restored

Errors of the user's own model or data pass through unchanged.
"""

from collections.abc import Callable


class LRWidgetError(Exception):
    """Base of every error that lrwidget raises on purpose."""


class ConfigError(LRWidgetError, ValueError):
    """A setting that cannot be used, such as `min_lr` above `max_lr`."""


class ModelError(LRWidgetError, ValueError):
    """A model that cannot be tested as it is, such as one that is not compiled."""


class DataError(LRWidgetError, ValueError):
    """Data that are not a stream of batches, such as an empty or unbatched dataset."""


class BusyError(LRWidgetError, RuntimeError):
    """The model is in a range test right now."""


class TooLargeError(LRWidgetError, MemoryError):
    """No second copy of the model fits into memory."""


class FileError(LRWidgetError, OSError):
    """A file that cannot be read or written."""


class MissingPackageError(LRWidgetError, ImportError):
    """A required package is not installed."""


class NotRestoredError(LRWidgetError, RuntimeError):
    """Some variables of a model could not be restored; everything else is restored.

    Args:
        names: The variables that still have the values of the range test.
        retry: A function that tries to restore them again.

    Attributes:
        names: The variables that still have the values of the range test.
    """

    def __init__(self, names: list[str], retry: Callable[[], None]) -> None:
        self.names = names
        self._retry = retry
        super().__init__(
            f"{len(names)} variable(s) could not be restored after the range test, in two tries: "
            f"{', '.join(names[:5])}{', ...' if len(names) > 5 else ''}. Everything else is "
            "restored. Fix the cause, such as too little memory, and call `retry()` of this "
            "error, or load the model again."
        )

    def retry(self) -> None:
        """Try to restore the model again.

        Raises:
            NotRestoredError: Restoring fails again.
        """
        self._retry()
