"""LRRangeTest on the backend that Keras runs on."""

import random

import lrwidget
from lrwidget.core.model.snapshot import Snapshot
from tests.backends.test_range_test_on_this_backend import arrays, made


def test_building_draws_from_the_random_state_as_in_a_fit_without_the_callback():
    built = made("not_built")
    built.build(arrays()[0].shape)
    expected = random.random()
    tested = made("not_built")
    tested.fit(*arrays(), verbose=0, callbacks=[lrwidget.LRRangeTest(steps=2, max_lr=1e-3)])
    assert random.random() == expected
    for one, other in zip(tested.get_weights(), built.get_weights(), strict=True):
        assert (one == other).all()


def test_a_variable_that_is_saved_twice_is_restored_to_its_first_value():
    model = made("not_built")
    model.build(arrays()[0].shape)
    before = model.get_weights()
    snapshot = Snapshot(model.variables)
    for variable in model.trainable_variables:
        variable.assign(variable + 1)
    snapshot.include(model.variables)
    snapshot.restore()
    for one, other in zip(model.get_weights(), before, strict=True):
        assert (one == other).all()
