"""compare: trains several variants from the same start on the same batches, and ranks them."""

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol

import keras
import numpy as np

from lrwidget.core.arrays import FloatArray
from lrwidget.core.checks import as_count, as_flag, as_text, shown
from lrwidget.core.compare.comparison import Comparison
from lrwidget.core.compare.rounds import as_rounds, better_half
from lrwidget.core.compare.run import Run
from lrwidget.core.compare.trials import Trial, ValidationData, run_trial
from lrwidget.core.compare.variants import Variant, variants_of
from lrwidget.core.data.source import Source, source_of
from lrwidget.core.engine.borrowed import Borrowed, Training, borrowed
from lrwidget.core.model.fit_guard import finish_left_fit
from lrwidget.core.model.learning_rate import check_compiled, optimizers_of
from lrwidget.core.model.optimizer_copy import fresh_copy, swapped, with_slots_of
from lrwidget.core.model.rate import Rate
from lrwidget.core.model.rate_choice import rate_of
from lrwidget.core.model.reserve import check_free
from lrwidget.core.model.thread_state import KerasThreadState
from lrwidget.errors import ConfigError, DataError, ModelError

_MOST_SEEDS = 100
_MOST_TRIAL_STEPS = 100_000


class StopFlag(Protocol):
    """Anything that says whether to stop, such as a `threading.Event`."""

    def is_set(self) -> bool: ...


@dataclass(frozen=True)
class CompareUpdate:
    """The progress of a running comparison.

    Attributes:
        runs: The runs so far; the last one may be running.
        step: Training steps done, in all runs.
        steps: Training steps planned; fewer are needed if runs end early.
    """

    runs: tuple[Run, ...]
    step: int
    steps: int


def compare(
    model: keras.Model,
    data: Any,
    variants: Any,
    *,
    steps: int,
    validation_data: Any = None,
    seeds: int = 1,
    batch_size: int = 32,
    seed: int | None = None,
    class_weight: dict[int, float] | None = None,
    optimizer: keras.optimizers.Optimizer | None = None,
    monitor: str = "loss",
    stop_early: bool = True,
    rounds: Sequence[int] | None = None,
    on_update: Callable[[CompareUpdate], object] | None = None,
    stop: StopFlag | None = None,
) -> Comparison:
    """Train every variant from the model's state now, on the same batches, and rank them.

    All variants start from the same weights, the same slots of the optimizer and the same random
    state, and see the same batches in the same order. However the comparison ends, the model, its
    optimizer and the random state are restored bit for bit.

    Args:
        model: A compiled Keras model.
        data: As for `range_test`. Data must be readable more than once.
        variants: A dict of variants by name, or a list of them. A variant is a learning rate; a
            schedule, which starts at its step 0; a Keras optimizer, of which a fresh copy trains
            at its own learning rate; a dict of changes with the keys `learning_rate`,
            `optimizer`, `batch_size` (for arrays) and any number in the optimizer's config, such as
            `weight_decay`; or a function of the number of steps that returns one of these.
        steps: Optimizer updates of each run, from 2 to 100,000.
        validation_data: Data in any of these forms. The score is then the validation loss on the
            first 16 batches at the end (the mean of the last two of ten measurements).
            Without it, the score is the mean training loss of the last tenth of the steps.
        seeds: Runs of each variant, each with another order of the data, from 1 to 100. Data that
            order themselves, such as a generator, keep their order.
        batch_size: Samples in a batch, if the data are arrays.
        seed: Seed for the orders of the data; None draws one, stored in `settings["seed"]`.
        class_weight: Weight of each class by its number, as for `fit`.
        optimizer: The optimizer that the variants change, for a model that holds several.
        monitor: The name under which the model's own `train_step` returns the loss.
        stop_early: Whether a run ends as "hopeless" once its loss is clearly too far above that of
            the best finished run to catch up.
        rounds: Numbers of steps, increasing, for successive halving: all variants train for the
            first number, the better half of them for the next one, and so on; the last round has
            `steps`. Every round trains from the start, so that no more than one running variant
            is in memory; functions of the number of steps get that of the round.
        on_update: Called about ten times a second, in this thread, with a `CompareUpdate`.
        stop: An object such as a `threading.Event`, checked about ten times a second. Once it is
            set, the comparison ends; runs that are not complete are marked "stopped".

    Returns:
        The runs, and their ranking.

    Raises:
        LRWidgetError: A setting, a variant, the model or the data cannot be used. The model is
            unchanged.
        Exception: Any error of the model, the data or `on_update`, raised after the model is
            restored. A variant whose loss becomes NaN or infinite is no error; its run is marked.

    Source: successive halving as in Jamieson and Talwalkar, arXiv:1502.07943.
    """
    settings = CompareSettings.of(
        steps=steps,
        seeds=seeds,
        batch_size=batch_size,
        seed=seed,
        monitor=monitor,
        stop_early=stop_early,
        rounds=rounds,
    )
    comparing = Comparing(
        model,
        data,
        variants,
        settings,
        validation_data=validation_data,
        class_weight=class_weight,
        optimizer=optimizer,
    )
    return comparing.run(on_update, stop)


