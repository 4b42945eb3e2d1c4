"""OptimizerRate: moves the learning rate of an optimizer, and checks that a step reads it."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import keras

from lrwidget.core.model.families import (
    family_of,
    leading_first,
    remember_training,
    training_members,
)
from lrwidget.core.model.host import iterations_of
from lrwidget.core.model.learning_rate import (
    candidates_of,
    get_learning_rate,
    holder_of,
    new_rate_variable,
    not_read,
    optimizer_of,
    rate_value,
    set_learning_rate,
    several_optimizers,
)
from lrwidget.core.model.rate import Rate, Reads
from lrwidget.core.model.values import copies_of
from lrwidget.errors import ModelError


class OptimizerRate(Rate):
    """The learning rate of an optimizer; one factor moves all learning rates of a MultiOptimizer.

    Args:
        model: A compiled model.
        chosen: One of the optimizers that it holds; None to use the one that the step uses.

    Raises:
        ModelError: See `candidates_of`.
    """

    def __init__(self, model: keras.Model, chosen: keras.optimizers.Optimizer | None) -> None:
        self._chosen = chosen
        self._heads = candidates_of(model, chosen)
        self._own_variables: dict[int, keras.Variable] = {}
        self._moved: list[tuple[keras.Variable, float]] = []
        self._values: dict[int, float] = {}
        self.variables = [
            rate
            for each in self._members()
            if isinstance(rate := get_learning_rate(each), keras.Variable)
        ]

    def _members(self) -> list[keras.optimizers.Optimizer]:
        members = [each for head in self._heads for each in family_of(head)]
        return list({id(each): each for each in members if holder_of(each) is each}.values())

    def traced(self) -> list[Any]:
        """Return the optimizers, and the ratios of their learning rates."""
        members = self._members()
        values = [rate_value(each) for each in members] if len(members) > 1 else []
        return [members, values]

    def replaced(self) -> list[Any]:
        """Return the schedules and functions that a variable replaces during the test."""
        rates = [get_learning_rate(each) for each in self._members()]
        return [rate for rate in rates if not isinstance(rate, keras.Variable)]

    @contextmanager
    def handed_over(self) -> Iterator[None]:
        """Replace the learning rates of the candidate optimizers by variables."""
        members = self._members()
        self._values = {id(each): rate_value(each) for each in members}
        with ExitStack() as stack:
            for each in members:
                own = get_learning_rate(each)
                if not isinstance(own, keras.Variable):
                    stack.callback(set_learning_rate, each, own)
                    set_learning_rate(each, stand_in_for(self._variable_of(each)))
            yield

    def _variable_of(self, optimizer: keras.optimizers.Optimizer) -> keras.Variable:
        own = get_learning_rate(optimizer)
        if isinstance(own, keras.Variable):
            return own
        if id(optimizer) not in self._own_variables:
            self._own_variables[id(optimizer)] = new_rate_variable(self._value_before(optimizer))
        return self._own_variables[id(optimizer)]

    def settle(self, model: keras.Model, reads: Reads) -> None:
        """Choose the optimizer whose learning rate the step reads; it must be only one."""
        reading = [each for each in self._members() if reads(self._rate_variable(each))]
        # A step may read a learning rate only to report it; a training optimizer counts steps.
        reading = [each for each in reading if reads(iterations_of(each))] or reading
        used = [
            (head, members)
            for head in self._heads
            if (members := [each for each in family_of(head) if any(each is r for r in reading)])
        ]
        if not used:
            raise not_read(model, self._heads)
        if len(used) > 1:
            raise several_optimizers(self._heads, [head for head, _ in used])
        head, members = used[0]
        members = leading_first(head, members)
        self._move(members)
        remember_training(model, [head, *members])

    def _rate_variable(self, optimizer: keras.optimizers.Optimizer) -> keras.Variable:
        own = self._own_variables.get(id(optimizer))
        return self._variable_of(optimizer) if own is None else own

    def settle_untraced(self, model: keras.Model) -> None:
        """Choose the optimizer that should train; the first step shows whether it does."""
        head = optimizer_of(model, self._chosen)
        self._move(training_members(model, head))

    def _move(self, members: list[keras.optimizers.Optimizer]) -> None:
        values = {id(each): self._value_before(each) for each in members}
        ordered, factors = moved_together(members, values)
        self._moved = [
            (self._rate_variable(each), factor)
            for each, factor in zip(ordered, factors, strict=True)
        ]
        self.leader = ordered[0]
        self.dtype = keras.backend.standardize_dtype(self._moved[0][0].dtype)
        self.notes = notes_on(ordered, factors)

    def _value_before(self, optimizer: keras.optimizers.Optimizer) -> float:
        value = self._values.get(id(optimizer))
        return rate_value(optimizer) if value is None else value

    def counters(self) -> list[Any]:
        """Return the step counts, and the counts by which a loss scale skips steps."""
        variables = [variable for head in self._heads for variable in head.variables]
        rates = [id(get_learning_rate(each)) for each in self._members()]
        counts = [each for each in variables if not tuple(each.shape) and id(each) not in rates]
        return copies_of(counts)

    def check_counted(self, model: keras.Model, counters: list[Any]) -> None:
        """Raise ModelError unless an optimizer has counted a step."""
        if [each.tobytes() for each in counters] == [each.tobytes() for each in self.counters()]:
            raise not_read(model, self._heads)

    def moved(self) -> list[tuple[Any, float]]:
        """Return the variables that are moved, each with its factor."""
        return self._moved

    def assign(self, lr: Any) -> None:
        """Set every learning rate that is moved, and keep their ratios."""
        for variable, factor in self._moved:
            variable.assign(lr if factor == 1.0 else lr * factor)


def moved_together(
    members: list[keras.optimizers.Optimizer], values: dict[int, float] | None = None
) -> tuple[list[keras.optimizers.Optimizer], list[float]]:
    """Return optimizers whose learning rates are moved, and the factor of each.

    Args:
        members: The optimizers; the learning rate of the first is that of the test, if not 0.
        values: Their learning rates before the test, by the ids of the optimizers.

    Raises:
        ModelError: The learning rate of one of them cannot be moved, or all are 0.
    """
    for each in members:
        _check_movable(each)
    values = values or {id(each): rate_value(each) for each in members}
    # One factor cannot move a learning rate of 0, which stays 0.
    ordered = sorted(members, key=lambda each: not values[id(each)])
    base = values[id(ordered[0])]
    if len(members) > 1 and not base:
        raise ModelError(
            f"The learning rates of {[each.name for each in members]} are all 0: one factor "
            "cannot move them. Choose one of these optimizers with `optimizer=`."
        )
    return ordered, [1.0, *(values[id(each)] / base for each in ordered[1:])]


class _StandIn:
    """Replaces a schedule or a function: the learning rate is the value of a variable.

    Callable, because Adafactor, for example, treats a plain number differently.

    Args:
        variable: The variable.
    """

    def __init__(self, variable: keras.Variable) -> None:
        self._variable = variable

    def __call__(self) -> keras.Variable:
        return self._variable

    def assign(self, lr: Any) -> None:
        """Set the variable; this is what assigning to `optimizer.learning_rate` calls."""
        self._variable.assign(lr)


def stand_in_for(variable: keras.Variable) -> Any:
    """Return the object that replaces a schedule, so that a variable sets the learning rate."""
    # On other backends a step receives the values of the optimizer's variables, so it must be one
    # of them.
    return _StandIn(variable) if keras.backend.backend() == "tensorflow" else variable


def _check_movable(optimizer: keras.optimizers.Optimizer) -> None:
    if isinstance(optimizer, keras.optimizers.Ftrl):
        raise ModelError(
            "The learning rate of Ftrl cannot be moved from step to step: its sums over earlier "
            "steps are valid for one learning rate only, so the curve would have no meaning. Try a "
            "few constant learning rates in short fits instead."
        )


def notes_on(members: list[keras.optimizers.Optimizer], factors: list[float]) -> tuple[str, ...]:
    """Return sentences for the user about optimizers that are moved by these factors."""
    notes = []
    if len(members) > 1:
        ratios = [f"{each.name} x {f:.3g}" for each, f in zip(members, factors, strict=True)]
        notes.append(
            f"One factor moved the learning rates of {len(members)} optimizers, their ratios "
            f"kept: {', '.join(ratios)}. `lrs` are those of {members[0].name}."
        )
    for each in members:
        is_constant = isinstance(get_learning_rate(each), keras.Variable)
        if getattr(each, "relative_step", False) and is_constant:
            notes.append(
                f"{each.name} trains at no more than 1 / sqrt(step) of a constant learning rate: "
                "larger ones had no effect. Build it with relative_step=False to use them."
            )
    return tuple(notes)
