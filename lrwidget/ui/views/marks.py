"""The marks of the figure and their looks, from the bottom layer to the top."""

from typing import Any

from bqplot import Bars, Label, LinearScale, Lines, LogScale, Mark, Scale, Scatter

from lrwidget.core.curve.rules import RULES
from lrwidget.ui.looks import colors as looks
from lrwidget.ui.looks.axis import AxisKind


class Marks:
    """Every mark of the plot, empty at first.

    Args:
        lr_axis: The kind of the axis of learning rates.
        loss_axis: The kind of the axis of losses.

    Attributes:
        zones: The zones of learning rates: too small, works, breaks.
        zone_names: The names of the zones.
        now_line, now_name: The learning rate that the model has now.
        earlier: The smoothed curves of earlier tests, with gaps between them.
        band: The range of most sweeps.
        raw, smoothed: The displayed curve.
        intervals: How far each rule's answer varies over the sweeps.
        low_line, pick_line, pick_point: The picked learning rates.
        here: The point of the curve nearest to the mouse.
        compared, scores: The learning rates that were compared by training, and their losses.
        rules: The marker of each rule.
        hits: Transparent columns that report clicks and hovering.
    """

    def __init__(self, lr_axis: AxisKind, loss_axis: AxisKind) -> None:
        self.x_scale = _scale(lr_axis)
        self.y_scale = _scale(loss_axis)
        curve_scales = {"x": self.x_scale, "y": self.y_scale}
        self._on_curve = {
            "scales": curve_scales,
            "x": [],
            "y": [],
            "enable_hover": False,
        }
        # Marks on this scale have the full height and need no redraw when the loss axis changes.
        full = {
            "x": self.x_scale,
            "y": LinearScale(min=0.0, max=1.0, allow_padding=False),
        }
        self._on_height = self._on_curve | {"scales": full}
        self.zones = Lines(
            **self._on_height,
            colors=list(looks.ZONES.values()),
            stroke_width=0.0,
            fill="bottom",
            fill_colors=list(looks.ZONES.values()),
            fill_opacities=[0.08] * len(looks.ZONES),
            opacities=[0] * len(looks.ZONES),
        )
        self.zone_names = self._words(full, align="middle")
        self.now_name = self._words(full, align="start", x_offset=5)
        self.now_line = Lines(
            **self._on_height, colors=[looks.EARLIER], stroke_width=1.5, line_style="dash_dotted"
        )
        self.earlier = self._line([looks.EARLIER], 1.5, opacities=[0.55])
        self.band = self._line(
            [looks.CURVE] * 2,
            0.0,
            fill="between",
            fill_colors=[looks.CURVE],
            fill_opacities=[0.2],
            opacities=[0, 0],
        )
        self.raw = self._line([looks.CURVE], 1.0, opacities=[0.65])
        self.smoothed = self._line([looks.CURVE], 2.5)
        self.intervals = self._line([looks.EARLIER], 3.0, opacities=[0.75])
        pick = {"colors": [looks.PICK], "stroke_width": 1.5}
        self.low_line = Lines(**self._on_height, **pick, line_style="dotted")
        self.pick_line = Lines(**self._on_height, **pick, line_style="dashed")
        self.rules = {rule: self._rule_marker(rule) for rule in RULES}
        self.pick_point = Scatter(
            **self._on_curve,
            colors=[looks.PICK],
            fill=False,
            stroke=looks.PICK,
            stroke_width=2.5,
            default_size=240,
        )
        self.here = Scatter(
            **self._on_curve, marker="circle", colors=[looks.CURVE], default_size=50, fill=True
        )
        self.compared = Scatter(
            **self._on_curve, marker="circle", default_size=60, stroke_width=2, fill=True
        )
        self.scores = self._words(curve_scales, align="middle", y_offset=-16)
        self.hits = self._hit_columns()

    def _words(self, scales: dict[str, Any], **options: Any) -> Label:
        return Label(
            scales=scales,
            x=[],
            y=[],
            text=[],
            default_size=11,
            font_weight="normal",
            enable_hover=False,
            **options,
        )

    def _line(self, colors: list[str], width: float, **options: Any) -> Lines:
        return Lines(**self._on_curve, colors=colors, stroke_width=width, **options)

    def _rule_marker(self, rule: str) -> Scatter:
        look = looks.of_rule(rule)
        return Scatter(
            **self._on_curve, marker=look.marker, colors=[look.color], default_size=look.size
        )

    def _hit_columns(self) -> Bars:
        # No other mark of bqplot reports a click on an empty place. bqplot draws bars up to a pixel
        # too narrow; the stroke closes the gaps, and a wider one would cover the neighbors.
        return Bars(
            scales=self._on_height["scales"],
            x=[],
            y=[],
            opacities=[0],
            padding=0,
            stroke="black",
            stroke_width=1.0,
        )

    def all(self) -> list[Mark]:
        """Return every mark, the lowest first."""
        below = [self.zones, self.zone_names, self.now_line, self.now_name]
        lines = [self.earlier, self.band, self.raw, self.smoothed, self.intervals]
        outcomes = [self.compared, self.scores]
        picks = [self.low_line, self.pick_line]
        rules = [self.rules[name] for name in sorted(self.rules, key="auto".__eq__)]
        return [*below, *lines, *picks, *rules, self.pick_point, *outcomes, self.here, self.hits]


def _scale(kind: AxisKind) -> Scale:
    scale = LogScale if kind.is_log else LinearScale
    return scale(min=0.1, max=1.0, allow_padding=False)
