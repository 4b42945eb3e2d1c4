"""find_lr: a range test, and trials where its curve does not decide."""

from collections.abc import Callable
from typing import Any

import keras

from lrwidget.core.advice.found import FoundLR
from lrwidget.core.advice.spread import ROUNDS, answer_of, rates_to_try, with_present
from lrwidget.core.compare.compare import compare
from lrwidget.core.compare.neighbors import neighbors
from lrwidget.core.compare.settings import CompareUpdate
from lrwidget.core.curve.purpose import Purpose, Target
from lrwidget.core.curve.reasons import Confidence
from lrwidget.core.curve.suggest import Suggestion
from lrwidget.core.data.reader import StopFlag
from lrwidget.core.data.source import source_of
from lrwidget.core.model.host import layers_of
from lrwidget.core.model.learning_rate import optimizers_of, rate_value
from lrwidget.core.range_test.growing_curve import Update
from lrwidget.core.range_test.range_test import range_test
from lrwidget.core.range_test.result import RangeTestResult
from lrwidget.core.range_test.settings import PROBE_STEPS
from lrwidget.core.schedules.one_cycle import OneCycle

_MISLEADING = (
    keras.layers.RNN,
    keras.layers.Attention,
    keras.layers.AdditiveAttention,
    keras.layers.MultiHeadAttention,
    keras.layers.GroupQueryAttention,
)


def find_lr(
    model: keras.Model,
    data: Any,
    *,
    target: Target = "constant",
    train_steps: int | None = None,
    validation_data: Any = None,
    sample_data: Any = None,
    seed: int | None = None,
    steps: int = 100,
    batch_size: int = 32,
    class_weight: dict[int, float] | None = None,
    optimizer: keras.optimizers.Optimizer | None = None,
    monitor: str = "loss",
    on_update: Callable[[Update | CompareUpdate], object] | None = None,
    stop: StopFlag | None = None,
) -> FoundLR:
    """Return one learning rate: from a range test, and from short trainings where needed.

    The range test comes first. If its suggestion has low confidence or none, or if the model has
    recurrent or attention layers, whose curves often mislead, five learning rates from a tenth of
    the suggestion to ten times it, and the present one, are trained: all for 40 steps, and the
    better half for 80. The answer is the geometric mean of the best of them and the suggestion.
    Every training starts from the model's present state. The model is restored bit for bit.

    Args:
        model: A compiled Keras model.
        data: As for `range_test`. Data that can be read only once allow no trials.
        target: "constant" for a constant rate, "one_cycle" for the peak of a one-cycle; the
            trials train with that schedule.
        train_steps: Steps of the planned training, as for `suggest`.
        validation_data: Data on which the trials are scored; None scores the training loss.
        sample_data: Data of which the loss is measured during the range test, as its
            `validation_data`; None takes `validation_data`, or else the training data if they can
            be read again.
        seed: Seed for the orders of the data; None draws one.
        steps: Steps of the range test, including those of its probe.
        batch_size: Samples in a batch, if the data are arrays.
        class_weight: As for `range_test`.
        optimizer: As for `range_test`.
        monitor: As for `range_test`.
        on_update: Called about ten times a second, in this thread, with the update of the range
            test or of the comparison.
        stop: An object such as a `threading.Event`, checked about ten times a second.

    Returns:
        The learning rate, with an interval, a confidence and a reason.

    Raises:
        LRWidgetError: A setting, the model or the data cannot be used. The model is unchanged.
        Exception: Any error of the model, the data or `on_update`, raised after the model is
            restored.
    """
    purpose = Purpose(target, "other", train_steps)
    is_one_shot = source_of(data, batch_size).is_one_shot
    sample = validation_data if sample_data is None else sample_data
    if sample is None and not is_one_shot:
        sample = data
    shared: dict[str, Any] = {
        "batch_size": batch_size,
        "seed": seed,
        "class_weight": class_weight,
        "optimizer": optimizer,
        "monitor": monitor,
        "on_update": on_update,
        "stop": stop,
    }
    result = range_test(
        model,
        data,
        steps=steps,
        validation_data=sample,
        **shared,
    )
    suggestion = result.suggest("auto", target, train_steps=train_steps)
    if result.stop_reason == "stopped" or is_one_shot or not needs_trials(model, suggestion):
        return _from_curve(result, suggestion, target, steps)
    rates = with_present(rates_to_try(result, suggestion), _present_rate(model, optimizer))
    variants = {name: _variant(rate, purpose.target) for name, rate in rates.items()}
    comparison = compare(
        model,
        data,
        variants,
        steps=ROUNDS[-1],
        rounds=ROUNDS,
        validation_data=validation_data,
        **shared,
    )
    done = _steps_of(result, steps) + comparison.steps
    answer = answer_of(comparison, rates, suggestion.lr)
    if answer is None:
        return _from_curve(result, suggestion, target, steps, comparison)
    confidence: Confidence = "low" if answer.is_at_edge or answer.is_tied else "medium"
    return FoundLR(
        lr=answer.lr,
        low=answer.low,
        high=answer.high,
        confidence=confidence,
        reason=_reason(suggestion, comparison, answer.is_at_edge),
        range_test=result,
        comparison=comparison,
        steps=done,
        target=target,
    )


def needs_trials(model: keras.Model, suggestion: Suggestion) -> bool:
    """Return whether a curve does not decide: it is doubtful, or the model's curves mislead."""
    misleads = any(isinstance(layer, _MISLEADING) for layer in layers_of(model))
    return misleads or not suggestion.reliable


def _steps_of(result: RangeTestResult, steps: int) -> int:
    """Return the training steps of a range test of at most `steps` steps."""
    has_probed = result.config.steps == steps - PROBE_STEPS
    return len(result.lrs) + (PROBE_STEPS if has_probed else 0)


def _variant(rate: float, target: Target) -> Any:
    return rate if target == "constant" else next(iter(neighbors(rate, (1,), OneCycle).values()))


def _present_rate(model: keras.Model, optimizer: keras.optimizers.Optimizer | None) -> float | None:
    """Return the learning rate of the next step, if the optimizer is known."""
    held = [optimizer] if optimizer is not None else optimizers_of(model)
    return rate_value(held[0]) if len(held) == 1 else None


def _from_curve(
    result: RangeTestResult,
    suggestion: Suggestion,
    target: Target,
    steps: int,
    comparison: Any = None,
) -> FoundLR:
    reason = suggestion.reason or "The curve of the range test is clear."
    if comparison is not None:
        reason = f"{reason} None of the trials finished."
    return FoundLR(
        lr=suggestion.lr,
        low=suggestion.low,
        high=suggestion.high,
        confidence=suggestion.confidence,
        reason=reason,
        range_test=result,
        comparison=comparison,
        steps=_steps_of(result, steps) + (0 if comparison is None else comparison.steps),
        target=target,
    )


def _reason(suggestion: Suggestion, comparison: Any, is_at_edge: bool) -> str:
    why = (
        "The curves of models with recurrent or attention layers often mislead"
        if suggestion.reliable
        else "The curve does not decide"
    )
    trials = len(comparison.ranking)
    text = f"{why}, so {trials} rates were trained: {comparison.summary}"
    if suggestion.lr is not None:
        text += " The answer is the geometric mean of that rate and the curve's suggestion."
    if is_at_edge:
        text += " The best is the outermost rate that was tried: a better one may lie beyond."
    return text
