"""LRRangeTest on the backend that Keras runs on."""

import random

import lrwidget
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
