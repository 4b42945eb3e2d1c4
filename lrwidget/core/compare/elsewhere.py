"""Trials that run elsewhere: in the processes, threads or machines of an executor.

The model travels as Keras saves it, with the values of all its state and the random state; the
data as arrays or as a function. Every worker loads a copy and trains it as this process would.
"""

import pickle
import secrets
import threading
from collections.abc import Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lrwidget.core.arrays import FloatArray
from lrwidget.core.checks import shown
from lrwidget.core.compare.halving import Report
from lrwidget.core.compare.here import leader_of
from lrwidget.core.compare.hopeless import hopeless_at
from lrwidget.core.compare.run import Run, empty_run
from lrwidget.core.compare.settings import CompareSettings, is_set
from lrwidget.core.compare.trials import Trial
from lrwidget.core.compare.variants import Variant
from lrwidget.core.data.reader import StopFlag
from lrwidget.core.engine.borrowed import Borrowed
from lrwidget.core.model.optimizer_copy import made_from, recipe_of
from lrwidget.core.model.packed import PackedModel, member_at, place_of
from lrwidget.core.model.random_state import RandomState, random_values, set_random_values
from lrwidget.core.pickles import pickled
from lrwidget.errors import ModelError

if TYPE_CHECKING:
    from lrwidget.core.compare.comparing import Comparing

# The stop flag is asked this often.
_SECONDS = 0.1
_AT_THE_TOP = "Define it at the top of a module that the workers can import."

# The random state belongs to a whole process.
_one_at_a_time = threading.Lock()
# The last copy of a model in this process, because loading and tracing take longer than a trial.
_kept: dict[str, "Comparing"] = {}
_ended: set[str] = set()


@dataclass(frozen=True)
class _Package:
    """Everything that a worker needs besides the trials."""

    model: PackedModel
    data: Any
    validation_data: Any
    settings: CompareSettings
    class_weight: dict[int, float] | None
    optimizer: int | None


@dataclass(frozen=True)
class _Order:
    """A trial that can be pickled: an optimizer is replaced by its class and config."""

    variant: Variant
    optimizer: Any
    seed: int
    lrs: FloatArray
    random: dict[str, Any]

    @classmethod
    def of(cls, trial: Trial, random: dict[str, Any]) -> "_Order":
        given = trial.variant
        recipe = None if given.optimizer is None else recipe_of(given.optimizer)
        variant = Variant(given.name, changes=given.changes, batch_size=given.batch_size)
        return cls(variant, recipe, trial.seed, trial.lrs, random)

    def trial(self) -> Trial:
        optimizer = None if self.optimizer is None else made_from(self.optimizer)
        variant = Variant(
            self.variant.name,
            optimizer=optimizer,
            changes=self.variant.changes,
            batch_size=self.variant.batch_size,
        )
        return Trial(variant, self.seed, self.lrs)


@dataclass(frozen=True)
class Cargo:
    """What travels to the workers.

    Attributes:
        token: A name for this comparison, unique.
        content: Everything but the trials and the random state, as bytes.
        random: The global random state at the start.
    """

    token: str
    content: bytes
    random: dict[str, Any]


def packed(comparing: "Comparing", loan: Borrowed) -> Cargo:
    """Return what a worker needs, after a check that it can be loaded.

    Args:
        comparing: The comparison.
        loan: Its model, reserved.

    Raises:
        LRWidgetError: Something in it cannot travel.
    """
    for what, value in (("data", comparing.data), ("validation data", comparing.validation_data)):
        remedy = "Pass arrays, or a function at the top of a module that returns the batches."
        pickled(value, f"The {what}, {shown(value)},", remedy)
    for variant in comparing.variants:
        _pickled_order(Trial(variant, 0, np.empty(0)), {})
    random = random_values()
    with comparing.built(loan):
        model = PackedModel.of(comparing.model)
        chosen = comparing.chosen
        place = None if chosen is None else place_of(comparing.model, chosen)
    loan.restore()
    package = _Package(
        model,
        comparing.data,
        comparing.validation_data,
        comparing.settings,
        comparing.class_weight,
        place,
    )
    content = pickled(package, "The model", _AT_THE_TOP)
    _check_loads(content)
    return Cargo(secrets.token_hex(8), content, random)


def _pickled_order(trial: Trial, random: dict[str, Any]) -> bytes:
    return pickled(_Order.of(trial, random), f"Variant {shown(trial.variant.name)}", _AT_THE_TOP)


