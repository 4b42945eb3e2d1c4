"""Why a public name cannot be used with Keras' backend, in the words of an error."""

import importlib.util

from lrwidget.errors import BackendError, LRWidgetError, MissingPackageError

_BACKENDS = ("tensorflow", "jax", "torch")
_INSTALL = "pip install 'lrwidget[tensorflow]'"
_ELSEWHERE = "use `lrwidget.LRRangeTest` as a callback of `model.fit`"


def why_unusable(name: str, on_tensorflow_only: bool) -> LRWidgetError | None:
    """Return the error to raise for a public name that needs Keras; None if it can be used.

    Args:
        name: The public name, such as "range_test".
        on_tensorflow_only: Whether it needs Keras' TensorFlow backend.
    """
    missing = _missing_backend()
    if missing is not None:
        return MissingPackageError(
            f"`lrwidget.{name}` needs Keras with a backend, and {missing} is not installed: "
            f"{_INSTALL} (or 'lrwidget[tensorflow-cpu]'). With JAX or PyTorch, set KERAS_BACKEND "
            f"to jax or torch and {_ELSEWHERE}."
        )
    import keras

    backend = keras.backend.backend()
    if not on_tensorflow_only or backend == "tensorflow":
        return None
    install = "" if _is_installed("tensorflow") else f"{_INSTALL}, "
    return BackendError(
        f"`lrwidget.{name}` needs Keras' TensorFlow backend, and Keras runs on {backend!r}. To use "
        f"it: {install}set KERAS_BACKEND=tensorflow in the environment before Keras is imported, "
        f"and restart Python. On {backend!r}, {_ELSEWHERE}."
    )


def _missing_backend() -> str | None:
    """Return the package that Keras needs as its backend and that is not installed."""
    try:
        import keras  # noqa: F401
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in _BACKENDS:
            raise
        return package
    return None


def _is_installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except (ImportError, ValueError):
        return False
