"""Outcome: what training at a learning rate has given, drawn on the curve of the range test."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Outcome:
    """The outcome of one variant of a comparison.

    Args:
        lr: Its learning rate, or the peak of its schedule.
        score: Its loss at the end, as in the ranking.
        place: Its place in the list of variants, which decides its color.
    """

    lr: float
    score: float
    place: int
