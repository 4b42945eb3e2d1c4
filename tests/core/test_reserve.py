"""While a range test runs, whatever reads or changes the model is refused."""

import numpy as np
import pytest

import lrwidget
from lrwidget.errors import BusyError
from tests.core.battery import batches, compiled

USES = {
    "fit": lambda model: model.fit(batches(), verbose=0),
    "evaluate": lambda model: model.evaluate(batches(), verbose=0),
    "predict": lambda model: model.predict(np.zeros((2, 8)), verbose=0),
    "train_on_batch": lambda model: model.train_on_batch(np.zeros((2, 8)), np.zeros(2)),
    "test_on_batch": lambda model: model.test_on_batch(np.zeros((2, 8)), np.zeros(2)),
    "predict_on_batch": lambda model: model.predict_on_batch(np.zeros((2, 8))),
    "compile": lambda model: model.compile("sgd", "mse"),
    "get_weights": lambda model: model.get_weights(),
    "set_weights": lambda model: model.set_weights([]),
    "save": lambda model: model.save("never.keras"),
    "save_weights": lambda model: model.save_weights("never.weights.h5"),
    "load_weights": lambda model: model.load_weights("never.weights.h5"),
    "export": lambda model: model.export("never", verbose=False),
    "a second range test": lambda model: lrwidget.range_test(model, batches()),
}


def test_every_use_of_the_model_is_refused_during_a_test(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = compiled()
    allowed = set(USES)

    def use_the_model(_update):
        for name, use in USES.items():
            with pytest.raises(BusyError):
                use(model)
            allowed.discard(name)

    result = lrwidget.range_test(model, batches(), steps=4, on_update=use_the_model)
    assert not allowed
    assert result.restored


def test_every_use_of_the_model_is_as_before_after_a_test():
    model = compiled()
    before = dict(vars(model))
    lrwidget.range_test(model, batches(), steps=4)
    assert not set(USES) & (set(vars(model)) - set(before))
    model.fit(batches(), verbose=0, shuffle=False)


def test_what_is_refused_is_named_in_the_message():
    model = compiled()
    acts = {
        "A comparison": lambda: lrwidget.compare(model, batches(), [0.1, 0.2], steps=2),
        "A second range test": lambda: lrwidget.range_test(model, batches(), steps=2),
        "`apply_lr`": lambda: lrwidget.apply_lr(model, 0.1),
    }

    def act(_update):
        for name, refused in acts.items():
            with pytest.raises(BusyError, match=f"^{name} cannot run now"):
                refused()

    lrwidget.range_test(model, batches(), steps=4, on_update=act)
