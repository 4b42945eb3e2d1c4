"""CompareDesk: what the Compare tab does, for its buttons and for Python."""

from collections.abc import Callable
from functools import partial
from typing import Any

import keras

from lrwidget.core.advice.spread import ROUNDS, answer_of, rates_to_try, with_present
from lrwidget.core.checks import as_count, plain_number
from lrwidget.core.compare.comparing import Comparing
from lrwidget.core.compare.comparison import Comparison
from lrwidget.core.compare.neighbors import neighbors
from lrwidget.core.compare.settings import CompareSettings
from lrwidget.core.compare.variants import variants_of
from lrwidget.core.curve.ladder import format_lr
from lrwidget.errors import LRWidgetError
from lrwidget.ui.finder.jobs import CompareJob
from lrwidget.ui.plan.plan import Plan
from lrwidget.ui.state.compare_state import CompareState, Entry
from lrwidget.ui.state.state import WidgetState
from lrwidget.ui.words import compare_text

_NOTHING = "Nothing to compare yet: add at least one learning rate."
PRESENT = "present"


class CompareDesk:
    """Fills the list of variants, and prepares comparisons.

    Args:
        state: The state of the widget.
        compare_state: The state of the Compare tab.
    """

    def __init__(self, state: WidgetState, compare_state: CompareState) -> None:
        self._state, self._comparing = state, compare_state
        self._tried: dict[str, float] = {}

    def add_typed(self, lr: float) -> None:
        """Add a constant learning rate."""
        self._comparing.add(_constant(lr))

    def add_pick(self) -> None:
        """Add the picked learning rate, under the plan that is chosen.

        Raises:
            LRWidgetError: Nothing is picked.
        """
        lr = self._state.picked_lr
        if lr is None:
            raise LRWidgetError("Nothing is picked. Click the curve on the first tab.")
        self._comparing.add(_planned(self._state.plan, lr))

    def add_rules(self) -> None:
        """Add the suggestion of every rule, under the plan that is chosen.

        Raises:
            LRWidgetError: There is no suggestion.
        """
        found = {name: each for name, each in self._state.suggestions.items() if each.lr}
        if not found:
            raise LRWidgetError("There is no suggestion yet: run a range test first.")
        for name, each in found.items():
            self._comparing.add(_planned(self._state.plan, each.lr, name))

    def fill_with_neighbors(self) -> None:
        """Replace the list by the pick and its neighbors, under the plan that is chosen.

        Raises:
            LRWidgetError: Nothing is picked.
        """
        lr = self._state.picked_lr
        if lr is None:
            raise LRWidgetError("Nothing is picked. Click the curve first.")
        plan = self._state.plan
        self._comparing.set_entries([_planned(plan, each) for each in neighbors(lr).values()])

    def fill_for_check(self, present: float | None) -> None:
        """Replace the list by the rates that `find_lr` tries after a doubtful curve.

        Args:
            present: The learning rate of the model now, if known.

        Raises:
            LRWidgetError: No range test has ended.
        """
        result, auto = self._state.result, self._state.suggestion("auto")
        if result is None or auto is None:
            raise LRWidgetError("There is no suggestion to check yet: run a range test first.")
        plan = self._state.plan
        rates = with_present(rates_to_try(result, auto), present)
        self._comparing.set_entries([_planned(plan, rate, name) for name, rate in rates.items()])
        self._comparing.set_number("steps", ROUNDS[-1])
        self._comparing.set_number("seeds", 1)
        self._tried = rates

    def pick_answer(self, comparison: Comparison) -> None:
        """Pick the answer of a check, as `find_lr` reads it."""
        auto = self._state.suggestion("auto")
        answer = answer_of(comparison, self._tried, None if auto is None else auto.lr)
        if answer is not None and not any(r.stop_reason == "stopped" for r in comparison.runs):
            self._state.pick(answer.lr)
            self._comparing.say(compare_text.checked(comparison, answer.lr))

    def fill_with(self, variants: Any, present: keras.optimizers.Optimizer | None) -> None:
        """Replace the list by variants as `lrwidget.compare` takes them.

        Raises:
            ConfigError: One of them cannot be used.
        """
        steps = self._comparing.steps
        names = [each.name for each in variants_of(variants, present, steps)]
        values = variants.values() if hasattr(variants, "values") else variants
        self._comparing.set_entries(
            [_given(name, value) for name, value in zip(names, values, strict=True)]
        )

    def set_numbers(self, steps: int | None, seeds: int | None) -> None:
        """Set the steps and seeds of the next comparison; None keeps a number.

        Raises:
            ConfigError: A number cannot be used.
        """
        if steps is not None:
            self._comparing.set_number("steps", as_count("steps", steps, at_least=2))
        if seeds is not None:
            self._comparing.set_number("seeds", as_count("seeds", seeds, at_least=1))

    def prepare(
        self,
        model: keras.Model,
        data: Any,
        batch_size: int,
        seed: int | None,
        options: Any,
        is_check: bool = False,
    ) -> tuple[CompareJob, Callable[[], None]]:
        """Return the job of the next comparison, and a function that reports its start.

        Args:
            model: The model.
            data: The training data.
            batch_size: As for `compare`.
            seed: As for `compare`.
            options: The other settings of `compare` that the widget was made with.
            is_check: Whether this is the check of a suggestion, in rounds, whose answer is picked.

        Raises:
            LRWidgetError: The list is empty, or a setting, the model or the data cannot be used.
        """
        state = self._comparing
        if not state.entries:
            raise LRWidgetError(_NOTHING)
        if options.get("learning_rate") is not None:
            raise LRWidgetError(
                "This widget was made with `learning_rate=`, and a comparison needs an optimizer "
                "whose learning rate it can move."
            )
        settings = CompareSettings.of(
            steps=state.steps,
            seeds=state.seeds,
            batch_size=batch_size,
            seed=seed,
            monitor=options["monitor"],
            stop_early=True,
            rounds=ROUNDS if is_check else None,
        )
        comparing = Comparing(
            model,
            data,
            {each.name: each.value for each in state.entries},
            settings,
            validation_data=options["validation_data"],
            class_weight=options["class_weight"],
            optimizer=options["optimizer"],
        )
        planned = settings.steps * settings.seeds * len(state.entries)
        after = self.pick_answer if is_check else None
        return CompareJob(state, comparing, after), partial(state.begin, planned)

    def winner(self) -> Entry:
        """Return the best variant of the last comparison.

        Raises:
            LRWidgetError: There is none, or it cannot be set on the model.
        """
        comparison = self._comparing.comparison
        if comparison is None or comparison.best is None:
            raise LRWidgetError("There is no winner yet: run a comparison first.")
        found = [each for each in self._comparing.entries if each.name == comparison.best]
        if not found:
            raise LRWidgetError("The winner is no longer in the list. Run the comparison again.")
        if found[0].to_apply is None:
            raise LRWidgetError(
                f"{found[0].name!r} changes more than the learning rate. Compile the model with "
                "these settings to use it."
            )
        return found[0]

    def applied(self, change: Any) -> None:
        """Say that the winner was applied."""
        self._comparing.say(f"{change} {compare_text.TO_APPLY}")


def _constant(lr: float, name: str = "") -> Entry:
    return Entry(name or format_lr(lr), f"constant {format_lr(lr)}", lr, lr, lr)


def _planned(plan: Plan, lr: float, name: str = "") -> Entry:
    """Return the variant of a learning rate under a plan, shortened to the steps of a trial."""
    if not plan.is_schedule:
        return _constant(lr, name)
    return Entry(
        name or f"{plan.kind} {format_lr(lr)}",
        f"{plan.kind}, peak {format_lr(lr)}",
        lambda steps: plan.changed(epochs=1, batches=steps).learning_rate(lr),
        None if plan.batches is None else plan.learning_rate(lr),
        lr,
    )


def _given(name: str, value: Any) -> Entry:
    """Return the entry of a variant that was passed from Python."""
    number = plain_number(value)
    if number is not None:
        return _constant(float(number), name)
    is_schedule = isinstance(value, keras.optimizers.schedules.LearningRateSchedule)
    what = type(value).__name__ if not isinstance(value, dict) else str(value)
    return Entry(name, what, value, value if is_schedule else None)
