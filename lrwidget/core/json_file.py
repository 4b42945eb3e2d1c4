"""Files of results: strict JSON, checked when read and replaced as a whole when written.

JSON has no NaN and no infinity. Arrays that may contain them use null, "Infinity" and
"-Infinity" instead. Formats 1 and 2 used Python's literals.
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

_WORDS = {"Infinity": math.inf, "-Infinity": -math.inf}


def write_json(path: Any, version: int, content: Mapping[str, Any]) -> None:
    """Write a mapping to a file; if this fails, an existing file is unchanged.

    Args:
        path: Path of the file.
        version: Number of the format.
        content: What to write.

    Raises:
        ConfigError: `path` is not a path.
        FileError: The file cannot be written there.
    """
    file = as_path(path)
    # Before any file is written: a value that is not JSON raises here.
    text = json.dumps({"format": version, **content}, indent=1, allow_nan=False)
    try:
        _replace_file(Path(os.path.realpath(file)), text)
    except (OSError, ValueError) as error:
        raise FileError(
            f"The result cannot be saved as {str(file)!r}: {_reason(error)}. Pass the path of a "
            "file in a folder that exists and that you may write to."
        ) from error


def read_json(path: Any, newest: int, writer: str) -> tuple[int, dict[str, Any]]:
    """Return the format and the content of a file that `write_json` wrote.

    Args:
        path: Path of the file.
        newest: The newest format that this version reads.
        writer: The name of the method that writes such files, for errors.

    Raises:
        ConfigError: `path` is not a path.
        FileError: The file cannot be read.
        DataError: `write_json` did not write the file, or its format is newer.
    """
    file = as_path(path)
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeError as error:
        raise _something_else(file, writer) from error
    except (OSError, ValueError) as error:
        raise FileError(f"{str(file)!r} cannot be read: {_reason(error)}.") from error
    literals: list[str] = []
    try:
        content = json.loads(text, parse_constant=lambda word: _literal(word, literals))
    except (ValueError, RecursionError) as error:
        raise _something_else(file, writer) from error
    version = _format_of(file, content, newest, writer)
    if literals and version > 2:
        raise DataError(f"{file} contains {literals[0]}, which is not JSON. Write null instead.")
    return version, content


def as_path(path: Any) -> Path:
    """Return a path as a Path, or raise ConfigError."""
    try:
        return Path(path)
    except TypeError:
        raise ConfigError(
            f"`path` must be a string or a pathlib.Path; got {type(path).__name__}. "
            'Pass, say, "result.json".'
        ) from None


def to_json(values: Any) -> Any:
    """Return nested lists of floats, or one float, with NaN and infinity replaced."""
    if isinstance(values, list):
        return [to_json(value) for value in values]
    if math.isfinite(values):
        return values
    return None if math.isnan(values) else ("Infinity" if values > 0 else "-Infinity")


def _from_json(values: Any) -> Any:
    """Return the input of `to_json` for its output; other values are returned unchanged."""
    if isinstance(values, list):
        return [_from_json(value) for value in values]
    if values is None:
        return math.nan
    return _WORDS.get(values, values) if isinstance(values, str) else values


def check_keys(
    path: Any, where: str, content: Any, known: Mapping[str, bool], callers: int = 1
) -> dict[str, Any]:
    """Return the known entries of a part of a file.

    Args:
        path: Path of the file.
        where: The name of the part, such as "`config`".
        content: The part.
        known: The keys that it may have, and whether they are required.
        callers: Number of functions between this one and the user's code, for the warning.

    Raises:
        DataError: The part is not an object, or a required key is missing.
    """
    if not isinstance(content, dict):
        raise DataError(
            f"{path}: {where} must be an object with keys; got {type(content).__name__}."
        )
    missing = [key for key, needed in known.items() if needed and key not in content]
    if missing:
        raise DataError(
            f"{path}: {where} has no {missing}. The file has been changed since it was saved; save "
            "the result again."
        )
    unknown = sorted(content.keys() - known.keys())
    if unknown:
        warnings.warn(
            f"{path}: unknown keys in {where} are ignored: {unknown}.", stacklevel=2 + callers
        )
    return {key: value for key, value in content.items() if key in known}


def with_nan(values: Any) -> Any:
    """Return nested lists, or a dictionary of them, with NaN and infinity restored."""
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


def _format_of(file: Path, content: Any, newest: int, writer: str) -> int:
    try:
        version = as_count("format", content["format"], at_least=1)
    except (TypeError, KeyError, ConfigError) as error:
        raise _something_else(file, writer) from error
    if version > newest:
        raise DataError(
            f"{file} has format {version}; this version reads up to {newest}. Update lrwidget."
        )
    return version


def _something_else(file: Path, writer: str) -> DataError:
    return DataError(f"{file} is not a file that `{writer}` wrote.")
