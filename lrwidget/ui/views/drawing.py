"""Drawing: draws what the state holds into the frame of the plot."""

import numpy as np
from bqplot import Lines, Scatter
from numpy.typing import NDArray

from lrwidget.core.curve.ladder import FloatArray
from lrwidget.ui.looks import axis
from lrwidget.ui.looks import colors as looks
from lrwidget.ui.looks.drawing import set_points
from lrwidget.ui.state.drawn_curve import LOSSES
from lrwidget.ui.state.state import WidgetState
from lrwidget.ui.views.frame import Frame
from lrwidget.ui.views.thinning import COLUMNS, RAW_COLUMNS, shown_points
from lrwidget.ui.views.zones import draw_zones
from lrwidget.ui.words import text

_TOUCHING, _APART = 0.012, 0.055
"""Markers closer than the first number, in widths of the plot, are drawn above one another, the
second number of heights apart."""


class Drawing:
    """Draws the curve, the rules, the picks and the zones.

    Args:
        state: Read, never changed.
        frame: The figure to draw in.
    """

    def __init__(self, state: WidgetState, frame: Frame) -> None:
        self._state, self._frame, self._marks = state, frame, frame.marks

    def everything(self) -> None:
        """Draw everything."""
        self.curve()
        self.earlier()
        self.rules()
        self.zones()
        self.pick()
        self.compared()

    def curve(self) -> None:
        """Draw the displayed curve and fit the loss axis to it."""
        curve, marks = self._state.curve, self._marks
        self._frame.name_loss_axis(text.name_of(self._state.show), len(curve) > 0)
        set_points(marks.here, [], [])
        if not len(curve):
            for line in (marks.raw, marks.smoothed):
                set_points(line, curve.lrs, curve.losses)
            set_points(marks.band, [], [])
            return
        self._frame.fit_losses(*self._limits())
        self._put_line(marks.raw, curve.lrs, curve.losses, RAW_COLUMNS)
        self._put_line(marks.smoothed, curve.lrs, curve.smoothed, COLUMNS)
        self._band()

    def _put_line(self, line: Lines, lrs: FloatArray, values: FloatArray, columns: int) -> None:
        kept = self._kept(lrs, values, columns)
        set_points(line, lrs[kept], self._clipped(values[kept]))

    def _kept(self, lrs: FloatArray, values: FloatArray, columns: int) -> NDArray[np.intp]:
        fractions = self._frame.lr_axis.fractions(lrs, *self._frame.span)
        return shown_points(fractions, values, columns)

    def _clipped(self, values: FloatArray) -> FloatArray:
        return self._frame.loss_axis.clipped(values, *self._frame.limits)

    def _limits(self) -> tuple[float, float]:
        """Return the lower and the upper end of the loss axis."""
        state, curve, kind = self._state, self._state.curve, self._frame.loss_axis
        values = kind.positions(curve.losses)
        if state.show in LOSSES:
            low, high = axis.loss_limits(values, kind.positions(curve.smoothed))
        else:
            loss = state.measured.curve("loss", state.smoothing)
            calm_until = loss.lrs[int(np.argmin(loss.smoothed))]
            low, high = axis.value_limits(values, values[curve.lrs <= calm_until])
        return (float(np.exp(low)), float(np.exp(high))) if kind.is_log else (low, high)

    def _band(self) -> None:
        state = self._state
        band = state.measured.band(state.smoothing)
        if state.show != "loss" or not band.size:
            set_points(self._marks.band, [], [])
            return
        lrs = state.measured.lrs
        # Keep the narrowest and the widest place in each column.
        kept = self._kept(lrs, band[1] - band[0], COLUMNS // 2)
        set_points(self._marks.band, lrs[kept], self._clipped(band[:, kept]))

    def earlier(self) -> None:
        """Draw the smoothed curves of earlier tests."""
        lrs, heights, colors = [], [], []
        for run in self._state.earlier:
            curve = run.measured.curve(self._state.show, self._state.smoothing)
            if len(curve):
                kept = self._kept(curve.lrs, curve.smoothed, COLUMNS // len(self._state.earlier))
                lrs.append(curve.lrs[kept])
                heights.append(self._clipped(curve.smoothed[kept]))
                colors.append(looks.run_color(run.number))
        self._marks.earlier.colors = colors or [looks.EARLIER]
        set_points(self._marks.earlier, _as_rows(lrs), _as_rows(heights))

    def zones(self) -> None:
        """Draw the zones of learning rates, and what the model has now."""
        draw_zones(self._frame, self._state)

    def rules(self) -> None:
        """Draw a marker and an interval for each rule on show."""
        shown = [rule for rule in self._marks.rules if rule == "auto" or self._state.rules_shown]
        found = {rule: self._state.suggestion(rule) for rule in shown}
        heights = self._heights({r: s.lr for r, s in found.items() if s and s.lr is not None})
        spans, levels, colors = [], [], []
        for rule, marker in self._marks.rules.items():
            suggestion = found.get(rule)
            if suggestion is None or suggestion.lr is None or rule not in heights:
                set_points(marker, [], [])
                continue
            set_points(marker, [suggestion.lr], [heights[rule]])
            if suggestion.low is not None:
                spans.append([suggestion.low, suggestion.high])
                levels.append([heights[rule]] * 2)
                colors.append(looks.of_rule(rule).color)
        self._marks.intervals.colors = colors or [looks.EARLIER]
        set_points(self._marks.intervals, spans, levels)

    def _heights(self, lrs: dict[str, float]) -> dict[str, float]:
        """Return where to draw each rule's marker: on the curve, or above one that is there."""
        frame, curve = self._frame, self._state.curve
        placed: list[tuple[float, float]] = []
        heights = {}
        for rule, lr in lrs.items():
            height = curve.height(lr)
            if height is None:
                continue
            x = float(frame.lr_axis.fractions(np.array(lr), *frame.span))
            y = float(frame.loss_axis.fractions(np.array(height), *frame.limits))
            while any(abs(x - u) < _TOUCHING and abs(y - v) < 0.9 * _APART for u, v in placed):
                y += _APART
            placed.append((x, y))
            heights[rule] = float(frame.loss_axis.values(np.array(y), *frame.limits))
        return heights

    def compared(self) -> None:
        """Draw what training has given at each compared learning rate."""
        curve, (low, high) = self._state.curve, self._frame.span
        drawn = [each for each in self._state.compared if len(curve) and low <= each.lr <= high]
        lrs = [each.lr for each in drawn]
        heights = [curve.height(lr) for lr in lrs]
        if not drawn and not self._marks.compared.x.size:
            return
        self._marks.compared.colors = [looks.variant_look(e.place).color for e in drawn] or ["gray"]
        set_points(self._marks.compared, lrs, heights)
        with self._marks.scores.hold_sync():
            self._marks.scores.text = np.array([text.format_loss(each.score) for each in drawn])
            set_points(self._marks.scores, lrs, heights)

    def pick(self) -> None:
        """Draw the pick and the lower end of the planned cycles."""
        marks, lr, low = self._marks, self._state.picked_lr, self._state.low_lr
        self.point(marks.pick_point, lr)
        for line, at in ((marks.pick_line, lr), (marks.low_line, low)):
            set_points(line, *(([], []) if at is None else ([at, at], [0.0, 1.0])))

    def point(self, mark: Scatter, lr: float | None) -> None:
        """Draw a point on the smoothed curve."""
        height = None if lr is None else self._state.curve.height(lr)
        set_points(mark, *(([], []) if height is None else ([lr], [height])))


def _as_rows(curves: list[FloatArray]) -> FloatArray:
    """Return curves of different lengths as rows, each filled up with its last value.

    With NaN instead, bqplot would place the hidden name of a curve at an undefined position.
    """
    longest = max(map(len, curves), default=0)
    rows = [np.pad(each, (0, longest - len(each)), mode="edge") for each in curves]
    return np.array(rows) if rows else np.empty(0)
