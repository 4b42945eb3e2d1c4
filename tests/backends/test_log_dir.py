"""What LRMonitor and LRRangeTest write is read by TensorBoard's own reader, on every backend."""

import io
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from lrwidget import LRMonitor, LRRangeTest
from lrwidget.errors import ConfigError, LRWidgetError
from lrwidget.schedules import OneCycle

pytest.importorskip("tensorboard")
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

BACKEND = keras.backend.backend()
X = np.random.default_rng(0).normal(size=(60, 4)).astype("float32")
Y = X.sum(axis=1, keepdims=True)
LR, LOSS = "lrwidget/learning_rate", "lrwidget/loss"
TEST = "lrwidget/range_test"


def make_model(optimizer=None):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3), layers.Dense(1)])
    model.compile(optimizer or keras.optimizers.SGD(OneCycle(0.05, 20)), "mse")
    return model


def fit(model, *callbacks, **options):
    settings = {"batch_size": 10, "epochs": 2, "shuffle": False, "verbose": 0} | options
    return model.fit(X, Y, callbacks=list(callbacks), **settings)


def read(folder):
    everything = {"scalars": 0, "images": 0}
    return EventAccumulator(str(folder), size_guidance=everything).Reload()


def scalars(events, tag):
    """Return steps and values of a tag."""
    found = events.Scalars(tag)
    return [each.step for each in found], [each.value for each in found]


def picture(events, tag, *steps):
    found = events.Images(tag)
    assert [each.step for each in found] == list(steps)
    image = found[-1]
    pixels = pytest.importorskip("matplotlib.image").imread(
        io.BytesIO(image.encoded_image_string), format="png"
    )
    assert pixels.shape[:2] == (image.height, image.width)
    assert len(np.unique(pixels.reshape(-1, pixels.shape[-1]), axis=0)) > 20
    return pixels


def test_each_step_of_every_fit_is_logged_with_its_number(tmp_path):
    monitor = LRMonitor(log_dir=tmp_path)
    model = make_model()
    fit(model, monitor)
    fit(model, monitor, epochs=1, validation_data=(X, Y))
    events = read(tmp_path)
    for tag, values in {LR: monitor.lrs, LOSS: monitor.losses}.items():
        steps, logged = scalars(events, tag)
        assert steps == list(range(18))
        np.testing.assert_array_equal(logged, values.astype("float32"))
    assert len(set(monitor.lrs)) == 18
    steps, values = scalars(events, "lrwidget/validation_loss")
    assert steps == [17]
    assert values[0] == pytest.approx(monitor.validation[18], rel=1e-6)
    times = [each.wall_time for each in events.Scalars(LOSS)]
    assert times == sorted(times)
    picture(events, "lrwidget/training", 11, 17)


def test_the_log_changes_no_number(tmp_path):
    plain, logged = LRMonitor(), LRMonitor(log_dir=str(tmp_path / "new" / "folder"))
    fit(make_model(), plain)
    fit(make_model(), logged)
    np.testing.assert_array_equal(plain.losses, logged.losses)
    assert scalars(read(tmp_path / "new" / "folder"), LOSS)[0] == list(range(12))


