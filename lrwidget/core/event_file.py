"""EventFile: scalars and images in a file that TensorBoard reads, written without TensorFlow."""

import os
import socket
import struct
import time
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from lrwidget.core.arrays import FloatArray
from lrwidget.errors import ConfigError, MissingPackageError

_VERSION = "brain.Event:2"
_RGBA = 4

# TensorBoard reads the files of a folder in the order of their names.
_numbers = count()


def checked_log_dir(log_dir: Any, what: str) -> Path:
    """Return the folder for event files, or raise an error before anything is written.

    Args:
        log_dir: The argument of the user.
        what: The name of the public class that has it.

    Raises:
        ConfigError: It is not the path of a local folder.
        MissingPackageError: TensorBoard is not installed.
    """
    if not isinstance(log_dir, str | os.PathLike) or isinstance(os.fspath(log_dir), bytes):
        raise ConfigError(
            f"`log_dir` must be the path of a folder; got {type(log_dir).__name__}. "
            f'Pass `{what}(log_dir="logs")`.'
        )
    if "\0" in os.fspath(log_dir):
        raise ConfigError(f"`log_dir` holds a null character; got {os.fspath(log_dir)!r}.")
    if "://" in os.fspath(log_dir):
        raise ConfigError(
            f"`log_dir` must be a local folder; got {os.fspath(log_dir)!r}. Write to a local "
            "folder and copy it."
        )
    try:
        import tensorboard.compat.proto.event_pb2
        import tensorboard.summary.writer.record_writer  # noqa: F401
    except ImportError as error:
        raise MissingPackageError(
            f"`{what}(log_dir=...)` needs tensorboard: pip install 'lrwidget[tensorboard]'"
        ) from error
    return Path(log_dir)


class EventFile:
    """A new file of events. It is open only while something is added to it.

    Args:
        folder: It is created if necessary; TensorBoard shows it as one run.

    Raises:
        OSError: The file cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        from tensorboard.compat.proto.event_pb2 import Event

        folder.mkdir(parents=True, exist_ok=True)
        now = time.time()
        number = f"{int(now):010d}.{socket.gethostname()}.{os.getpid()}.{next(_numbers)}"
        self._path = folder / f"events.out.tfevents.{number}"
        self._written = now
        self._append([Event(wall_time=now, file_version=_VERSION)])

    def add_scalars(self, first: int, columns: Mapping[str, FloatArray]) -> None:
        """Append the values of consecutive steps.

        Their times are spread evenly between the last addition and now.

        Args:
            first: The number of the first step.
            columns: The values of each step by tag, each of shape (steps,), steps >= 1.

        Raises:
            OSError: The file cannot be written.
        """
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        tags, rows = list(columns), np.stack(list(columns.values()), axis=1).tolist()
        now = time.time()
        times = np.linspace(self._written, now, len(rows) + 1)[1:].tolist()
        events = []
        for step, (moment, row) in enumerate(zip(times, rows, strict=True), start=first):
            pairs = zip(tags, row, strict=True)
            values = [Summary.Value(tag=tag, simple_value=value) for tag, value in pairs]
            events.append(Event(wall_time=moment, step=step, summary=Summary(value=values)))
        self._append(events)
        self._written = now

    def add_image(self, tag: str, step: int, png: bytes) -> None:
        """Append a PNG.

        Raises:
            OSError: The file cannot be written.
        """
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        width, height = struct.unpack(">II", png[16:24])
        image = Summary.Image(
            width=width, height=height, colorspace=_RGBA, encoded_image_string=png
        )
        summary = Summary(value=[Summary.Value(tag=tag, image=image)])
        self._append([Event(wall_time=time.time(), step=step, summary=summary)])

    def _append(self, events: list[Any]) -> None:
        from tensorboard.summary.writer.record_writer import RecordWriter

        with self._path.open("ab") as file:
            writer = RecordWriter(file)
            for event in events:
                writer.write(event.SerializeToString())
