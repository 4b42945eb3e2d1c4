"""Data: what a task trains on and what it holds back."""

from dataclasses import dataclass

import numpy as np

Arrays = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Data:
    """One data set: what to train on, what is held back, and what the outputs are.

    Attributes:
        train: Inputs and targets to train on.
        validation: Inputs and targets held back.
        classes: Number of classes; 0 for a number to predict.
        tokens: Number of different tokens, where the inputs are sequences of them; else 0.
        heads: Whether each target is a class and a number, for two heads.
    """

    train: Arrays
    validation: Arrays
    classes: int
    tokens: int = 0
    heads: bool = False


def split(x: np.ndarray, y: np.ndarray, classes: int, tokens: int = 0, heads: bool = False) -> Data:
    """Hold back three in ten, at random but always the same; at most 300."""
    order = np.random.default_rng(0).permutation(len(x))
    held = min(300, 3 * len(x) // 10)
    x = x.astype("int32" if tokens else "float32")
    y = y.astype("int32" if classes and not heads else "float32")
    if not classes:
        y = y[:, None]
    train, validation = order[held:], order[:held]
    return Data((x[train], y[train]), (x[validation], y[validation]), classes, tokens, heads)