@dataclass(frozen=True, kw_only=True)
class CompareSettings:
    """The settings of a comparison, checked; see `compare`."""

    steps: int
    seeds: int = 1
    batch_size: int = 32
    seed: int = 0
    monitor: str = "loss"
    stop_early: bool = True
    rounds: tuple[int, ...] = ()

    @classmethod
    def of(cls, **given: Any) -> "CompareSettings":
        """Return checked settings; `rounds` then ends with `steps`, and a seed is drawn."""
        steps = as_count("steps", given["steps"], at_least=2, at_most=_MOST_TRIAL_STEPS)
        seed = given["seed"]
        return cls(
            steps=steps,
            seeds=as_count("seeds", given["seeds"], at_least=1, at_most=_MOST_SEEDS),
            batch_size=as_count("batch_size", given["batch_size"], at_least=1),
            seed=secrets.randbits(31) if seed is None else as_count("seed", seed, at_most=2**62),
            monitor=as_text("monitor", given["monitor"]),
            stop_early=as_flag("stop_early", given["stop_early"]),
            rounds=as_rounds(given["rounds"], steps),
        )


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
        check_free(model)
        finish_left_fit(model)
        self.model, self.data, self.validation_data = model, data, validation_data
        self.settings, self.class_weight = settings, class_weight
        self._chosen = optimizer
        self._base_rate = rate_of(model, optimizer)
        self.present = _present_optimizer(model, optimizer)
        self.variants = variants_of(variants, self.present, settings.steps)
        for variant in self.variants:
            self.lrs_of(variant, settings.rounds[0])
        self._check_optimizers()
        self._sources = {
            size: source_of(data, size, class_weight)
            for size in {self._batch_size(each) for each in self.variants}
        }
        self._check_data()
        self._validation_source = (
            None if validation_data is None else source_of(validation_data, settings.batch_size)
        )
        self._thread_state = KerasThreadState()

    def lrs_of(self, variant: Variant, steps: int) -> FloatArray:
        """Return the learning rates of a run, shape (steps,)."""
        return variant.rates(steps, self.present)

    def run(
        self,
        on_update: Callable[[CompareUpdate], object] | None = None,
        stop: StopFlag | None = None,
        alone: bool = True,
    ) -> Comparison:
        """Run everything and restore the model; see `compare`.

        Args:
            on_update: As for `compare`.
            stop: As for `compare`.
            alone: Whether no other code runs meanwhile; see `borrowed`.
        """
        self._thread_state.enter()
        any_source = next(iter(self._sources.values()))
        with borrowed(
            self.model, [self.data, self.validation_data], any_source.variables, alone=alone
        ) as loan:
            local = _Local(self, loan, ValidationData.of(self._validation_source, 0), stop)
            runs, done = in_rounds(self, local.run, on_update, lambda: _is_set(stop))
        return Comparison.of(
            runs,
            settings=self.settings_for_file(),
            steps_done=done,
            restored=loan.restored(),
            backend=keras.backend.backend(),
        )

    def settings_for_file(self) -> dict[str, Any]:
        """Return the settings as plain values."""
        return {
            **vars(self.settings),
            "rounds": list(self.settings.rounds),
            "variants": [each.name for each in self.variants],
            "validated": self.validation_data is not None,
        }

    def trials(self, variants: Sequence[Variant], seed: int, steps: int) -> list[Trial]:
        """Return the runs of one seed; those with the model's own optimizer share a trace."""
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

    def source(self, variant: Variant) -> Source:
        """Return the training data of a variant."""
        return self._sources[self._batch_size(variant)]

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
        return rate_of(self.model, None if self._chosen is None else new)

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
        if runs > 1 and any(each.is_one_shot for each in self._sources.values()):
            raise DataError(
                f"The data can be read only once, and {runs} runs need them: got "
                f"{shown(self.data)}. Pass data that start again, such as a generator function or "
                "a tf.data.Dataset."
            )


RunTrials = Callable[[Sequence[Trial], "Callable[[Run, bool], object]"], list[Run]]
"""Runs trials of one seed, and calls a function with each run as it grows and when complete."""


