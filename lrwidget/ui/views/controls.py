"""SettingsLine: the settings of a test. RunLine: Run, Stop, progress and status."""

from collections.abc import Callable
from typing import Any, get_args

from ipywidgets import (
    Box,
    Button,
    Checkbox,
    Dropdown,
    FloatLogSlider,
    FloatProgress,
    FloatSlider,
    HBox,
    IntSlider,
    Label,
    ToggleButton,
    VBox,
    Widget,
)

from lrwidget.core.curve.ladder import Mode
from lrwidget.core.range_test.settings import FEWEST_STEPS_WITH_PROBE, PROBE_STEPS
from lrwidget.ui.looks.colors import show_as_text
from lrwidget.ui.state.guard import Guarded
from lrwidget.ui.state.state import LEFT_TO_PROBE, WidgetState
from lrwidget.ui.views import field
from lrwidget.ui.views.setting import Setting
from lrwidget.ui.views.stop_button import StopButton
from lrwidget.ui.views.tree import descendants
from lrwidget.ui.words import kinds
from lrwidget.ui.words.text import NO_MODEL

STOP_HINT = (
    "Stop the test and restore the model. The kernel's interrupt button does not reach a test "
    "that a button started."
)
OnSet = Callable[[str, Any], None]


class SettingsLine(VBox):
    """Sliders for the range, the steps and the smoothing; the rest under "More".

    Args:
        state: Observed; holds the settings.
        on_set: Called with the name of a setting and its new value.
        on_auto: Called with whether a probe finds the range.
        guarded: Wraps a handler so that its errors reach the user.
    """

    def __init__(
        self, state: WidgetState, on_set: OnSet, on_auto: Callable[[bool], None], guarded: Guarded
    ) -> None:
        self._state, self._on_set, self._on_auto, self._guarded = state, on_set, on_auto, guarded
        self._smoothing_setting = self._smoothing()
        main = Box([self._min_lr(), self._max_lr(), self._steps(), self._smoothing_setting])
        main.add_class("lrw-settings")
        self._rest = Box([self._mode(), self._sweeps(), self._stop_factor()])
        self._rest.add_class("lrw-rest")
        self._more = ToggleButton(description="More", tooltip="Mode, sweeps and stop factor")
        self._more.add_class("lrw-more")
        self._more.observe(guarded(self._toggle), "value")
        side = VBox([self._auto_range(), self._more])
        side.add_class("lrw-settings-side")
        line = HBox([main, side])
        line.add_class("lrw-settings-line")
        super().__init__([line, self._rest])
        self._toggle()
        if not state.has_model:
            self._disable_all_but_smoothing()

    def _disable_all_but_smoothing(self) -> None:
        kept = {*descendants(self._smoothing_setting), self._more}
        for each in descendants(self):
            if each.has_trait("disabled") and each not in kept:
                each.disabled = True

    def _toggle(self, _change: Any = None) -> None:
        self._rest.layout.display = "flex" if self._more.value else "none"

    def _setting(self, slider: Widget, kind: kinds.Kind, name: str, hint: str) -> Setting:
        fact = name.replace("-", "_")
        made = Setting(
            slider,
            kind,
            getattr(self._state, fact),
            name=name,
            hint=hint,
            on_change=lambda value: self._on_set(fact, value),
            guarded=self._guarded,
        )
        self._state.observe(lambda change: setattr(made, "value", change.new), fact)
        return made

    def _min_lr(self) -> Setting:
        slider = FloatLogSlider(min=-10, max=2, step=0.05, description="Min LR", readout=False)
        made = self._setting(slider, kinds.LR, "min-lr", "First learning rate of the test")
        return self._marked_where_probed(made, "min_lr")

    def _max_lr(self) -> Setting:
        slider = FloatLogSlider(min=-10, max=2, step=0.05, description="Max LR", readout=False)
        made = self._setting(slider, kinds.LR, "max-lr", "Last learning rate of the test")
        return self._marked_where_probed(made, "max_lr")

    def _marked_where_probed(self, setting: Setting, limit: str) -> Setting:
        fact = LEFT_TO_PROBE[limit]

        def draw(_change: Any = None) -> None:
            is_probed = getattr(self._state, fact)
            (setting.add_class if is_probed else setting.remove_class)("lrw-auto")

        self._state.observe(draw, fact)
        draw()
        return setting

    def _auto_range(self) -> Checkbox:
        control = Checkbox(description="Auto range", indent=False)
        control.tooltip = (
            f"At every Run, a probe of {PROBE_STEPS} of the steps finds Min LR and Max LR. With "
            f"fewer than {FEWEST_STEPS_WITH_PROBE} steps they are 1e-7 and 10."
        )
        control.add_class("lrw-auto-range")

        def draw(_change: Any = None) -> None:
            control.value = self._state.auto_range

        def ticked(change: Any) -> None:
            if change.new != self._state.auto_range:
                self._on_auto(change.new)

        self._state.observe(draw, list(LEFT_TO_PROBE.values()))
        draw()
        control.observe(self._guarded(ticked), "value")
        return control

    def _steps(self) -> Setting:
        slider = IntSlider(min=2, max=1000, description="Steps", readout=False)
        hint = "Training steps: one for each learning rate, those of a probe included"
        return self._setting(slider, kinds.STEPS, "steps", hint)

    def _smoothing(self) -> Setting:
        slider = FloatSlider(min=0, max=0.99, step=0.01, description="Smoothing", readout=False)
        hint = "Smoothing of the bold curve; applied at once"
        return self._setting(slider, kinds.SHARE, "smoothing", hint)

    def _mode(self) -> Dropdown:
        control = Dropdown(options=get_args(Mode), value=self._state.mode, description="Mode")
        control.tooltip = (
            "Learning rates with equal ratios (exponential) or equal differences (linear)"
        )
        control.add_class("lrw-mode")
        control.observe(self._guarded(lambda change: self._on_set("mode", change.new)), "value")
        return control

    def _sweeps(self) -> field.Field:
        hint = "Passes over the range, each from the same weights with different batches"
        return self._plain(kinds.COUNT, "sweeps", "Sweeps", hint)

    def _stop_factor(self) -> field.Field:
        hint = "Stop when the loss has risen by this many times its fall; inf never stops early"
        return self._plain(kinds.FACTOR, "stop_factor", "Stop factor", hint)

    def _plain(self, kind: kinds.Kind, fact: str, description: str, hint: str) -> field.Field:
        def typed(value: float) -> None:
            self._on_set(fact, value)

        control = field.Field(
            kind, on_typed=typed, guarded=self._guarded, description=description, tooltip=hint
        )
        control.number = getattr(self._state, fact)
        self._state.observe(lambda change: setattr(control, "number", change.new), fact)
        control.add_class(f"lrw-{fact.replace('_', '-')}")
        return control


