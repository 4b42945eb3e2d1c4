"""Make the figures of docs/rules.md, docs/schedules.md and docs/monitor.md.

Run it from anywhere: python docs/make_page_figures.py
A test compares the numbers in each figure with those that come out.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "docs")]

import keras  # noqa: E402 (needs the line above)
from make_curves import DIGITS, LABELS, classifier, digits, run  # noqa: E402

import lrwidget  # noqa: E402
from lrwidget import schedules  # noqa: E402

PICTURES = ROOT / "docs" / "pictures" / "pages"
Numbers = dict[str, float]
Figure = tuple[Numbers, Callable[[Any], object]]

SCHEDULES = {
    "OneCycle": schedules.OneCycle(0.01, 300),
    "WarmupHoldCosine": schedules.WarmupHoldCosine(0.01, 30, 120, 150),
    "WarmupStableDecay": schedules.WarmupStableDecay(0.01, 30, 210, 60),
    "LinearDecay": schedules.LinearDecay(0.01, 300),
    "Triangular": schedules.TriangularCyclicalLearningRate(0.001, 0.01, 50),
    "Triangular2": schedules.Triangular2CyclicalLearningRate(0.001, 0.01, 50),
    "Exponential": schedules.ExponentialCyclicalLearningRate(0.001, 0.01, 50, gamma=0.998),
}


def rules() -> Figure:
    """Return what each rule suggests for the first curve of docs/curves.md."""
    result = run(digits)
    rates = {rule: found.lr for rule, found in result.suggestions().items()}
    return rates, result.plot


def all_schedules() -> Figure:
    """Return the learning rates of the schedules at four steps."""
    rates = {
        f"{name} at {step}": float(schedule(step))
        for name, schedule in SCHEDULES.items()
        for step in (0, 50, 150, 299)
    }
    return rates, lambda axes: lrwidget.plot_schedules(SCHEDULES, 300, axes)


def trainings() -> Figure:
    """Return the last loss of a training with one-cycle and of one at its peak."""
    monitors = {}
    schedule = schedules.OneCycle(0.02, total_steps=171)
    for name, rate in {"one-cycle": schedule, "constant 0.02": 0.02}.items():
        keras.utils.set_random_seed(0)
        model = classifier("adam", keras.layers.Dense(64, "relu"))
        lrwidget.apply_lr(model, rate)
        monitors[name] = lrwidget.LRMonitor()
        model.fit(DIGITS, LABELS, epochs=3, verbose=0, callbacks=[monitors[name]])
    losses = {name: float(monitor.losses[-57:].mean()) for name, monitor in monitors.items()}
    return losses, lambda axes: lrwidget.plot_monitors(monitors, axes)


FIGURES = {"rules": rules, "schedules": all_schedules, "monitor": trainings}


def main() -> None:
    """Draw all figures."""
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt
    from svg import STYLE, save_svg

    for name, make in FIGURES.items():
        numbers, draw = make()
        with mpl.rc_context(STYLE):
            figure, axes = plt.subplots(figsize=(6.4, 3.2), layout="constrained")
            draw(axes)
        save_svg(figure, PICTURES / f"{name}.svg", json.dumps(numbers))
        plt.close(figure)


if __name__ == "__main__":
    main()
