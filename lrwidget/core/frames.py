"""pandas, for the methods that return a DataFrame."""

from typing import Any

from lrwidget.errors import MissingPackageError


def pandas_for(method: str) -> Any:
    """Return the module pandas.

    Args:
        method: The name of the public method that needs it.

    Raises:
        MissingPackageError: pandas is not installed.
    """
    try:
        import pandas
    except ImportError as error:
        raise MissingPackageError(f"`{method}` needs pandas: pip install pandas") from error
    return pandas
