"""Detects which inputs of a function its jaxpr uses."""

from typing import Any


def used_inputs(jaxpr: Any) -> list[bool]:
    """Return for each input of a jaxpr whether a calculation reads it.

    An input that is only passed through to an output is not used.

    Args:
        jaxpr: The attribute `jaxpr` of `jax.make_jaxpr(function)(...)`.
    """
    used = _used_variables(jaxpr)
    return [id(variable) in used for variable in jaxpr.invars]


def _used_variables(jaxpr: Any) -> set[int]:
    used: set[int] = set()
    for equation in jaxpr.eqns:
        inner = getattr(equation.params.get("jaxpr"), "jaxpr", None)
        if inner is None or len(inner.invars) != len(equation.invars):
            used |= {id(variable) for variable in equation.invars}
            continue
        pairs = zip(equation.invars, used_inputs(inner), strict=True)
        used |= {id(variable) for variable, is_used in pairs if is_used}
    return used
