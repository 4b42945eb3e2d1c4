"""Restored: fingerprints that show whether the state of a model was restored."""

from dataclasses import dataclass

from lrwidget.errors import ConfigError


@dataclass(frozen=True)
class Restored:
    """The fingerprints of all state before and after a range test; true if they are equal.

    Attributes:
        before: Fingerprint of all state before the test: a CRC-32 over the bytes of the
            model's, the optimizer's and the metrics' variables and the global random state.
        after: The same, taken after everything was restored.
    """

    before: str
    after: str

    def __post_init__(self) -> None:
        for name in ("before", "after"):
            if not isinstance(getattr(self, name), str):
                raise ConfigError(f"`{name}` must be a string; got {getattr(self, name)!r}.")

    def __bool__(self) -> bool:
        return self.before == self.after
