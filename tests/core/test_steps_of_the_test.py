"""The rule "auto" hardly depends on the steps of a test, and uses those of the training."""

import keras
import numpy as np
import pytest

from lrwidget import range_test, suggest
from lrwidget.core.curve.ladder import lr_ladder
from lrwidget.errors import ConfigError
from tests.core.curves import good

STEPS = (50, 100, 200, 400, 800, 1600)


def trained(steps, needed, edge, share=0.0, limits=(1e-7, 10.0)):
    """Return a curve as training makes it: it falls with the summed rates, and rises with the rate.

    Half of the fall is done where the learning rates add up to `needed`.
    """
    lrs = lr_ladder(*limits, steps)
    losses = 0.3 + 2 / (1 + np.cumsum(lrs) / needed) + (lrs / edge) ** 2
    losses += 2 * share * np.random.default_rng(0).standard_normal(steps)
    end = np.flatnonzero(losses > 6)
    return (lrs, losses) if not end.size else (lrs[: end[0] + 1], losses[: end[0] + 1])


@pytest.mark.parametrize("share", [0.0, 0.03])
@pytest.mark.parametrize("limits", [(1e-7, 10.0), (1e-5, 1.0)])
@pytest.mark.parametrize(("needed", "edge"), [(0.003, 0.3), (0.01, 0.1), (0.03, 1.0)])
def test_auto_moves_by_less_than_a_factor_of_2_from_50_to_1600_steps(needed, edge, share, limits):
    found = [suggest(*trained(n, needed, edge, share, limits)).lr for n in STEPS]
    assert max(found) < 2 * min(found)


def test_a_linear_ladder_is_counted_in_summed_rates_too():
    found = []
    for steps in (200, 1600):
        lrs = lr_ladder(1e-3, 1.0, steps, "linear")
        found.append(suggest(lrs, 0.3 + 2 / (1 + np.cumsum(lrs) / 3) + lrs**2).lr)
    assert max(found) < 2 * min(found)


def test_a_fixed_sample_that_is_measured_now_and_then_is_read_alike():
    found = []
    for steps in STEPS[1:]:
        lrs, losses = trained(steps, 0.01, 0.3)
        sample = np.where(np.arange(len(lrs)) % (steps // 20) == 0, losses, np.nan)
        found.append(suggest(lrs, losses, validation_losses=sample).lr)
    assert max(found) < 2.5 * min(found)


def test_auto_on_a_real_model_is_much_the_same_after_50_400_and_1600_steps():
    random = np.random.default_rng(0)
    x = random.normal(size=(512, 10)).astype("float32")
    y = (x @ random.normal(size=(10, 3))).argmax(axis=1)
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((10,)), keras.layers.Dense(3)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(), loss)
    settings = {"min_lr": 1e-7, "max_lr": 10.0, "seed": 0, "batch_size": 64}
    found = [
        range_test(model, (x, y), steps=steps, **settings).suggest().lr for steps in (50, 400, 1600)
    ]
    assert max(found) < 3 * min(found)


def test_a_longer_training_gets_a_lower_rate_by_the_root_of_its_length():
    lrs = lr_ladder(1e-7, 10.0, 100)
    lr = suggest(lrs, good(lrs)).lr
    assert suggest(lrs, good(lrs), train_steps=25_000).lr == pytest.approx(lr / 10)
    assert suggest(lrs, good(lrs), train_steps=100).lr == lr
    other = suggest(lrs, good(lrs), "valley").lr
    assert suggest(lrs, good(lrs), "valley", train_steps=25_000).lr == other


@pytest.mark.parametrize("train_steps", [0, -3, 2.5, "many"])
def test_the_length_of_a_training_is_a_count(train_steps):
    lrs = lr_ladder(1e-7, 10.0, 100)
    with pytest.raises(ConfigError, match="train_steps"):
        suggest(lrs, good(lrs), train_steps=train_steps)
