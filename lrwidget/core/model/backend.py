"""The error for a public name that cannot be used with Keras' backend."""

from lrwidget.errors import LRWidgetError, MissingPackageError

_BACKENDS = ("tensorflow", "jax", "torch")


def why_unusable(name: str) -> LRWidgetError | None:
    """Return the error to raise for a public name that needs Keras; None if it can be used.

    Args:
        name: The public name, such as "range_test".
    """
    missing = _missing_backend()
    if missing is None:
        return None
    return MissingPackageError(
        f"`lrwidget.{name}` needs Keras with a backend, and {missing} is not installed: "
        f"pip install 'lrwidget[{missing}]'. For another backend, set KERAS_BACKEND to "
        "tensorflow, jax or torch before Keras is imported."
    )


def _missing_backend() -> str | None:
    """Return the package of Keras' backend if it is not installed."""
    try:
        import keras  # noqa: F401
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in _BACKENDS:
            raise
        return package
    return None
