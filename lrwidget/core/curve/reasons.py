"""Reasons: why there is no suggestion, or why to doubt one, as codes and sentences.

Programs use the codes, people read the sentences. All sentences are defined in this file.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from lrwidget.core.curve.ladder import format_lr

Confidence = Literal["high", "medium", "low", "none"]
Remedy = Literal["", "widen_below", "widen_above", "more_sweeps", "more_steps", "run_again"]


@dataclass(frozen=True)
class Meaning:
    """The meaning of a code.

    Args:
        confidence: The highest confidence of a suggestion with this code.
        doubt: The sentence beside a suggestion, with its numbers in braces.
        refusal: The sentence without a suggestion; empty for a code that never refuses.
        remedy: What to increase in another test; empty if no other test helps.
    """

    confidence: Confidence
    doubt: str = ""
    refusal: str = ""
    remedy: Remedy = ""


@dataclass(frozen=True)
class Finding:
    """A code with the numbers of its sentence, by name."""

    code: str
    numbers: Mapping[str, object] = field(default_factory=dict)


MEANINGS: dict[str, Meaning] = {
    "too_few": Meaning(
        "low",
        refusal="No suggestion: only {count} finite losses were measured; at least {fewest} are "
        "needed. Use more steps, or start lower.",
        remedy="more_steps",
    ),
    "stopped_early": Meaning(
        "low",
        doubt="The test was stopped at {last}, before the loss rose. Run it again to the end.",
        refusal="No suggestion: the test was stopped at {last}, before the loss moved. "
        "Run it again.",
        remedy="run_again",
    ),
    "bad_data": Meaning(
        "low",
        doubt="Step {step}'s batch holds NaN or infinity: look at the data. The learning rate is "
        "not the reason.",
        refusal="No suggestion: step {step}'s batch holds NaN or infinity. Look at the data; the "
        "learning rate is not the reason.",
    ),
    "bad_loss": Meaning(
        "low",
        refusal="No suggestion: the first loss is NaN or infinite, before any update. Look at the "
        "labels and at the loss function, for a logarithm of 0 or a division by 0.",
    ),
    "bad_gradient": Meaning(
        "low",
        refusal="No suggestion: the first update made the loss NaN or infinite, however small the "
        "learning rate. Look for the square root or the logarithm of 0 in the model and the loss.",
    ),
    "ends_in_nan": Meaning(
        "medium",
        doubt="The loss became NaN or infinite after {last} without rising first. If you do not "
        "expect that of this learning rate, look at the data of that step.",
        refusal="No suggestion: the loss became NaN or infinite after {last}, before it moved. "
        "Look at the data of that step.",
    ),
    "flat": Meaning(
        "low",
        refusal="No suggestion: the loss was the same at every learning rate up to "
        "{last}. Raise max_lr, or check that the model has weights to train.",
        remedy="widen_above",
    ),
    "skips_decades": Meaning("low", doubt="{said}", refusal="No suggestion. {said}"),
    "already_trained": Meaning(
        "medium",
        doubt="The loss is at its floor and only rises, from about {rise} on, as in a model that "
        "is trained already. To fine-tune it, stay well below that.",
        refusal="No suggestion: the loss is at its floor and only rises, from about {rise} on, as "
        'in a model that is trained already. To fine-tune it, use what "auto" suggests.',
    ),
    "never_fell": Meaning(
        "low",
        doubt="A guess, well below {rise}, where the loss rises without having fallen. If noise "
        "hides a fall, a larger batch or several sweeps show it. If not, the model cannot learn "
        "these targets, or it is trained already.",
        refusal="No suggestion: the loss rises from about {rise} on without having fallen. If "
        "noise hides a fall, a larger batch or several sweeps show it. If not, the model cannot "
        "learn these targets, or it is trained already.",
        remedy="more_sweeps",
    ),
    "cut_off_below": Meaning(
        "low",
        doubt="The loss falls from the first learning rate on, so the curve is cut off on the "
        "left at {first}. Lower min_lr to see where the fall begins.",
        refusal="No suggestion: the loss rose from the first learning rate on. "
        "Lower min_lr, now {first}.",
        remedy="widen_below",
    ),
    "falls_early": Meaning(
        "medium",
        doubt="The loss falls almost from the first learning rate on. Lower min_lr, now {first}, "
        "to be sure of where the fall begins.",
        remedy="widen_below",
    ),
    "cut_off_above": Meaning(
        "low",
        doubt="The loss had not risen again at the end, {last}. Raise max_lr to see where it "
        "does. If it never does, scale the inputs and the targets.",
        refusal="No suggestion: the loss did not move by more than its noise up to "
        "{last}. Raise max_lr, or use a larger batch.",
        remedy="widen_above",
    ),
    "dead": Meaning(
        "low",
        doubt="Past about {last} the network is dead: its loss hardly depends on the batch any "
        "more, so only the curve before that was read. Scale the inputs, then test again.",
    ),
    "noise": Meaning(
        "low",
        doubt="Too noisy to be sure that the loss falls. Use a larger batch or several sweeps, "
        "then more steps. If it still does not fall, the model cannot learn these targets.",
        refusal="No suggestion: the loss changed by no more than its noise. Use a larger batch or "
        "several sweeps, then more steps. If it still does not fall, the model cannot learn these "
        "targets.",
        remedy="more_sweeps",
    ),
    "disagree": Meaning(
        "low",
        doubt="{rule} lies more than a factor of 10 from the middle of the rules, {middle}. Try "
        "that rate as well.",
    ),
    "sweeps_disagree": Meaning(
        "low", doubt="{rule} varies from {low} to {high} between sweeps.", remedy="more_sweeps"
    ),
    "few_sweeps": Meaning(
        "low",
        doubt="{rule} suggests something on only {picks} of {sweeps} sweeps.",
        remedy="more_steps",
    ),
    "validation_rough": Meaning(
        "low", doubt="The validation loss goes up and down: use more steps.", remedy="more_steps"
    ),
    "validation_disagrees": Meaning(
        "low",
        doubt="Training and validation loss disagree: use more steps.",
        remedy="more_steps",
    ),
    "below_range": Meaning(
        "medium",
        doubt="{rule} points below the range, which starts at {first}. Lower min_lr to see there.",
        remedy="widen_below",
    ),
    "right_of_minimum": Meaning(
        "low", doubt="{rule} points right of the minimum, where the loss rises again."
    ),
    "no_place": Meaning(
        "low",
        refusal='No suggestion: the rule "{rule}" found no suitable learning rate on this curve.',
    ),
}
"""The meaning of each code.

