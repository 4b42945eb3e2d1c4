"""draw_zones: draws the zones of learning rates behind the curve, and what the model has now."""

from itertools import pairwise

import numpy as np
from bqplot import Label

from lrwidget.ui.looks import colors as looks
from lrwidget.ui.looks.drawing import set_points
from lrwidget.ui.state.drawn_curve import LOSSES
from lrwidget.ui.state.state import WidgetState
from lrwidget.ui.views.frame import Frame

_TOP, _BELOW_TOP = 0.97, 0.9
"""Height of the names of the zones and of the word "now", of the figure's height."""

_NARROW = 0.04
"""A zone with a smaller share of the axis has no name."""


def draw_zones(frame: Frame, state: WidgetState) -> None:
    """Draw the zones, if the curve shows them, and the learning rate that the model has now."""
    marks, (low, high) = frame.marks, frame.span
    spans = _spans(state, low, high)
    set_points(marks.zones, spans, [[1.0, 1.0]] * len(spans))
    now = state.model_now.lr
    at = [] if now is None or state.ladder is None or not low < now < high else [now]
    set_points(marks.now_line, 2 * at, [0.0, _BELOW_TOP] if at else [])
    _put_names(marks.now_name, [(lr, "now") for lr in at], _BELOW_TOP)
    names = []
    for name, span in zip(looks.ZONES, spans, strict=bool(spans)):
        start, end = frame.lr_axis.fractions(np.array(span), low, high)
        if end - start > _NARROW:
            middle = frame.lr_axis.values(np.array((start + end) / 2), low, high)
            names.append((float(middle), name))
    _put_names(marks.zone_names, names, _TOP)


def _spans(state: WidgetState, low: float, high: float) -> list[list[float]]:
    """Return the two ends of each zone; nothing if the curve does not show them."""
    works, breaks = state.zones.works_from, state.zones.breaks_from
    if works is None or state.show not in LOSSES:
        return []
    ends = np.clip([low, works, high if breaks is None else breaks, high], low, high)
    return [list(each) for each in pairwise(np.maximum.accumulate(ends))]


def _put_names(mark: Label, names: list[tuple[float, str]], height: float) -> None:
    with mark.hold_sync():
        mark.text = np.array([name for _, name in names])
        mark.x = np.array([x for x, _ in names], dtype=np.float64)
        mark.y = np.full(len(names), height)
