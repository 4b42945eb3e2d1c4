"""ranking_table: the ranking of a comparison as a table in HTML."""

import html
import math
from collections.abc import Callable, Sequence

from lrwidget.core.compare.ranking import Rank

_TITLES = ("Variant", "Loss", "Behind the best", "95 % interval", "Place")


def ranking_table(
    ranking: Sequence[Rank], basis: str, shown_name: Callable[[str], str] = str
) -> str:
    """Return a ranking as a table in HTML, with every name escaped.

    Args:
        ranking: The rows, the best first.
        basis: A sentence that says what the intervals are calculated from.
        shown_name: A function that returns how a name is shown, before it is escaped.
    """
    head = "".join(f"<th>{title}</th>" for title in _TITLES)
    body = "".join(
        _row(row, not number and math.isfinite(row.score), shown_name)
        for number, row in enumerate(ranking)
    )
    return f"<table><tr>{head}</tr>{body}</table><p>{html.escape(basis)}</p>"


def _row(row: Rank, is_best: bool, shown_name: Callable[[str], str]) -> str:
    has_interval = not is_best and not row.reason
    cells = [
        html.escape(shown_name(row.name)),
        _number(row.score),
        _number(row.behind) if has_interval else "",
        f"{_number(row.low)} to {_number(row.high)}" if has_interval else "",
        html.escape(_place(row, is_best)),
    ]
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _place(row: Rank, is_best: bool) -> str:
    if row.reason:
        return row.reason
    if is_best:
        return f"best (probability {row.probability:.0%})"
    return "tied with the best" if row.tied else "worse than the best"


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.4g}"
