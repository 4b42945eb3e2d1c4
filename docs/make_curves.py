"""Make the curves of docs/curves.md: twelve small models, each tested as the page says.

Run it from anywhere: python docs/make_curves.py
The tests run the same models and compare what comes out with what the page says.
"""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import keras  # noqa: E402 (needs the lines above)
import numpy as np  # noqa: E402
from keras import layers  # noqa: E402
from sklearn.datasets import load_diabetes, load_digits  # noqa: E402

import lrwidget  # noqa: E402

PICTURES = ROOT / "docs" / "pictures" / "curves"
_digits, LABELS = load_digits(return_X_y=True)
DIGITS = (_digits / 16).astype("float32")


@dataclass(frozen=True)
class Curve:
    """One curve of the page.

    Args:
        test: Runs the range test and returns its result; call it by `run`.
        confidence: The confidence of "auto" that the page names.
        codes: What speaks against the suggestion: one of these, or nothing.
        remedied: Runs the test after the remedy that the page names, if it names one. Its
            confidence is high then.
        losses: Limits of the picture, where those of `plot` would magnify noise.
    """

    test: Callable[[], lrwidget.RangeTestResult]
    confidence: str
    codes: tuple[str, ...] = ()
    remedied: Callable[[], lrwidget.RangeTestResult] | None = None
    losses: tuple[float, float] | None = None


def run(test: Callable[[], lrwidget.RangeTestResult]) -> lrwidget.RangeTestResult:
    """Run a test with the same weights each time."""
    keras.utils.set_random_seed(0)
    return test()


def classifier(optimizer: object, *hidden: keras.Layer, shape: tuple[int, ...] = (64,)) -> object:
    """Return a compiled classifier of the digits with some hidden layers."""
    model = keras.Sequential([keras.Input(shape), *hidden, layers.Dense(10)])
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def digits(optimizer: object = "adam", **settings: object) -> lrwidget.RangeTestResult:
    """Test a network with one hidden layer on the digits."""
    model = classifier(optimizer, layers.Dense(64, "relu"))
    return lrwidget.range_test(model, (DIGITS, LABELS), seed=0, **settings)


def normalized() -> lrwidget.RangeTestResult:
    """Test a network with BatchNormalization."""
    hidden = [
        layer
        for _ in range(3)
        for layer in (layers.Dense(64), layers.BatchNormalization(), layers.ReLU())
    ]
    return lrwidget.range_test(classifier("adam", *hidden), (DIGITS, LABELS), seed=0)


def recurrent() -> lrwidget.RangeTestResult:
    """Test a recurrent network that reads the digits row by row, three times."""
    model = classifier("adam", layers.LSTM(32), shape=(8, 8))
    return lrwidget.range_test(model, (DIGITS.reshape(-1, 8, 8), LABELS), sweeps=3, seed=0)


def trained() -> lrwidget.RangeTestResult:
    """Test a network that has trained for 40 epochs."""
    model = classifier("adam", layers.Dense(64, "relu"))
    model.fit(DIGITS, LABELS, epochs=40, verbose=0)
    return lrwidget.range_test(model, (DIGITS, LABELS), seed=0)


def shuffled_labels() -> lrwidget.RangeTestResult:
    """Test on labels that have nothing to do with the digits."""
    labels = np.random.default_rng(0).permutation(LABELS)
    model = classifier("adam", layers.Dense(64, "relu"))
    return lrwidget.range_test(model, (DIGITS, labels), seed=0)


def deep(activation: str) -> lrwidget.RangeTestResult:
    """Test a network with six hidden layers."""
    model = classifier("adam", *[layers.Dense(32, activation) for _ in range(6)])
    return lrwidget.range_test(model, (DIGITS, LABELS), seed=0)


def regression(scaled: bool) -> lrwidget.RangeTestResult:
    """Test a regression on targets of 25 to 346, or on scaled data and three times."""
    x, y = load_diabetes(return_X_y=True)
    if scaled:
        x, y = (x - x.mean(0)) / x.std(0), (y - y.mean()) / y.std()
    model = keras.Sequential([keras.Input((10,)), layers.Dense(32, "relu"), layers.Dense(1)])
    model.compile("adam", "mse")
    return lrwidget.range_test(model, (x, y), sweeps=3 if scaled else 1, seed=0)


def with_nan() -> lrwidget.RangeTestResult:
    """Test on data in which one pixel of one picture is NaN."""
    damaged = DIGITS.copy()
    damaged[700, 0] = np.nan
    model = classifier("adam", layers.Dense(64, "relu"))
    return lrwidget.range_test(model, (damaged, LABELS), seed=0)


CURVES = {
    "adam": Curve(digits, "high"),
    "sgd": Curve(lambda: digits("sgd"), "high"),
    "batch_normalization": Curve(normalized, "medium", ("falls_early",)),
    "lstm": Curve(recurrent, "high"),
    "small_batches": Curve(
        lambda: digits(batch_size=2), "low", ("noise",), lambda: digits(batch_size=64)
    ),
    "cut_off_left": Curve(
        lambda: digits(min_lr=1e-2, max_lr=10.0), "low", ("cut_off_below",), digits
    ),
    "cut_off_right": Curve(
        lambda: digits(min_lr=1e-6, max_lr=1e-3), "low", ("cut_off_above",), digits
    ),
    "trained": Curve(trained, "medium", ("already_trained",), losses=(0.0, 0.5)),
    "shuffled_labels": Curve(shuffled_labels, "low", ("never_fell", "noise"), losses=(2.0, 4.0)),
    "sigmoids": Curve(
        lambda: deep("sigmoid"), "low", ("never_fell", "noise"), lambda: deep("relu"), (2.0, 4.0)
    ),
    "unscaled": Curve(
        lambda: regression(False), "low", ("cut_off_above",), lambda: regression(True)
    ),
    "nan": Curve(with_nan, "none", ("bad_data",), digits),
}


def draw(name: str, result: lrwidget.RangeTestResult) -> Path:
    """Draw one curve with the suggestion of "auto" and return the path of the picture."""
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt
    from svg import STYLE, save_svg

    with mpl.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(5.4, 2.7), layout="constrained")
        result.plot(axes, rules="auto")
        axes.set_ylabel("Loss of the batch")
        if CURVES[name].losses is not None:
            axes.set_ylim(CURVES[name].losses)
    path = PICTURES / f"{name}.svg"
    save_svg(figure, path)
    plt.close(figure)
    return path


def main() -> None:
    """Run all tests and draw their curves."""
    for name, curve in CURVES.items():
        result = run(curve.test)
        suggestion = result.suggest()
        print(name, result.stop_reason, suggestion.lr, suggestion.confidence, suggestion.codes)  # noqa: T201 (a script)
        if curve.remedied is not None:
            after = run(curve.remedied).suggest()
            print("  remedied:", after.lr, after.confidence, after.codes)  # noqa: T201
        draw(name, result)


if __name__ == "__main__":
    main()
