"""What the pictures of results, schedules and trainings show, and that they hide nothing."""

import subprocess
import sys
import threading

import keras
import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

import lrwidget
from lrwidget import LRMonitor, RangeTestResult, plot_monitors, plot_schedules, schedules
from lrwidget.core.range_test.result_drawing import NO_CURVE
from lrwidget.errors import ConfigError
from tests.core import curves
from tests.core.battery import compiled, features, labels

mpl.use("agg")


@pytest.fixture(autouse=True)
def no_figure_stays_open():
    yield
    mpl.pyplot.close("all")


def made(sweeps=1, mode="exponential", steps=100):
    low, high = (1e-7, 10.0) if mode == "exponential" else (0.001, 1.0)
    lrs = lrwidget.lr_ladder(low, high, steps, mode)
    rows = [curves.as_measured(curves.good(lrs), 0.03, seed) for seed in range(sweeps)]
    n = min(map(len, rows))
    rows = np.array([row[:n] for row in rows])
    quality = (2.5 - curves.good(lrs))[:n]
    return RangeTestResult.from_losses(lrs[:n], rows, metrics={"accuracy": quality})


@pytest.fixture(scope="module")
def monitors():
    found = {}
    for name, rate in {"slow": 0.001, "fast": schedules.OneCycle(0.1, 20)}.items():
        model = compiled(keras.optimizers.SGD(rate))
        found[name] = LRMonitor()
        data = features(), labels()
        model.fit(
            *data, batch_size=10, epochs=3, validation_data=data, verbose=0, callbacks=[found[name]]
        )
    return found


