"""PlanPanel: the numbers of a schedule and its preview, below the pick."""

from collections.abc import Callable
from typing import Any

from bqplot import Axis, Figure, LinearScale, Lines
from ipywidgets import Box, Label, ToggleButton, VBox

from lrwidget.errors import ConfigError
from lrwidget.ui.looks import axis
from lrwidget.ui.looks import colors as looks
from lrwidget.ui.looks.drawing import set_points
from lrwidget.ui.plan.recipes import NUMBERS, Number
from lrwidget.ui.state.guard import Guarded
from lrwidget.ui.state.state import WidgetState
from lrwidget.ui.views.field import Field
from lrwidget.ui.words import kinds, text

HEIGHT = "240px"
NO_PICK = "Pick a learning rate to see its schedule."

AIM = "Pick lower LR on plot"
AIMING = "Click plot to set lower LR"

OnPlan = Callable[[str, Any], None]

_EPOCHS = Number("Epochs", kinds.COUNT, "Epochs of your training")
_BATCHES = Number("Batches per epoch", kinds.COUNT, "Filled in from the data if its size is known")
_LOW = Number(
    "Lower LR",
    kinds.LR,
    "Lower end of the cycles; starts where the loss begins to fall, or at a quarter of the pick",
)


class PlanPanel(VBox):
    """The schedule to apply; hidden for a constant.

    Args:
        state: Observed.
        on_plan: Called with the name of a number in the plan and its new value.
        on_aim: Called with whether the next click on the plot sets the lower LR.
        guarded: Wraps a handler so that its errors reach the user.
    """

    def __init__(
        self,
        state: WidgetState,
        on_plan: OnPlan,
        on_aim: Callable[[bool], None],
        guarded: Guarded,
    ) -> None:
        self._state, self._on_plan, self._guarded = state, on_plan, guarded
        named = {"epochs": _EPOCHS, "batches": _BATCHES, "low_lr": _LOW, **NUMBERS}
        self._fields = {name: self._field(name, number) for name, number in named.items()}
        self._aim = ToggleButton(description=AIM, icon="crosshairs")
        self._aim.tooltip = "The next click on the plot or on a rule sets the lower LR"
        self._aim.add_class("lrw-aim")
        self._aim.observe(guarded(lambda change: on_aim(change.new)), "value")
        numbers = VBox(
            [*list(self._fields.values())[:3], self._aim, *list(self._fields.values())[3:]]
        )
        numbers.add_class("lrw-numbers")
        self._problem = looks.show_as_text(Label())
        self._problem.add_class("lrw-problem")
        self._stage = Box([self._problem])
        self._stage.add_class("lrw-preview")
        upper = Box([numbers, self._stage])
        upper.add_class("lrw-plan-parts")
        super().__init__([upper])
        self.add_class("lrw-plan")
        state.observe(self._draw, ["plan", "picked_lr"])
        state.observe(self._draw_aim, ["aims_low"])
        self._draw()

    def _field(self, name: str, number: Number) -> Field:
        made = Field(
            number.kind,
            on_typed=lambda value: self._on_plan(name, value),
            guarded=self._guarded,
            description=number.label,
            tooltip=number.hint,
            placeholder="?",
            may_be_empty=name != "epochs",
        )
        made.add_class(f"lrw-plan-{name.replace('_', '-')}")
        return made

    def _make_figure(self) -> Figure:
        self._scales = {
            "x": LinearScale(min=0.0, max=1.0, allow_padding=False),
            "y": LinearScale(min=0.0, max=1.0, allow_padding=False),
        }
        self._line = Lines(
            scales=self._scales,
            x=[],
            y=[],
            colors=[looks.PICK],
            stroke_width=2.0,
            enable_hover=False,
        )
        self._x_axis = Axis(scale=self._scales["x"], label="training step", label_offset="34px")
        self._y_axis = Axis(
            scale=self._scales["y"],
            side="left",
            label="learning rate",
            label_offset="48px",
            tick_format=".2~e",
        )
        for each in (self._x_axis, self._y_axis):
            each.grid_lines = "none"
        self._x_axis.tick_format = ",~r"
        return Figure(
            marks=[self._line],
            axes=[self._x_axis, self._y_axis],
            fig_margin={"top": 10, "bottom": 48, "left": 66, "right": 18},
            padding_y=0.0,
            display_toolbar=False,
            layout={"height": HEIGHT, "width": "100%", "min_width": "0"},
        )

    def _draw_aim(self, _change: Any = None) -> None:
        self._aim.value = self._state.aims_low
        self._aim.description = AIMING if self._state.aims_low else AIM

    def _draw(self, _change: Any = None) -> None:
        plan = self._state.plan
        self.layout.display = "flex" if plan.is_schedule else "none"
        if not plan.is_schedule:
            return
        if len(self._stage.children) == 1:
            # Not before: bqplot cannot draw a figure that is hidden and so has no size.
            self._stage.children = (self._make_figure(), self._problem)
        self._draw_numbers()
        lr = self._state.picked_lr
        if lr is None:
            self._draw_nothing(NO_PICK)
            return
        try:
            self._draw_schedule(lr)
        except ConfigError as error:
            self._draw_nothing(text.failed(error))

    def _draw_numbers(self) -> None:
        state, plan = self._state, self._state.plan
        low = ["low_lr"] if plan.recipe.lower else []
        wanted = {"epochs", "batches", *low, *plan.recipe.numbers}
        own = {"epochs": plan.epochs, "batches": plan.batches, "low_lr": state.low_lr}
        numbers = own | plan.numbers()
        for name, each in self._fields.items():
            each.layout.display = None if name in wanted else "none"
            each.number = numbers.get(name)
        self._aim.layout.display = None if low else "none"

    def _draw_nothing(self, why: str) -> None:
        self._problem.value = text.plain(why)
        set_points(self._line, [], [])
        self._x_axis.visible = self._y_axis.visible = False

    def _draw_schedule(self, lr: float) -> None:
        steps, lrs = self._state.plan.preview(lr)
        self._problem.value = ""
        for scale, last in ((self._scales["x"], steps[-1]), (self._scales["y"], 1.1 * lrs.max())):
            scale.max = float(last)
        self._x_axis.tick_values = axis.linear_ticks(0.0, float(steps[-1]), 6)
        self._y_axis.tick_values = axis.linear_ticks(0.0, float(1.1 * lrs.max()), 5)[1:]
        self._x_axis.visible = self._y_axis.visible = True
        set_points(self._line, steps, lrs)