def _check_loads(content: bytes) -> None:
    """Load a package in another thread, as a worker does: Keras keeps its settings per thread."""
    with ThreadPoolExecutor(1) as thread:
        try:
            thread.submit(_load_and_forget, content).result()
        except Exception as error:
            raise ModelError(
                "The model cannot be trained elsewhere, because what Keras saves of it cannot be "
                f"loaded: {type(error).__name__}: {error} Give its own classes a `get_config`, "
                "register them with `keras.saving.register_keras_serializable`, and use named "
                "functions; or leave `executor` out."
            ) from error


def _load_and_forget(content: bytes) -> None:
    state = RandomState()
    try:
        _load(content)
    finally:
        state.restore()


def _load(content: bytes) -> "Comparing":
    """Return a comparison on a copy of the model, in the state of the original."""
    from lrwidget.core.compare.comparing import Comparing

    package: _Package = pickle.loads(content)
    model = package.model.load()
    chosen = None if package.optimizer is None else member_at(model, package.optimizer)
    comparing = Comparing(
        model,
        package.data,
        {"elsewhere": {"learning_rate": 1.0}},
        package.settings,
        validation_data=package.validation_data,
        class_weight=package.class_weight,
        optimizer=chosen,
    )
    with comparing.borrowed() as loan, comparing.built(loan):
        pass
    package.model.set_state(model)
    return comparing


def run_there(token: str, content: bytes, order: bytes) -> Run:
    """Run one trial in a worker.

    Args:
        token: The name of the comparison.
        content: Everything but the trial, as from `packed`.
        order: The trial, and the random state.
    """
    with _one_at_a_time:
        state = RandomState()
        try:
            comparing = _kept.pop(token, None) or _load(content)
            _kept.clear()
            made: _Order = pickle.loads(order)
            set_random_values(made.random)
            run = comparing.run_alone(made.trial(), _Ended(token))
            _kept[token] = comparing  # in the state of its start again
            return run
        finally:
            state.restore()


@dataclass(frozen=True)
class _Ended:
    """A stop flag that is set once a comparison of this process has ended."""

    token: str

    def is_set(self) -> bool:
        return self.token in _ended


def end(cargo: Cargo) -> None:
    """End what threads of this process still run, and drop their copy of the model."""
    _ended.add(cargo.token)
    with _one_at_a_time:
        _kept.pop(cargo.token, None)


class TrialsElsewhere:
    """Runs trials in the workers of an executor.

    Args:
        comparing: The comparison.
        cargo: What the workers need.
        executor: Where to run the trials.
        stop: Checked about ten times a second.
    """

    def __init__(
        self, comparing: "Comparing", cargo: Cargo, executor: Executor, stop: StopFlag | None
    ) -> None:
        self._comparing, self._cargo = comparing, cargo
        self._executor, self._stop = executor, stop

    def run(self, trials: Sequence[Sequence[Trial]], report: Report) -> None:
        """Run the trials of every seed, and report each run in the order of the trials."""
        futures = [[self._submitted(trial) for trial in of_seed] for of_seed in trials]
        try:
            for of_seed, waited in zip(trials, futures, strict=True):
                runs: list[Run] = []
                for trial, future in zip(of_seed, waited, strict=True):
                    run = self._run_of(trial, future)
                    if run is None:
                        return
                    runs.append(self._ended_early(trial, run, runs))
                    report(runs[-1], True)
        finally:
            for future in (each for waited in futures for each in waited):
                if isinstance(future, Future):
                    future.cancel()

    def _submitted(self, trial: Trial) -> Any:
        """Return the future of a trial, or the error of an executor that does not take it."""
        order = _pickled_order(trial, self._cargo.random)
        try:
            return self._executor.submit(run_there, self._cargo.token, self._cargo.content, order)
        except Exception as error:
            return error

    def _run_of(self, trial: Trial, future: Any) -> Run | None:
        """Return the run of a trial, however it ended; None after a stop."""
        error = future if isinstance(future, Exception) else None
        while error is None and not future.done():
            if is_set(self._stop):
                return None
            wait([future], timeout=_SECONDS)
        try:
            if error is None:
                return future.result()
        except Exception as raised:
            error = raised
        reason = f"failed in its worker: {type(error).__name__}: {error}"
        return empty_run(trial.variant.name, trial.seed, len(trial.lrs), reason)

    def _ended_early(self, trial: Trial, run: Run, runs: Sequence[Run]) -> Run:
        """Return a run as it would have ended here, where hopeless runs end early."""
        if not self._comparing.settings.stop_early:
            return run
        leader = leader_of(self._comparing, trial, runs)
        count = None if leader is None else hopeless_at(run.losses, leader, trial.lrs)
        if count is None or (run.stop_reason == "diverged" and len(run.losses) <= count):
            return run
        return run.cut(count)
