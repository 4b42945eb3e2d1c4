"""The file of a result: strict JSON, read with care and written in one piece.

JSON has no NaN and no infinity. In arrays that may hold them they are null, "Infinity" and
"-Infinity". Formats 1 and 2 had Python's literals instead and lacked some keys.
"""

import json
import math
import os
import secrets
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lrwidget.core.checks import as_count
from lrwidget.errors import ConfigError, DataError, FileError

FORMAT = 3

_WORDS = {"Infinity": math.inf, "-Infinity": -math.inf}


def write_json(path: Any, content: Mapping[str, Any]) -> None:
    """Write a mapping to a file; a file of that name stays as it is unless all goes well.

    Raises:
        ConfigError: `path` is no path.
        FileError: The file cannot be written there.
    """
    file = as_path(path)
    # Before any file is touched: this is where a value that is not JSON shows.
    text = json.dumps({"format": FORMAT, **content}, indent=1, allow_nan=False)
    try:
        _replace_file(Path(os.path.realpath(file)), text)
    except (OSError, ValueError) as error:
        raise FileError(
            f"The result cannot be saved as {str(file)!r}: {_reason(error)}. Pass the path of a "
            "file in a folder that exists and that you may write to."
        ) from error


def read_json(path: Any) -> tuple[int, dict[str, Any]]:
    """Return the format and the content of a file that `write_json` wrote.

    Raises:
        ConfigError: `path` is no path.
        FileError: The file cannot be read.
        DataError: It is something else, or of a newer format.
    """
    file = as_path(path)
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeError as error:
        raise _something_else(file) from error
    except (OSError, ValueError) as error:
        raise FileError(f"{str(file)!r} cannot be read: {_reason(error)}.") from error
    literals: list[str] = []
    try:
        content = json.loads(text, parse_constant=lambda word: _literal(word, literals))
    except (ValueError, RecursionError) as error:
        raise _something_else(file) from error
    version = _format_of(file, content)
    if literals and version > 2:
        raise DataError(
            f"{file} contains {literals[0]}, which is not JSON. Write null in its place."
        )
    return version, content


def as_path(path: Any) -> Path:
    """Return a path as a Path, or say what is wrong with it."""
    try:
        return Path(path)
    except TypeError:
        raise ConfigError(
            f"`path` must be a string or a pathlib.Path; got {type(path).__name__}. "
            'Pass, say, "result.json".'
        ) from None


def to_json(values: Any) -> Any:
    """Return nested lists of floats, or one float, without NaN and infinity."""
    if isinstance(values, list):
        return [to_json(value) for value in values]
    if math.isfinite(values):
        return values
    return None if math.isnan(values) else ("Infinity" if values > 0 else "-Infinity")


def _from_json(values: Any) -> Any:
    """Return what `to_json` took; what it cannot have written stays as it is."""
    if isinstance(values, list):
        return [_from_json(value) for value in values]
    if values is None:
        return math.nan
    return _WORDS.get(values, values) if isinstance(values, str) else values


def check_keys(
    path: Any, where: str, content: Any, known: Mapping[str, bool], callers: int = 1
) -> dict[str, Any]:
    """Return those entries of a part of a file that are known.

    Args:
        path: Of the file.
        where: What the part is called, such as "`config`".
        content: The part.
        known: The keys that it may have, and whether it must have them.
        callers: Functions between this one and the user's code, where a warning is to point.

    Raises:
        DataError: It has no keys, or lacks one.
    """
    if not isinstance(content, dict):
        raise DataError(
            f"{path}: {where} must be an object with keys; got {type(content).__name__}."
        )
    missing = [key for key, needed in known.items() if needed and key not in content]
    if missing:
        raise DataError(
            f"{path}: {where} lacks {missing}. The file was changed since it was saved; save the "
            "result again."
        )
    unknown = sorted(content.keys() - known.keys())
    if unknown:
        warnings.warn(
            f"{path}: unknown keys in {where} are ignored: {unknown}.", stacklevel=2 + callers
        )
    return {key: value for key, value in content.items() if key in known}


def of_older_format(content: dict[str, Any]) -> dict[str, Any]:
    """Return what formats 1 and 2 had, with what they lacked."""
    content = {
        "optimizer": "other",
        "notes": [],
        "restored": {"before": "unknown", "after": ""},
        **content,
    }
    rates, sweeps = content.get("lrs"), content.get("sweep_losses")
    if isinstance(rates, list):
        content.setdefault("validation_losses", [None] * len(rates))
    if isinstance(sweeps, list) and "validation_losses" in content:
        rows = [content["validation_losses"]] * len(sweeps)
        content.setdefault("sweep_validation_losses", rows)
    return content


def with_nan(values: Any) -> Any:
    """Return nested lists, or a dictionary of them, with NaN and infinity again."""
    if isinstance(values, dict):
        return {name: _from_json(each) for name, each in values.items()}
    return _from_json(values)


def _replace_file(file: Path, text: str) -> None:
    if file.exists() and not file.is_file():
        raise ValueError("it is not a file")
    scratch = file.with_name(f".lrwidget-{secrets.token_hex(8)}.tmp")
    try:
        with scratch.open("x", encoding="utf-8") as stream:
            stream.write(text)
        scratch.replace(file)
    finally:
        scratch.unlink(missing_ok=True)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _literal(word: str, found: list[str]) -> float:
    found.append(word)
    return float(word)


def _format_of(file: Path, content: Any) -> int:
    try:
        version = as_count("format", content["format"], at_least=1)
    except (TypeError, KeyError, ConfigError) as error:
        raise _something_else(file) from error
    if version > FORMAT:
        raise DataError(
            f"{file} has format {version}; this version reads up to {FORMAT}. Update lrwidget."
        )
    return version


def _something_else(file: Path) -> DataError:
    return DataError(f"{file} is not a file that `RangeTestResult.save` wrote.")