def in_rounds(
    comparing: Comparing,
    run_trials: RunTrials,
    on_update: Callable[[CompareUpdate], object] | None,
    is_stopped: Callable[[], bool],
) -> tuple[list[Run], int]:
    """Run all rounds, and return the last run of every variant and seed, and the steps done."""
    settings, left = comparing.settings, list(comparing.variants)
    kept: dict[tuple[str, int], Run] = {}
    done = 0
    planned = _planned(len(left), settings)

    def report(run: Run, is_complete: bool) -> None:
        nonlocal done
        kept[run.name, run.seed] = run
        if is_complete:
            done += len(run.losses)
        if on_update is not None:
            step = done if is_complete else done + len(run.losses)
            on_update(CompareUpdate(tuple(kept.values()), step, planned))

    for number, steps in enumerate(settings.rounds):
        for seed in range(settings.seeds):
            run_trials(comparing.trials(left, seed, steps), report)
        if is_stopped():
            break
        if number + 1 < len(settings.rounds):
            runs = [run for run in kept.values() if any(run.name == each.name for each in left)]
            names = better_half(runs)
            kept.update(
                {
                    (run.name, run.seed): replace(run, stop_reason="hopeless")
                    for run in runs
                    if run.name not in names and run.stop_reason == "finished"
                }
            )
            left = [each for each in left if each.name in names]
        if not left:
            break
    runs = [
        kept.get((each.name, seed)) or _not_started(each.name, seed, settings.steps)
        for each in comparing.variants
        for seed in range(settings.seeds)
    ]
    last = settings.rounds[-1]
    # Stopped between two rounds: the run of an earlier round is not the whole one.
    return [
        replace(run, stop_reason="stopped")
        if run.stop_reason == "finished" and run.steps < last
        else run
        for run in runs
    ], done


class _Local:
    """Runs trials in this process."""

    def __init__(
        self,
        comparing: Comparing,
        loan: Borrowed,
        validation: ValidationData,
        stop: StopFlag | None,
    ) -> None:
        self._comparing, self._loan, self._validation = comparing, loan, validation
        self._stop = stop

    def run(self, trials: Sequence[Trial], report: Callable[[Run, bool], object]) -> list[Run]:
        """Run trials of one seed; those that the model's own optimizer trains come first."""
        runs: list[Run] = []
        own = [trial for trial in trials if trial.variant.trains_as_it_is]
        for group in [own, *([trial] for trial in trials if not trial.variant.trains_as_it_is)]:
            if group and not _is_set(self._stop):
                self._run_group(group, runs, report)
        return runs

    def _run_group(
        self, trials: Sequence[Trial], runs: list[Run], report: Callable[[Run, bool], object]
    ) -> None:
        """Run trials that share an optimizer."""
        comparing, settings = self._comparing, self._comparing.settings
        first = comparing.source(trials[0].variant).stream(settings.seed + trials[0].seed)
        try:
            with comparing.training(self._loan, trials[0].variant, first.spec) as training:
                for number, trial in enumerate(trials):
                    if _is_set(self._stop):
                        break
                    source = comparing.source(trial.variant)
                    run = run_trial(
                        training,
                        trial,
                        first if number == 0 else source.stream(settings.seed + trial.seed),
                        monitor=settings.monitor,
                        validation=self._validation,
                        leader=self._leader(trial, runs),
                        on_update=lambda run: report(run, False),
                        is_stopped=lambda: _is_set(self._stop),
                    )
                    runs.append(run)
                    report(run, True)
        finally:
            first.close()

    def _leader(self, trial: Trial, runs: Sequence[Run]) -> FloatArray | None:
        """Return the losses of the best finished run on the same batches."""
        if not self._comparing.settings.stop_early:
            return None
        return leader_of(self._comparing, trial, runs)


def leader_of(comparing: Comparing, trial: Trial, runs: Sequence[Run]) -> FloatArray | None:
    """Return the losses of the best finished run on the batches of a trial, if any."""
    size = {each.name: each.batch_size for each in comparing.variants}
    same = [
        run
        for run in runs
        if run.stop_reason == "finished"
        and run.seed == trial.seed
        and size[run.name] == trial.variant.batch_size
        and _same_shape(run.lrs, trial.lrs)
    ]
    return min(same, key=lambda run: run.scored.mean()).losses if same else None


def _same_shape(lrs: FloatArray, others: FloatArray) -> bool:
    """Return whether learning rates change by the same factors: only then can losses be compared
    at the same step. A one-cycle, for example, lags while it warms up."""
    if len(lrs) != len(others):
        return False
    return bool(np.allclose(lrs * others.max(), others * lrs.max(), rtol=1e-4, atol=0.0))


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


def _planned(variants: int, settings: CompareSettings) -> int:
    total, left = 0, variants
    for steps in settings.rounds:
        total += left * steps * settings.seeds
        left = -(-left // 2)
    return total


def _size(lrs: FloatArray) -> float:
    return float(np.log10(max(lrs.max(initial=0.0), 1e-30)))


def _is_set(stop: StopFlag | None) -> bool:
    return stop is not None and stop.is_set()


def _not_started(name: str, seed: int, steps: int) -> Run:
    none = np.empty(0)
    return Run(name, seed, none, none, {}, none, "stopped", 0.0, steps)