def legend_of(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def line(axes, label):
    (found,) = [each for each in axes.lines if each.get_label().startswith(label)]
    return found


def test_every_rule_has_a_marker_of_its_own_shape_and_its_rate_in_the_legend():
    result = made()
    axes = result.plot()
    suggestions = result.suggestions()
    markers = [line(axes, f"{rule}: ") for rule in suggestions]
    assert len({marker.get_marker() for marker in markers}) == len(suggestions) == 6
    for marker, suggestion in zip(markers, suggestions.values(), strict=True):
        assert marker.get_xdata() == [suggestion.lr]


def test_only_the_rules_that_are_named_are_marked_for_the_target():
    result = made()
    axes = result.plot(rules=["auto", "edge"], target="one_cycle")
    assert line(axes, "auto").get_xdata() == [result.suggest(target="one_cycle").lr]
    assert [label.partition(":")[0] for label in legend_of(axes)[2:]] == ["auto", "edge"]
    assert legend_of(result.plot(rules=())) == ["loss", "smoothed"]
    assert len(legend_of(result.plot(rules="valley"))) == 3


def test_a_rule_of_the_users_joins_with_another_shape():
    lrwidget.register_rule("mine", lambda lrs, losses: lrs[50])
    try:
        axes = made().plot()
        shapes = [each.get_marker() for each in axes.lines if ": " in str(each.get_label())]
        assert len(set(shapes)) == len(shapes) == 7
    finally:
        lrwidget.unregister_rule("mine")


def test_several_sweeps_have_a_band_and_intervals_unless_they_are_left_out():
    result = made(sweeps=5)
    axes = result.plot()
    assert "10 to 90 % of the sweeps" in legend_of(axes)
    auto = result.suggest()
    assert [auto.low, auto.high] in [list(each.get_xdata()) for each in axes.lines]
    assert not result.plot(sweeps=False).collections
    assert not made().plot().collections


def test_the_pick_and_the_bounds_are_drawn_and_named():
    result = made()
    bounds = lrwidget.suggest_bounds(result)
    axes = result.plot(picked=0.0032, bounds=True)
    assert set(line(axes, "picked: 3.20e-3").get_xdata()) == {0.0032}
    (span,) = [patch for patch in axes.patches if patch.get_label().startswith("bounds: ")]
    corners = span.get_extents().transformed(axes.transData.inverted())
    assert (corners.x0, corners.x1) == pytest.approx((bounds.low, bounds.high))


def test_bounds_that_a_curve_does_not_show_are_not_drawn():
    lrs = curves.ladder(100)
    rising = RangeTestResult.from_losses(lrs, curves.rising(lrs))
    assert "no bounds found" in legend_of(rising.plot(bounds=True))
    falling = RangeTestResult.from_losses(lrs[:50], curves.good(lrs[:50]))
    assert any(each.startswith("lower bound: ") for each in legend_of(falling.plot(bounds=True)))


def test_smoothing_and_method_are_those_of_smooth():
    result = made()
    axes = result.plot(smoothing=0.9, method="ema")
    np.testing.assert_array_equal(line(axes, "smoothed").get_ydata(), result.smoothed(0.9, "ema"))


def test_the_axis_is_linear_for_the_linear_mode():
    assert made(mode="linear").plot().get_xscale() == "linear"
    assert made().plot().get_xscale() == "log"


def test_an_accuracy_is_drawn_with_its_own_bounds():
    result = made()
    axes = result.plot(show="accuracy", bounds=True)
    low = lrwidget.suggest_bounds(result, metric="accuracy").low
    assert any(f"bounds: {low:.2e}"[:12] in label for label in legend_of(axes))


DRAWINGS = {
    "result": lambda ax, _monitors: made(3).plot(ax, picked=0.01, bounds=True),
    "schedules": lambda ax, _monitors: plot_schedules(
        {f"schedule {k}": 0.01 * (k + 1) for k in range(12)}, 100, ax
    ),
    "monitor": lambda ax, monitors: monitors["fast"].plot(ax),
    "monitors": lambda ax, monitors: plot_monitors(monitors, ax),
}


@pytest.mark.parametrize("layout", [None, "constrained"])
@pytest.mark.parametrize("name", DRAWINGS)
def test_the_legend_covers_neither_the_curve_nor_other_axes(name, layout, monitors):
    figure = mpl.pyplot.figure(figsize=(12, 4.5), layout=layout)
    left, right = figure.subplots(1, 2)
    slot = left.get_position()
    DRAWINGS[name](left, monitors)
    DRAWINGS[name](left, monitors)
    figure.canvas.draw()
    legend = left.get_legend().get_window_extent()
    assert not legend.overlaps(left.get_window_extent())
    assert not legend.overlaps(right.get_tightbbox())
    if layout is None:
        assert legend.x1 <= figure.bbox.width * slot.x1 + 1
        assert legend.y1 <= figure.bbox.height * slot.y1 + 1


def test_something_is_drawn_on_the_axes_that_were_passed(monitors):
    for draw in DRAWINGS.values():
        axes = Figure().subplots()
        assert draw(axes, monitors) is axes


def test_a_picture_of_a_training_shows_its_steps_its_rates_and_its_validation(monitors):
    monitor = monitors["fast"]
    axes = monitor.plot()
    rates = axes.figure.axes[1]
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), monitor.losses)
    np.testing.assert_array_equal(rates.lines[0].get_ydata(), monitor.lrs)
    validation = next(each for each in axes.lines if each.get_marker() == "D")
    assert list(validation.get_xdata()) == list(monitor.validation)
    assert "validation loss" in legend_of(axes)


def test_a_monitor_that_has_seen_nothing_can_be_drawn():
    LRMonitor().plot()
    plot_monitors({"nothing": LRMonitor()})


def test_trainings_are_drawn_by_their_names(monitors):
    axes = plot_monitors(monitors)
    assert legend_of(axes) == ["slow", "fast", "validation loss"]
    slow, fast = line(axes, "slow"), line(axes, "fast")
    assert slow.get_color() != fast.get_color()
    assert slow.get_linestyle() != fast.get_linestyle()


def only_single_steps(step):
    return 0.1 if step < 5 else 0.01


