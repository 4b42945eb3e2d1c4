"""The format of the file of a result, and how older formats are read."""

from typing import Any

FORMAT = 4


def of_older_format(content: dict[str, Any], version: int) -> dict[str, Any]:
    """Return the content of a file, with the keys added that its older format does not have."""
    if version < 4:
        content = {"non_finite_cause": None, "updates_before": None, **content}
    if version >= 3:
        return content
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