class RunLine(HBox):
    """Run, Stop, the progress bar and the status message.

    Args:
        state: Observed.
        on_run: Called when Run is pressed.
        on_stop: Called when Stop is pressed.
        guarded: Wraps a handler so that its errors reach the user.
    """

    def __init__(
        self,
        state: WidgetState,
        on_run: Callable[[], None],
        on_stop: Callable[[], None],
        guarded: Guarded,
    ) -> None:
        self._state = state
        self._run = Button(description="Run", icon="play", tooltip="Start a range test")
        if not state.has_model:
            self._run.tooltip = f"{NO_MODEL} to run on"
        self._stop = StopButton(tooltip=STOP_HINT, disabled=not state.has_model)
        self._progress = FloatProgress(min=0.0, max=1.0, tooltip="How much of the test is done")
        self._status = show_as_text(Label())
        parts = {
            "run": self._run,
            "stop": self._stop,
            "progress": self._progress,
            "status": self._status,
        }
        for name, part in parts.items():
            part.add_class(f"lrw-{name}")
        super().__init__(list(parts.values()))
        self.add_class("lrw-run-line")
        self._run.on_click(guarded(lambda _button: on_run()))
        self._stop.on_click(guarded(lambda _button: on_stop()))
        state.observe(self._draw_progress, "progress")
        state.observe(self._draw_notice, "notice")
        state.observe(self._draw_buttons, ["status", "picked_lr", "suggestions"])
        self._draw_notice()
        self._draw_buttons()

    def focus_stop(self) -> None:
        """Move the keyboard's focus from a button that has started a test to Stop."""
        self._stop.focus()

    def _draw_progress(self, _change: Any = None) -> None:
        self._progress.value = self._state.progress

    def _draw_notice(self, _change: Any = None) -> None:
        notice = self._state.notice
        self._status.value = notice.text
        (self._status.add_class if notice.is_error else self._status.remove_class)("lrw-error")

    def _draw_buttons(self, _change: Any = None) -> None:
        state = self._state
        self._run.disabled = state.is_busy or not state.has_model
        self._stop.is_resting = state.status != "running"
        self._run.button_style = "primary" if state.next_step == "run" else ""
