"""borrowed: a model on which training steps run for a while, and that is restored at the end."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras

from lrwidget.core.data.python_state import PythonState, state_of_data
from lrwidget.core.data.source import Batches, runs_python
from lrwidget.core.engine.additions import added_by_building
from lrwidget.core.engine.choice import engine_for
from lrwidget.core.engine.protocol import Engine
from lrwidget.core.model.attributes import python_objects_of
from lrwidget.core.model.interrupts import UninterruptedExit
from lrwidget.core.model.random_state import RandomState, own_operation_seeds, own_seed_generator
from lrwidget.core.model.rate import Rate
from lrwidget.core.model.reserve import reserved
from lrwidget.core.model.restored import Restored
from lrwidget.core.model.snapshot import Snapshot, state_variables
from lrwidget.core.model.strategy import scope_of
from lrwidget.core.model.values import Variable, is_tensorflow


class Training:
    """Runs training steps, each time from the same start.

    Args:
        engine: The engine that runs the steps.
        snapshot: The snapshot of the start; variables that only the engine knows are added to it.
        on_traced: Called when a step is traced: later changes come from other code.
        restore: Restores the start; by default from the snapshot.

    Attributes:
        engine: The same engine.
    """

    def __init__(
        self,
        engine: Engine,
        snapshot: Snapshot,
        on_traced: Callable[[], object] = lambda: None,
        restore: Callable[[], object] | None = None,
    ) -> None:
        self.engine = engine
        self._snapshot, self._on_traced = snapshot, on_traced
        self._restore = restore or snapshot.restore
        self._is_at_start = True

    def restart(self) -> None:
        """Restore the start now, so that data that are created next begin from it, too."""
        self._restore()
        self._is_at_start = True

    @contextmanager
    def on(self, batches: Batches) -> Iterator[Engine]:
        """Train on `batches` in this block, from the start; they are closed at the end.

        Raises:
            Exception: The data do not fit the model; see `Engine.start`.
        """
        if not self._is_at_start:
            self.restart()
        self._is_at_start = False
        try:
            self.engine.start(batches)
            self._on_traced()
            self._snapshot.include(self.engine.variables)
            yield self.engine
        finally:
            self.engine.finish()
            batches.close()

    def is_spoilt(self) -> bool:
        """Return whether a variable that was finite at the start contains NaN or infinity now."""
        return self._snapshot.is_spoilt()


class Borrowed:
    """A model that is reserved and will be restored; create it with `borrowed`.

    Args:
        model: A compiled model.
        snapshot: The snapshot of its state.
        states: The states of the user's Python objects.
    """

    def __init__(
        self, model: keras.Model, snapshot: Snapshot, states: Sequence[PythonState]
    ) -> None:
        self._model, self._snapshot, self._states = model, snapshot, states
        self._known = {id(variable) for variable in state_variables(model)}
        self._has_trained = False

    @contextmanager
    def training(
        self,
        rate: Rate,
        monitor: str,
        batch_spec: Any,
        *,
        same_data: bool = False,
        temporary: keras.optimizers.Optimizer | None = None,
    ) -> Iterator[Training]:
        """Build the model as `fit` would, and move its learning rate, in this block.

        Args:
            rate: The object that sets the learning rate.
            monitor: The name of the reported value that is the loss.
            batch_spec: Shapes and types of a batch, or a batch, as `train_step` takes it.
            same_data: Whether the user's Python objects, too, are restored at every start, so
                that a generator gives the same batches again.
            temporary: An optimizer that the model holds for this block only: its engine is not
                reused, and the snapshot drops its variables at the end.
        """
        with UninterruptedExit() as stack:
            self.restart()
            self._has_trained = True
            engine = engine_for(self._model, rate, monitor, reuse=temporary is None)
            additions = stack.enter_context(added_by_building(self._model, batch_spec, engine))
            own = state_variables(self._model)
            self._known.update(id(variable) for variable in own)
            self._snapshot.include([*own, *engine.rate.variables])
            if temporary is not None:
                stack.callback(self._drop, list(temporary.variables))
            stack.enter_context(engine.rate.handed_over())
            restore = self.restore if same_data else self._snapshot.restore
            yield Training(engine, self._snapshot, additions.finish, restore)

    def restart(self) -> None:
        """Restore the start, unless nothing has trained since."""
        if self._has_trained:
            self.restore()
            self._has_trained = False

    def _drop(self, variables: list[Variable]) -> None:
        """Restore everything, and save some variables no longer."""
        self.restore()
        self._snapshot.exclude(variables)

    def restore(self) -> None:
        """Restore the model, the data and the random state."""
        for state in reversed(self._states):
            state.restore()
        self._snapshot.restore()

    def restored(self) -> Restored:
        """Return the fingerprints of the state before and now; call it after the block."""
        left = [each for each in state_variables(self._model) if id(each) not in self._known]
        return self._snapshot.restored(left)


@contextmanager
def borrowed(
    model: keras.Model,
    data: Iterable[Any],
    variables: Iterable[Variable] = (),
    *,
    alone: bool = True,
    on_reserved: Callable[[], object] = lambda: None,
) -> Iterator[Borrowed]:
    """Reserve a model in this block; at the end, restore it, the data and the random state.

    Args:
        model: A compiled model.
        data: Objects of the user that the training reads, such as generators.
        variables: Variables that reading the data changes.
        alone: Whether no other code runs during the block. If not, the global random state of
            Python, numpy and TensorFlow is not restored: another cell of the notebook may
            have set a seed or drawn from it.
        on_reserved: Called as soon as other uses of the model are refused.

    Raises:
        BusyError: The model is reserved already.
        TooLargeError: No second copy of its state fits into memory.
    """
    random_state = RandomState()
    with UninterruptedExit() as stack:
        stack.enter_context(scope_of(model))
        stack.enter_context(reserved(model))
        on_reserved()
        stack.enter_context(own_seed_generator(model))
        is_eager = model.run_eagerly or any(runs_python(each) for each in data)
        if alone and is_eager and is_tensorflow():
            stack.enter_context(own_operation_seeds())
        snapshot = Snapshot(variables, random_state, alone)
        stack.callback(snapshot.restore)
        states = [state_of_data(each, alone) for each in data]
        if alone or model.run_eagerly:
            states.append(PythonState(python_objects_of(model), alone))
        for state in states:
            stack.callback(state.restore)
            snapshot.include(state.variables)
        snapshot.include(state_variables(model))
        yield Borrowed(model, snapshot, states)