def test_schedules_are_drawn_at_every_step_whatever_they_are():
    one_cycle = schedules.OneCycle(0.1, 10)
    cosine = keras.optimizers.schedules.CosineDecay(0.1, 10)
    axes = plot_schedules(
        {"one-cycle": one_cycle, "cosine": cosine, "own": only_single_steps, "constant": 0.05}, 10
    )
    steps = np.arange(10)
    np.testing.assert_array_equal(line(axes, "one-cycle").get_xdata(), steps)
    np.testing.assert_allclose(line(axes, "one-cycle").get_ydata(), one_cycle(steps))
    np.testing.assert_allclose(line(axes, "cosine").get_ydata(), [float(cosine(k)) for k in steps])
    assert line(axes, "own").get_ydata().tolist() == [0.1] * 5 + [0.01] * 5
    assert set(line(axes, "constant").get_ydata()) == {0.05}


def test_a_long_schedule_is_drawn_with_fewer_points_and_to_its_end():
    drawn = plot_schedules({"constant": 0.1}, 10**9).lines[0].get_xdata()
    assert len(drawn) < 10_000
    assert drawn[-1] == 10**9 - 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: made().plot(rules=["fastest"]), "rules='fastest'"),
        (lambda: made().plot(rules=3), "rules=3"),
        (lambda: made().plot(target="peak"), "target='peak'"),
        (lambda: made().plot(smoothing=1.0), "amount=1.0"),
        (lambda: made().plot(method="median"), "method='median'"),
        (lambda: made().plot(picked=-1.0), "picked=-1.0"),
        (lambda: made().plot(bounds="yes"), "bounds='yes'"),
        (lambda: made().plot(sweeps=2), "sweeps=2"),
        (lambda: plot_schedules([0.1], 10), r"schedules=\[0.1\]"),
        (lambda: plot_schedules({}, 10), r"schedules=\{\}"),
        (lambda: plot_schedules({3: 0.1}, 10), "a name in schedules"),
        (lambda: plot_schedules({"a": "fast"}, 10), r"schedules\['a'\].*'fast'"),
        (lambda: plot_schedules({"a": -0.1}, 10), r"schedules\['a'\].*-0.1"),
        (lambda: plot_schedules({"a": lambda step: None}, 10), r"schedules\['a'\]\(0\)"),
        (lambda: plot_schedules({"a": 0.1}, 0), "steps=0"),
        (lambda: plot_schedules({"a": 0.1}, 10, "here"), "`ax` must be matplotlib axes"),
        (lambda: plot_monitors({"a": 3}), r"monitors\['a'\].*must be an LRMonitor; got int"),
        (lambda: plot_monitors(LRMonitor()), "monitors="),
    ],
)
def test_what_cannot_be_drawn_is_named_and_no_figure_is_left(call, message):
    with pytest.raises(ConfigError, match=message):
        call()
    assert not mpl.pyplot.get_fignums()


def test_without_matplotlib_the_pip_line_is_named():
    code = """
import sys
import threading
sys.modules["matplotlib"] = None
import numpy as np
import lrwidget
result = lrwidget.RangeTestResult.from_losses(np.logspace(-3, 0, 20), np.ones(20))
for what, draw in {
    "RangeTestResult.plot": result.plot,
    "lrwidget.plot_schedules": lambda: lrwidget.plot_schedules({"a": 0.1}, 10),
    "LRMonitor.plot": lambda: lrwidget.LRMonitor().plot(),
    "lrwidget.plot_monitors": lambda: lrwidget.plot_monitors({"a": lrwidget.LRMonitor()}),
}.items():
    try:
        draw()
    except ImportError as error:
        assert isinstance(error, lrwidget.LRWidgetError)
        assert f"`{what}` needs matplotlib: pip install 'lrwidget[plot]'" in str(error), error
    else:
        raise AssertionError(what)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_test_that_was_stopped_before_its_first_loss_says_so_in_its_picture():
    stop = threading.Event()
    stop.set()
    result = lrwidget.range_test(compiled(), (features(), labels()), min_lr=1e-5, stop=stop)
    ax = result.plot(Figure().subplots())
    assert [each.get_text() for each in ax.texts] == [NO_CURVE]
    assert ax.get_xlim() == (1e-5, 100.0)
