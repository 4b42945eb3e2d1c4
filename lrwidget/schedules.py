"""Learning-rate schedules for Keras, and the momentum that goes with one of them."""

from lrwidget.core.model.restarted import RestartedSchedule
from lrwidget.core.schedules.cyclical import (
    CyclicalLearningRate,
    ExponentialCyclicalLearningRate,
    Triangular2CyclicalLearningRate,
    TriangularCyclicalLearningRate,
)
from lrwidget.core.schedules.momentum import OneCycleMomentum
from lrwidget.core.schedules.one_cycle import (
    LinearDecay,
    OneCycle,
    WarmupHoldCosine,
    WarmupStableDecay,
)

__all__ = [
    "CyclicalLearningRate",
    "ExponentialCyclicalLearningRate",
    "LinearDecay",
    "OneCycle",
    "OneCycleMomentum",
    "RestartedSchedule",
    "Triangular2CyclicalLearningRate",
    "TriangularCyclicalLearningRate",
    "WarmupHoldCosine",
    "WarmupStableDecay",
]