def test_steps_before_an_interrupt_are_logged(tmp_path):
    class Interrupt(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(make_model(), LRMonitor(log_dir=tmp_path), Interrupt(), epochs=5)
    assert scalars(read(tmp_path), LOSS)[0] == list(range(12))


@pytest.mark.skipif(not hasattr(keras.optimizers, "MultiOptimizer"), reason="Keras is older")
def test_each_optimizer_of_a_multi_optimizer_has_a_curve(tmp_path):
    sgd, adam = keras.optimizers.SGD(0.01, name="sgd"), keras.optimizers.Adam(0.002, name="adam")
    chooser = keras.optimizers.OptimizerMap(sgd, {".*bias.*": adam})
    model = make_model(keras.optimizers.MultiOptimizer(chooser))
    monitor = LRMonitor(log_dir=tmp_path)
    fit(model, monitor)
    events = read(tmp_path)
    by_optimizer = {tag: scalars(events, tag)[1][0] for tag in events.scalars.Keys() if LR in tag}
    assert by_optimizer == {
        LR: pytest.approx(0.01),
        f"{LR}/sgd": pytest.approx(0.01),
        f"{LR}/adam": pytest.approx(0.002),
    }


def test_the_curve_of_a_range_test_is_logged_beside_the_training(tmp_path):
    finder = LRRangeTest(1e-5, 10.0, steps=20, log_dir=tmp_path)
    fit(make_model(), finder, LRMonitor(log_dir=tmp_path), epochs=10)
    result = finder.result
    assert result.restored
    events = read(tmp_path / "range_test")
    expected = {"learning_rate": result.lrs, "loss": result.losses, "smoothed": result.smoothed()}
    for name, values in expected.items():
        steps, logged = scalars(events, f"{TEST}/{name}")
        assert steps == list(range(len(result.lrs)))
        np.testing.assert_array_equal(logged, values.astype("float32"))
    picture(events, f"{TEST}/curve", len(result.lrs) - 1)
    steps, logged = scalars(read(tmp_path), LR)
    np.testing.assert_allclose(logged[: len(result.lrs)], result.lrs, rtol=1e-6)


def test_a_log_that_fails_ends_no_training(tmp_path):
    monitor = LRMonitor(log_dir=tmp_path / "logs")

    class RemoveFolder(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                for path in (tmp_path / "logs").iterdir():
                    path.unlink()
                (tmp_path / "logs").rmdir()

    with pytest.warns(UserWarning, match="stopped writing to `log_dir`.*training and"):
        fit(make_model(), monitor, RemoveFolder(), epochs=3)
    assert len(monitor.lrs) == 18


def test_a_curve_that_cannot_be_written_leaves_the_result(tmp_path):
    (tmp_path / "range_test").touch()
    finder = LRRangeTest(steps=10, log_dir=tmp_path)
    with pytest.warns(UserWarning, match="LRRangeTest could not write its curve to `log_dir`"):
        fit(make_model(), finder, epochs=5)
    assert finder.result.restored


def test_a_folder_that_cannot_be_made_is_an_error_before_any_step(tmp_path):
    (tmp_path / "file").touch()
    model = make_model()
    before = [np.array(each) for each in model.get_weights()]
    with pytest.raises(ConfigError, match=r"`log_dir` cannot be written: .*file"):
        fit(model, LRMonitor(log_dir=tmp_path / "file"))
    np.testing.assert_equal([np.array(each) for each in model.get_weights()], before)


@pytest.mark.parametrize("log_dir", [3, b"logs", True, ["logs"]])
@pytest.mark.parametrize("callback", [LRMonitor, LRRangeTest])
def test_a_log_dir_that_is_no_path_is_named(callback, log_dir):
    with pytest.raises(ConfigError, match=f"path of a folder; got {type(log_dir).__name__}"):
        callback(log_dir=log_dir)


def test_a_remote_folder_is_refused_and_no_folder_of_its_name_is_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LRWidgetError, match=r"local folder; got 'gs://bucket/logs'"):
        LRMonitor(log_dir="gs://bucket/logs")
    assert list(tmp_path.iterdir()) == []


def test_a_null_character_in_a_path_is_named():
    with pytest.raises(ConfigError, match="null character"):
        LRMonitor(log_dir="a\0b")


@pytest.mark.parametrize("callback", [LRMonitor, LRRangeTest])
def test_a_missing_tensorboard_is_named_at_once(callback, monkeypatch):
    for name in [each for each in sys.modules if each.split(".")[0] == "tensorboard"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    callback()
    with pytest.raises(
        ImportError, match=rf"`{callback.__name__}\(log_dir=...\)` needs tensorboard: pip install "
    ) as caught:
        callback(log_dir="logs")
    assert isinstance(caught.value, LRWidgetError)
    assert "'lrwidget[tensorboard]'" in str(caught.value)


@pytest.mark.skipif(BACKEND == "tensorflow", reason="here TensorFlow is the backend")
def test_no_tensorflow_is_loaded(tmp_path):
    code = f"""
import sys, keras, numpy as np, lrwidget
model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
model.compile("sgd", "mse")
monitor = lrwidget.LRMonitor(log_dir={str(tmp_path)!r})
model.fit(np.ones((4, 1)), np.ones(4), verbose=0, callbacks=[monitor])
print("tensorflow" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
    assert len(list(Path(tmp_path).iterdir())) == 1
