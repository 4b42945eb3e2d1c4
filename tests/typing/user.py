"""A program as a user would write it; mypy checks it, nothing runs it."""

import threading

import numpy as np

from lrwidget import (
    AppliedLR,
    Bounds,
    LRFinderWidget,
    LRMonitor,
    LRWidgetError,
    RangeTestResult,
    Suggestion,
    apply_lr,
    lr_ladder,
    plot_monitors,
    plot_schedules,
    range_test,
    range_test_loop,
    register_rule,
    smooth,
    suggest,
    suggest_bounds,
    unregister_rule,
)


def find_a_rate(model: object, x: np.ndarray, y: np.ndarray) -> float | None:
    stop = threading.Event()
    try:
        result: RangeTestResult = range_test(
            model, (x, y), steps=200, mode="linear", stop=stop, on_update=print
        )
    except LRWidgetError as error:
        print(error)
        return None
    suggestion: Suggestion = result.suggest("valley")
    if suggestion.lr is not None and suggestion.reliable:
        applied: AppliedLR = apply_lr(model, suggestion.lr)
        applied.undo()
    if suggestion.confidence == "none" or "bad_data" in suggestion.codes:
        print(suggestion.reason, result.non_finite_cause, result.updates_before)
    return suggestion.lr


def without_a_model() -> Suggestion:
    lrs = lr_ladder(1e-5, 1.0, 100, "exponential")
    return suggest(lrs, smooth(np.sin(lrs), 0.5), rule="auto", target="constant")


def in_a_loop_of_my_own(weights: np.ndarray) -> float | None:
    def step(lr: float) -> float:
        weights[:] -= lr * weights
        return float((weights**2).sum())

    result = range_test_loop(
        step,
        min_lr=1e-5,
        max_lr=None,
        optimizer="sgd",
        get_state=lambda: weights,
        set_state=lambda state: np.copyto(weights, state),
    )
    if result.restored is not None and not result.restored:
        print(result.restored.before, result.restored.after)
    bounds: Bounds = suggest_bounds(result, metric="loss")
    return bounds.low if bounds.reason else bounds.high


def measured_elsewhere(lrs: list[float], losses: list[float]) -> LRFinderWidget:
    result = RangeTestResult.from_losses(lrs, losses, metrics={"accuracy": losses})
    register_rule("third", lambda lrs, smoothed: float(lrs[smoothed.argmin()]) / 3)
    result.plot(rules=["auto", "third"], target="one_cycle", picked=0.01, bounds=True)
    unregister_rule("third")
    return LRFinderWidget.of_result(result, smoothing=0.3)


def pictures(monitor: LRMonitor, schedule: object) -> None:
    monitor.plot()
    plot_monitors({"mine": monitor}).set_title("Training")
    plot_schedules({"mine": schedule, "constant": 0.01}, 1000)
