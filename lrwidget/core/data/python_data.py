"""PythonStream: batches that come from the user's Python code, as an endless stream."""

import contextvars
import itertools
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any

import keras
import numpy as np

from lrwidget.core.data.misfit import refusals_named
from lrwidget.core.data.reader import Reader, StopFlag
from lrwidget.core.model.host import data_adapter_utils
from lrwidget.core.model.thread_state import KerasThreadState
from lrwidget.errors import DataError

# Keras compares this many batches to find sizes that differ from batch to batch.
_BATCHES_FOR_THE_SPEC = 2


class PythonStream:
    """Passes over Python data, one after another. The first pass starts in the constructor.

    TensorFlow keeps every generator function that it receives forever. So it receives a method
    of this object, which drops the data in `close`.

    Args:
        new_pass: A function that starts a pass over the data.
        class_weight: Weight of each class by its number; as for `fit`.
        is_one_shot: Whether the data are an iterator, which can be read only once.
        stop: Once it is set, the stream waits a few seconds at most for data that block.

    Attributes:
        first: The first batches, which show the structure of all.
        failure: The error that the user's code raised.

    Raises:
        DataError: The data contain no batch.
        Exception: Any error of the user's code, or of Keras for a batch that it cannot use.
        StoppedWaiting: The data block, and the test was stopped.
    """

    def __init__(
        self,
        new_pass: Callable[[], Iterable[Any]],
        class_weight: dict[int, float] | None,
        is_one_shot: bool,
        stop: StopFlag | None = None,
    ) -> None:
        self._new_pass: Callable[[], Iterable[Any]] | None = new_pass
        self._class_weight, self._is_one_shot = class_weight, is_one_shot
        self._stop, self._enter = stop, KerasThreadState().enter
        self._context = contextvars.copy_context()
        self._reader: Reader | None = None
        self._is_closed = False
        self.failure: BaseException | None = None
        try:
            first_pass = self._started(new_pass)
            self.first = self._first_batches(first_pass)
        except BaseException:
            self.close()
            raise
        self._stream: Iterator[Any] = self._passes(self.first, first_pass)

    def _first_batches(self, first_pass: Iterator[Any]) -> list[Any]:
        first = list(itertools.islice(first_pass, _BATCHES_FOR_THE_SPEC))
        if not first:
            raise DataError(
                "The data are an iterator that is used up. Pass a generator function, which starts "
                "again, or a list of the batches."
                if self._is_one_shot
                else "The data are empty: they gave no batch. Pass at least one batch."
            )
        with refusals_named():
            return [self._standardized(batch) for batch in first]

    @property
    def was_left(self) -> bool:
        """Whether a stopped test no longer waited for the data, so that their code still runs."""
        return self._reader is not None and self._reader.was_left

    def _started(self, new_pass: Callable[[], Iterable[Any]]) -> Iterator[Any]:
        """Start a pass; if the test can be stopped, in a thread that it need not wait for."""
        if self._stop is None:
            return iter(new_pass())
        self._reader = Reader(new_pass, self._stop, self._enter, self._context)
        if self._is_closed:  # meanwhile, while TensorFlow read ahead
            self._reader.close()
        return self._reader

    def batches(self, convert: Callable[[Any], Any]) -> Iterator[Any]:
        """Yield the rest of the stream.

        Args:
            convert: A function that converts a batch to the form for this backend.
        """
        try:
            for batch in self._stream:
                yield convert(batch)
        except GeneratorExit:
            raise
        except BaseException as error:
            self.failure = error
            raise

    def close(self) -> None:
        """Drop the data."""
        self._is_closed = True
        self._new_pass, self.first = None, []
        self._stream = iter(())
        if self._reader is not None:
            self._reader.close()

    def _passes(self, first: list[Any], rest: Iterator[Any]) -> Generator[Any, None, None]:
        yield from first
        del first
        for batch in rest:
            yield self._standardized(batch)
        del rest
        while self._new_pass is not None:
            batch = None
            for batch in self._another_pass(self._new_pass):
                yield self._standardized(batch)
            if batch is None:
                raise DataError("The data gave batches on the first pass, but none later.")

    def _another_pass(self, new_pass: Callable[[], Iterable[Any]]) -> Iterator[Any]:
        if self._is_one_shot:
            raise DataError(
                "The data ended before the test did: an iterator can be read only once. Pass a "
                "generator function, which starts again, a list of the batches, or fewer `steps`."
            )
        return self._started(new_pass)

    def _standardized(self, batch: Any) -> Any:
        """Return a batch with the structure in which `fit` passes a PyDataset's batch to a step."""
        if isinstance(batch, list):
            batch = tuple(batch)
        elif not isinstance(batch, tuple | dict):
            batch = (batch,)
        if not keras.tree.flatten(batch):
            raise DataError("A batch holds no array. Make every batch (x,), (x, y) or a dict.")
        batch = keras.tree.lists_to_tuples(keras.tree.map_structure(_as_array, batch))
        if self._class_weight is None:
            return batch
        if not isinstance(batch, tuple) or len(batch) != 2:
            raise DataError("`class_weight` needs batches of (x, y), without sample weights.")
        weights = data_adapter_utils.class_weight_to_sample_weights(batch[1], self._class_weight)
        return (*batch, weights)


def _as_array(values: Any) -> Any:
    """Return a value with a shape and a type, such as a numpy array for a DataFrame."""
    if data_adapter_utils.is_tensorflow_tensor(values) or not hasattr(values, "__array__"):
        return values
    if data_adapter_utils.is_torch_tensor(values):
        values = values.detach().cpu()
    return np.asarray(values)