Measured in docs/regret.md, after 100 steps and on tasks that nothing was tuned on: "auto" lost less
than a tenth of the achievable drop of the loss in 80 % of 74 runs with high confidence, in 91 % of
11 with medium and in 59 % of 81 with low confidence.
"""

_LEVELS: tuple[Confidence, ...] = ("high", "medium", "low")


def confidence_of(findings: Sequence[Finding]) -> Confidence:
    """Return the confidence of a suggestion, which its most serious code decides.

    >>> confidence_of([]), confidence_of([Finding("below_range"), Finding("noise")])
    ('high', 'low')
    """
    levels = (MEANINGS[each.code].confidence for each in findings)
    return max(levels, key=_LEVELS.index, default="high")


def doubt_of(findings: Sequence[Finding]) -> str:
    """Return the sentence of the first finding, to show beside a suggestion; may be empty."""
    return _filled(MEANINGS[findings[0].code].doubt, findings[0]) if findings else ""


def refusal_of(findings: Sequence[Finding]) -> str:
    """Return the sentence of the first finding, to show instead of a suggestion."""
    return _filled(MEANINGS[findings[0].code].refusal, findings[0])


def names_its_rule(code: str) -> bool:
    """Return whether the sentence of a code names the rule that it is about."""
    return "{rule}" in MEANINGS[code].doubt + MEANINGS[code].refusal


def _filled(template: str, finding: Finding) -> str:
    numbers = {
        name: format_lr(number) if isinstance(number, float) else number
        for name, number in finding.numbers.items()
    }
    return template.format(**numbers)
