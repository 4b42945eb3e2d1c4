"""A program as a user would write it; mypy checks it, nothing runs it."""

import threading

import numpy as np

from lrwidget import (
    AppliedLR,
    LRWidgetError,
    RangeTestResult,
    Suggestion,
    apply_lr,
    lr_ladder,
    range_test,
    smooth,
    suggest,
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
