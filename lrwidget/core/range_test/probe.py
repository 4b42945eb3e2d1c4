"""The probe: finds the range of learning rates for a test from a short, coarse sweep."""

from lrwidget.core.curve.ladder import FloatArray
from lrwidget.core.curve.stop_rule import DivergenceRule

# Decades below the divergence that contain the fall. On nine in ten of the tuned runs of
# docs/regret.md the best learning rate to train with lies 1.3 to 4 decades below the divergence
# of such a coarse sweep, which is detected about a decade late.
_WIDTH = 5.0
_STOP_FACTOR = 4.0


def found_range(ladder: FloatArray, losses: FloatArray) -> tuple[float, float]:
    """Return the range of learning rates in which the curve of a probe falls and rises again.

    The range ends where the probe diverged, by the stop rule of the range test, or otherwise at
    its last finite loss. It is 5 decades wide, but does not start below the probe. Even a short
    sweep shows where the loss rises; where it starts to fall is often lost in noise.

    >>> from lrwidget import lr_ladder
    >>> ladder = lr_ladder(1e-8, 100.0, 30)
    >>> low, high = found_range(ladder, 2.3 - 2 / (1 + (0.001 / ladder) ** 2) + ladder)
    >>> f"{low:.0e} {high:.0e}"
    '2e-04 2e+01'

    Args:
        ladder: Learning rates of the probe, shape (n,), increasing, > 0, n >= 2.
        losses: The losses that it measured, shape (m,), finite, m <= n.

    Returns:
        The lowest and the highest learning rate; those of the whole ladder if fewer than two
        losses are finite.

    Source: this package.
    """
    if len(losses) < 2:
        return float(ladder[0]), float(ladder[-1])
    diverged = DivergenceRule(len(ladder), _STOP_FACTOR).first_divergence(losses)
    high = float(ladder[len(losses) - 1 if diverged is None else diverged])
    return max(high / 10**_WIDTH, float(ladder[0])), high
