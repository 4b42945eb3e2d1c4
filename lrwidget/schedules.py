"""Learning-rate schedules for Keras, and the momentum that goes with one of them."""

from lrwidget.core.cyclical import (
    CyclicalLearningRate,
    ExponentialCyclicalLearningRate,
    Triangular2CyclicalLearningRate,
    TriangularCyclicalLearningRate,
)
from lrwidget.core.momentum import OneCycleMomentum
from lrwidget.core.restarted import RestartedSchedule
from lrwidget.core.schedules import OneCycle, WarmupHoldCosine

__all__ = [
    "CyclicalLearningRate",
    "ExponentialCyclicalLearningRate",
    "OneCycle",
    "OneCycleMomentum",
    "RestartedSchedule",
    "Triangular2CyclicalLearningRate",
    "TriangularCyclicalLearningRate",
    "WarmupHoldCosine",
]
