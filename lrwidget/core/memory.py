"""check_memory: refuses a model of which no second copy fits into memory."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lrwidget.errors import TooLargeError

_MEMORY_OF_THE_MACHINE = Path("/proc/meminfo")
_LIMIT_OF_THE_CONTAINER = Path("/sys/fs/cgroup/memory.max")
_USE_OF_THE_CONTAINER = Path("/sys/fs/cgroup/memory.current")


def check_memory(tensors: Iterable[Any], available: int | None) -> None:
    """Raise TooLargeError if a copy of the tensors in main memory does not fit into it.

    Args:
        tensors: Of the backend; those on a GPU are left out, since its memory cannot be asked.
        available: Bytes that are free; None where that is not known.
    """
    needed = sum(_bytes_in_main_memory(tensor) for tensor in tensors)
    if available is not None and needed > available:
        raise TooLargeError(
            "A range test keeps one copy of the model's and the optimizer's state to put it back. "
            f"That takes {_megabytes(needed)}, and {_megabytes(available)} of memory is free. "
            "Free some memory, or use an optimizer with less state."
        )


def available_memory() -> int | None:
    """Return the free bytes of this machine or container, the fewer; None where unknown."""
    free = _free_on_the_machine(), _free_in_the_container()
    return min((size for size in free if size is not None), default=None)


def _bytes_in_main_memory(tensor: Any) -> int:
    if "GPU" in str(getattr(tensor, "device", "")).upper():
        return 0
    size = getattr(tensor, "nbytes", None)
    if size is None:
        size = tensor.dtype.size * (tensor.shape.num_elements() or 0)
    return int(size)


def _free_on_the_machine() -> int | None:
    if not _MEMORY_OF_THE_MACHINE.exists():
        return None
    lines = _MEMORY_OF_THE_MACHINE.read_text(encoding="ascii").splitlines()
    free = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    return int(free[0]) * 1024 if free else None


def _free_in_the_container() -> int | None:
    if not (_LIMIT_OF_THE_CONTAINER.exists() and _USE_OF_THE_CONTAINER.exists()):
        return None
    limit = _LIMIT_OF_THE_CONTAINER.read_text(encoding="ascii").strip()
    used = _USE_OF_THE_CONTAINER.read_text(encoding="ascii").strip()
    return None if limit == "max" else int(limit) - int(used)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
