"""ComparePlot: the curves of the variants, and their distances to the best one."""

import html
from typing import Any

import numpy as np
from bqplot import Axis, Figure, LinearScale, Lines, Scatter
from ipywidgets import HTML, Box, VBox

from lrwidget.core.arrays import FloatArray
from lrwidget.core.compare.comparison_drawing import curves_of
from lrwidget.ui.looks import axis
from lrwidget.ui.looks.colors import EARLIER, variant_look
from lrwidget.ui.looks.drawing import set_points
from lrwidget.ui.state.compare_state import CompareState
from lrwidget.ui.words.text import plain_name

_HEIGHT = "300px"
_MOST_POINTS = 200
_EXACT = {"min": 0.0, "max": 1.0, "allow_padding": False}


class ComparePlot(Box):
    """The loss of every variant on the left; on the right, how far each is behind the best.

    Args:
        state: Observed.
    """

    def __init__(self, state: CompareState) -> None:
        self._state = state
        self._lines: dict[str, Lines] = {}
        self._curves, self._legend = self._make_curves(), HTML()
        self._legend.add_class("lrw-compare-legend")
        self._distances = self._make_distances()
        left = VBox([self._curves, self._legend])
        left.add_class("lrw-compare-curves")
        right = Box([self._distances])
        right.add_class("lrw-compare-distances")
        super().__init__([left, right])
        self.add_class("lrw-compare-figures")
        state.observe(self._draw_curves, "runs")
        state.observe(self._draw_distances, "comparison")
        self._draw_curves()
        self._draw_distances()

    def _make_curves(self) -> Figure:
        self._step, self._loss = LinearScale(**_EXACT), LinearScale(**_EXACT)
        self._step_axis = Axis(
            scale=self._step, label="training step", label_offset="34px", tick_format=",~r"
        )
        self._loss_axis = Axis(
            scale=self._loss,
            side="left",
            label="training loss, smoothed",
            label_offset="46px",
            tick_format="~g",
        )
        return _figure([], [self._step_axis, self._loss_axis], left=62)

    def _make_distances(self) -> Figure:
        self._behind, self._place = LinearScale(**_EXACT), LinearScale(**_EXACT)
        scales = {"x": self._behind, "y": self._place}
        self._zero = Lines(
            x=[], y=[], scales=scales, colors=[EARLIER], stroke_width=1.0, line_style="dashed"
        )
        self._reaches = Lines(x=[], y=[], scales=scales, colors=[EARLIER], stroke_width=2.0)
        self._dots = Scatter(x=[], y=[], scales=scales, default_size=70, stroke_width=0)
        self._behind_axis = Axis(
            scale=self._behind,
            label="behind the best, 95 % interval",
            label_offset="34px",
            tick_format="~g",
        )
        self._place_axis = Axis(scale=self._place, side="left", visible=False)
        return _figure(
            [self._zero, self._reaches, self._dots], [self._behind_axis, self._place_axis], left=14
        )

    def _draw_curves(self, _change: Any = None) -> None:
        runs = self._state.runs
        names = list(dict.fromkeys(run.name for run in runs))
        known = [each.name for each in self._state.entries]
        places = {name: known.index(name) if name in known else len(known) for name in names}
        if list(self._lines) != names:
            for line in self._lines.values():
                line.close()
            self._lines = {name: self._line(places[name]) for name in names}
            self._curves.marks = list(self._lines.values())
            self._legend.value = " ".join(_legend(name, places[name]) for name in names)
        drawn: dict[str, tuple[FloatArray, FloatArray]] = {}
        for name in names:
            own = [run for run in runs if run.name == name and len(run.losses)]
            if own:
                steps, curves = curves_of(own, "loss")
                drawn[name] = steps, curves.mean(axis=0)
        self._show([curve for curve in drawn.values() if len(curve[0])])
        for name, (steps, curve) in drawn.items():
            tamed = axis.LINEAR.clipped(curve, self._loss.min, self._loss.max)
            every = -(-len(steps) // _MOST_POINTS)
            set_points(self._lines[name], steps[::-every][::-1], tamed[::-every][::-1])

    def _line(self, place: int) -> Lines:
        look = variant_look(place)
        return Lines(
            x=[],
            y=[],
            scales={"x": self._step, "y": self._loss},
            colors=[look.color],
            line_style=look.dash,
            stroke_width=2.0,
            enable_hover=False,
        )

    def _show(self, curves: list[tuple[FloatArray, FloatArray]]) -> None:
        has_curves = bool(curves)
        self._step_axis.visible = self._loss_axis.visible = has_curves
        if not has_curves:
            return
        low = min(float(curve.min()) for _, curve in curves)
        high = max(float(curve[0]) for _, curve in curves)
        room = 0.08 * (high - low) or 0.1
        _set(self._step, 0.0, float(max(self._state.steps, *(s[-1] for s, _ in curves))))
        _set(self._loss, low - room, high + 2 * room)
        self._step_axis.tick_values = axis.linear_ticks(0.0, self._step.max, 6)
        self._loss_axis.tick_values = axis.linear_ticks(self._loss.min, self._loss.max, 6)

    def _draw_distances(self, _change: Any = None) -> None:
        comparison = self._state.comparison
        rows = [] if comparison is None else [row for row in comparison.ranking if not row.reason]
        rows = [row for row in rows if np.isfinite(row.high)]
        self._behind_axis.visible = len(rows) > 1
        if len(rows) < 2:
            for mark in (self._zero, self._reaches, self._dots):
                set_points(mark, [], [])
            return
        known = [each.name for each in self._state.entries]
        places = 1 - (np.arange(len(rows)) + 0.5) / len(rows)
        ends = np.array([[row.low, row.high] for row in rows])
        low, high = min(0.0, float(ends.min())), max(0.0, float(ends.max()))
        room = 0.08 * (high - low) or 0.1
        _set(self._behind, low - room, high + room)
        self._behind_axis.tick_values = axis.linear_ticks(low - room, high + room, 5)
        set_points(self._zero, [0.0, 0.0], [0.0, 1.0])
        # A gap needs a finite x: bqplot draws no line at all where x is NaN. The last point must
        # not be a gap, since bqplot places the hidden name of the line there.
        heights = np.column_stack([places, places, np.full(len(rows), np.nan)]).ravel()[:-1]
        set_points(self._reaches, np.column_stack([ends, ends[:, 1]]).ravel()[:-1], heights)
        numbers = [known.index(row.name) if row.name in known else len(known) for row in rows]
        self._dots.colors = [variant_look(number).color for number in numbers]
        set_points(self._dots, [row.behind for row in rows], places)


def _figure(marks: list[Any], axes: list[Axis], left: int) -> Figure:
    for each in axes:
        each.grid_lines = "none"
    return Figure(
        marks=marks,
        axes=axes,
        fig_margin={"top": 10, "bottom": 48, "left": left, "right": 14},
        padding_y=0.0,
        display_toolbar=False,
        layout={"height": _HEIGHT, "width": "100%", "min_width": "0"},
    )


def _legend(name: str, place: int) -> str:
    return f"<span>{variant_look(place).swatch} {html.escape(plain_name(name))}</span>"


def _set(scale: LinearScale, low: float, high: float) -> None:
    if (scale.min, scale.max) != (low, high):
        with scale.hold_sync():
            scale.min, scale.max = low, high
