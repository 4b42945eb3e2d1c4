"""check_memory: raises an error if no second copy of a model fits into memory."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import psutil

from lrwidget.errors import TooLargeError

_LIMIT_OF_THE_CONTAINER = Path("/sys/fs/cgroup/memory.max")
_USE_OF_THE_CONTAINER = Path("/sys/fs/cgroup/memory.current")


def check_memory(tensors: Iterable[Any], available: int | None) -> None:
    """Raise TooLargeError if a copy of the tensors in main memory does not fit into it.

    Args:
        tensors: Tensors of the backend; those on a GPU are ignored, since its free memory is
            unknown.
        available: Free bytes; None if unknown.
    """
    needed = sum(_bytes_in_main_memory(tensor) for tensor in tensors)
    if available is not None and needed > available:
        raise TooLargeError(
            "A range test keeps one copy of the model's and the optimizer's state to restore it. "
            f"That takes {_megabytes(needed)}, and {_megabytes(available)} of memory is free. "
            "Free some memory, or use an optimizer with less state."
        )


def available_memory() -> int:
    """Return the free bytes of this machine or, if they are fewer, of its container."""
    on_the_machine = int(psutil.virtual_memory().available)
    in_the_container = _free_in_the_container()
    return on_the_machine if in_the_container is None else min(on_the_machine, in_the_container)


def _bytes_in_main_memory(tensor: Any) -> int:
    if "GPU" in str(getattr(tensor, "device", "")).upper():
        return 0
    size = getattr(tensor, "nbytes", None)
    if size is None:
        size = tensor.dtype.size * (tensor.shape.num_elements() or 0)
    return int(size)


def _free_in_the_container() -> int | None:
    """Return the free bytes within the limit of the control group, which psutil ignores."""
    if not (_LIMIT_OF_THE_CONTAINER.exists() and _USE_OF_THE_CONTAINER.exists()):
        return None
    limit = _LIMIT_OF_THE_CONTAINER.read_text(encoding="ascii").strip()
    used = _USE_OF_THE_CONTAINER.read_text(encoding="ascii").strip()
    return None if limit == "max" else int(limit) - int(used)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
