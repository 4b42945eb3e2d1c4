"""Comparing: a comparison that is checked and ready to run."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from lrwidget.core.arrays import FloatArray
from lrwidget.core.checks import shown
from lrwidget.core.compare.comparison import Comparison
from lrwidget.core.compare.halving import in_rounds
from lrwidget.core.compare.here import TrialsHere
from lrwidget.core.compare.run import Run
from lrwidget.core.compare.settings import (
    CompareSettings,
    CompareUpdate,
    check_callbacks,
    is_set,
)
from lrwidget.core.compare.trials import Trial
from lrwidget.core.compare.variants import Variant, variants_of
from lrwidget.core.data.reader import StopFlag
from lrwidget.core.data.source import Batches, Source, source_of
from lrwidget.core.engine.borrowed import Borrowed, Training, borrowed
from lrwidget.core.model.fit_guard import finish_left_fit
from lrwidget.core.model.learning_rate import check_compiled, holder_of, optimizers_of
from lrwidget.core.model.optimizer_copy import fresh_copy, swapped, with_slots_of
from lrwidget.core.model.rate import Rate
from lrwidget.core.model.rate_choice import rate_of
from lrwidget.core.model.reserve import check_free
from lrwidget.core.model.thread_state import KerasThreadState
from lrwidget.errors import ConfigError, DataError, ModelError


class Comparing:
    """A comparison that is checked and ready to run, on any thread.

    Create it on the thread that owns the model; see `RangeTest`.

    Args:
        model: A compiled Keras model.
        data: As for `compare`.
        variants: As for `compare`.
        settings: The settings.
        validation_data: As for `compare`.
        class_weight: As for `compare`.
        optimizer: As for `compare`.

    Raises:
        LRWidgetError: The model, the data or a variant cannot be used. The model is unchanged.
    """

    def __init__(
        self,
        model: keras.Model,
        data: Any,
        variants: Any,
        settings: CompareSettings,
        *,
        validation_data: Any = None,
        class_weight: dict[int, float] | None = None,
        optimizer: keras.optimizers.Optimizer | None = None,
    ) -> None:
        check_compiled(model)
        check_free(model, "A comparison")
        finish_left_fit(model)
        self.model, self.data, self.validation_data = model, data, validation_data
        self.settings, self.class_weight = settings, class_weight
        self.chosen = optimizer
        self._base_rate = rate_of(model, optimizer)
        self.present = _present_optimizer(model, optimizer)
        self.variants = variants_of(variants, self.present, settings.steps)
        self._variants_at = {
            steps: self._variants_for(variants, steps) for steps in settings.rounds
        }
        self._check_optimizers()
        self._sources: dict[int, Source] = {}
        for each in self.variants:
            self._source(each)
        self._check_data()
        self._validation_source = (
            None if validation_data is None else source_of(validation_data, settings.batch_size)
        )
        self._thread_state = KerasThreadState()

    def _variants_for(self, variants: Any, steps: int) -> dict[str, Variant]:
        """Return the variants of a round by name, because functions depend on its steps."""
        found = variants_of(variants, self.present, steps)
        named = {
            last.name: replace(each, name=last.name)
            for last, each in zip(self.variants, found, strict=True)
        }
        for variant in named.values():
            self.lrs_of(variant, steps)
        return named

    def lrs_of(self, variant: Variant, steps: int) -> FloatArray:
        """Return the learning rates of a run, shape (steps,)."""
        return variant.rates(steps, self.present)

    def run(
        self,
        on_update: Callable[[CompareUpdate], object] | None = None,
        stop: StopFlag | None = None,
        alone: bool = True,
        on_reserved: Callable[[], object] = lambda: None,
        executor: Executor | None = None,
    ) -> Comparison:
        """Run everything and restore the model; see `compare`.

        Args:
            on_update: As for `compare`.
            stop: As for `compare`.
            alone: Whether no other code runs meanwhile; see `borrowed`.
            on_reserved: Called as soon as other uses of the model are refused.
            executor: As for `compare`.
        """
        check_callbacks(on_update, stop, executor)
        self._thread_state.enter()
        if executor is not None:
            return self._run_elsewhere(executor, on_update, stop)
        with self.borrowed(alone, on_reserved) as loan:
            here = TrialsHere(self, loan, self._validation_source, stop)
            runs, done = in_rounds(self, here.run, on_update, lambda: is_set(stop))
        return self._comparison(runs, done, loan)

    def _run_elsewhere(
        self,
        executor: Executor,
        on_update: Callable[[CompareUpdate], object] | None,
        stop: StopFlag | None,
    ) -> Comparison:
        from lrwidget.core.compare.elsewhere import TrialsElsewhere, end, packed

        with self.borrowed() as loan:
            cargo = packed(self, loan)
            elsewhere = TrialsElsewhere(self, cargo, executor, stop)
            try:
                runs, done = in_rounds(self, elsewhere.run, on_update, lambda: is_set(stop))
            finally:
                end(cargo)
        return self._comparison(runs, done, loan)

    def run_alone(self, trial: Trial, stop: StopFlag) -> Run:
        """Run one trial, and restore the model.

        Raises:
            ModelError: It was stopped before the trial.
        """
        self._thread_state.enter()
        runs: list[Run] = []
        with self.borrowed() as loan:
            here = TrialsHere(self, loan, self._validation_source, stop)
            here.run([[trial]], lambda run, _: runs.append(run))
        if not runs:
            raise ModelError("The comparison has ended.")
        return runs[-1]

    def borrowed(
        self, alone: bool = True, on_reserved: Callable[[], object] = lambda: None
    ) -> AbstractContextManager[Borrowed]:
        """Reserve the model in this block, and restore it at the end; see `borrowed`."""
        data = [self.data, self.validation_data]
        variables = self._any_source().variables
        return borrowed(self.model, data, variables, alone=alone, on_reserved=on_reserved)

    @contextmanager
    def built(self, loan: Borrowed) -> Iterator[None]:
        """Build in this block what training builds."""
        first = self._any_source().stream(self.settings.seed)
        with closing(first), loan.training(self._base_rate, self.settings.monitor, first.spec):
            yield

    def _any_source(self) -> Source:
        return next(iter(self._sources.values()))

    def _comparison(self, runs: Sequence[Run], done: int, loan: Borrowed) -> Comparison:
        return Comparison.of(
            runs,
            settings=self.settings_for_file(),
            steps_done=done,
            restored=loan.restored(),
            packages=("keras", keras.backend.backend()),
        )

    def settings_for_file(self) -> dict[str, Any]:
        """Return the settings as plain values."""
        return {
            **vars(self.settings),
            "rounds": list(self.settings.rounds),
            "variants": [each.name for each in self.variants],
            "validated": self.validation_data is not None,
        }

    def trials(self, names: Sequence[str], seed: int, steps: int) -> list[Trial]:
        """Return the runs of one seed; those with the model's own optimizer share a trace."""
        variants = [self._variants_at[steps][name] for name in names]
        trials = [Trial(each, seed, self.lrs_of(each, steps)) for each in variants]
        # Middle rates first: a good run early lets more of the others end early.
        middle = float(np.median([_size(trial.lrs) for trial in trials]))
        return sorted(
            trials,
            key=lambda trial: (
                not trial.variant.trains_as_it_is,
                abs(_size(trial.lrs) - middle),
            ),
        )

    @property
    def is_one_shot(self) -> bool:
        """Whether the data can be read only once."""
        return any(each.is_one_shot for each in self._sources.values())

    def stream(self, trial: Trial, stop: StopFlag | None) -> Batches:
        """Return the training data of a run, from their beginning."""
        return self._source(trial.variant).stream(self.settings.seed + trial.seed, stop)

    def _source(self, variant: Variant) -> Source:
        size = self._batch_size(variant)
        if size not in self._sources:
            self._sources[size] = source_of(self.data, size, self.class_weight)
        return self._sources[size]

    def batches_of(self, variant: Variant) -> tuple[int, int]:
        """Return the size of a variant's batches, and how many of them an update trains on."""
        optimizer = variant.optimizer or self.present
        held = getattr(holder_of(optimizer), "gradient_accumulation_steps", None)
        gathered = variant.changes.get("gradient_accumulation_steps", held)
        return self._batch_size(variant), gathered or 1

    def _batch_size(self, variant: Variant) -> int:
        return variant.batch_size or self.settings.batch_size

    @contextmanager
    def training(self, loan: Borrowed, variant: Variant, spec: Any) -> Iterator[Training]:
        """Prepare the model to train a variant in this block."""
        monitor = self.settings.monitor
        if variant.trains_as_it_is:
            with loan.training(self._base_rate, monitor, spec, same_data=True) as training:
                yield training
            return
        loan.restart()  # the slots are copied as they were at the start
        old = self._replaceable()
        new = fresh_copy(variant.optimizer or old, variant.changes)
        if variant.optimizer is None:
            new = with_slots_of(new, old, self.model)
        elif hasattr(old, "inner_optimizer") and not hasattr(new, "inner_optimizer"):
            new = keras.optimizers.LossScaleOptimizer(new)
        with (
            swapped(self.model, old, new),
            loan.training(
                self._rate_with(new), monitor, spec, same_data=True, temporary=new
            ) as training,
        ):
            yield training

    def _rate_with(self, new: keras.optimizers.Optimizer) -> Rate:
        return rate_of(self.model, None if self.chosen is None else new)

    def _replaceable(self) -> keras.optimizers.Optimizer:
        if self.present is None:
            held = [each.name for each in optimizers_of(self.model)]
            raise ModelError(
                f"The model holds {len(held)} optimizers, {held}, so that it is not known which "
                "one a variant changes. Pass it as `optimizer=`."
            )
        return self.present

    def _check_optimizers(self) -> None:
        """Raise an error if an optimizer of a variant cannot be made, before anything runs."""
        for variant in self.variants:
            if not variant.trains_as_it_is:
                old = self._replaceable()
                new = fresh_copy(variant.optimizer or old, variant.changes)
                with swapped(self.model, old, new):
                    pass

    def _check_data(self) -> None:
        is_arrays = isinstance(self.data, tuple | dict) or hasattr(self.data, "__array__")
        if any(each.batch_size for each in self.variants) and not is_arrays:
            raise ConfigError(
                "`batch_size` in a variant needs arrays, because other data come in batches "
                f"already; got data of type {type(self.data).__name__}. Pass arrays as (x, y)."
            )
        runs = len(self.variants) * self.settings.seeds * len(self.settings.rounds)
        if runs > 1 and self.is_one_shot:
            raise DataError(
                f"The data can be read only once, and {runs} runs need them: got "
                f"{shown(self.data)}. Pass data that start again, such as a generator function or "
                "a tf.data.Dataset."
            )


def _present_optimizer(
    model: keras.Model, chosen: keras.optimizers.Optimizer | None
) -> keras.optimizers.Optimizer | None:
    """Return the optimizer that variants change, if it is known without a trace."""
    if chosen is not None:
        return chosen
    held = optimizers_of(model)
    if getattr(model, "optimizer", None) is not None:
        return model.optimizer
    return held[0] if len(held) == 1 else None


def _size(lrs: FloatArray) -> float:
    return float(np.log10(max(lrs.max(initial=0.0), 1e-30)))
