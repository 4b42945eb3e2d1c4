"""Schedules give the values of their formulas, in a compiled fit and after loading as well."""

import importlib.util
import math
import os
import subprocess
import sys
import types

import keras
import numpy as np
import pytest
from keras import layers

import lrwidget.schedules as schedules
from lrwidget.errors import LRWidgetError

MILLION = 1_000_000


def by_third(mode_step):
    return 1.0 / (1.0 + mode_step / 3.0)


def scaled_by(slowness, mode_step):
    return 1.0 / (1.0 + mode_step / slowness)


@keras.saving.register_keras_serializable(package="lrwidget_tests")
def registered_scale(mode_step):
    return 0.5 + 0.0 * mode_step


def cyclical(**changes):
    settings = {"scale_fn": by_third, "step_size": 10}
    return schedules.CyclicalLearningRate(0.01, 0.05, **(settings | changes))


SCHEDULES = {
    "cyclical": cyclical,
    "cyclical by iterations": lambda: cyclical(scale_mode="iterations"),
    "registered scale": lambda: cyclical(scale_fn=registered_scale),
    "triangular": lambda: schedules.TriangularCyclicalLearningRate(0.01, 0.05, 10),
    "triangular2": lambda: schedules.Triangular2CyclicalLearningRate(0.01, 0.05, 10),
    "exponential": lambda: schedules.ExponentialCyclicalLearningRate(0.01, 0.05, 10, gamma=0.99),
    "fraction of a step": lambda: schedules.TriangularCyclicalLearningRate(0.01, 0.05, 44.90625),
    "one cycle": lambda: schedules.OneCycle(0.1, 40),
    "straight one cycle": lambda: schedules.OneCycle(0.1, 37, 0.3, 10.0, 100.0, "linear"),
    "warm-up, hold, cosine": lambda: schedules.WarmupHoldCosine(0.1, 10, 10, 20, 0.01, 0.001),
    "no warm-up": lambda: schedules.WarmupHoldCosine(0.1, 0, 0, 20),
    "warm-up, stable, decay": lambda: schedules.WarmupStableDecay(0.1, 10, 15, 10, 0.01, 0.001),
    "root decay": lambda: schedules.WarmupStableDecay(0.1, 5, 10, 20, decay="1-sqrt"),
    "triangle": lambda: schedules.WarmupStableDecay(0.1, 0, 0, 20),
    "linear decay": lambda: schedules.LinearDecay(0.1, 40),
}
each_schedule = pytest.mark.parametrize("make", SCHEDULES.values(), ids=SCHEDULES)


def expected(schedule, steps):
    """The formulas as the docstrings and the retired package state them, in float64."""
    steps = np.asarray(steps, dtype=np.float64)
    return np.array([FORMULAS[type(schedule).__name__](schedule, step) for step in steps])


def cyclical_formula(s, step):
    cycle = np.floor(1 + step / (2 * s.step_size))
    x = abs(step / s.step_size - 2 * cycle + 1)
    mode_step = cycle if s.scale_mode == "cycle" else step
    scale = {
        "TriangularCyclicalLearningRate": lambda m: 1.0,
        "Triangular2CyclicalLearningRate": lambda m: 0.5 ** (m - 1),
        "ExponentialCyclicalLearningRate": lambda m: s.gamma**m,
    }.get(type(s).__name__, s.scale_fn)
    span = s.maximal_learning_rate - s.initial_learning_rate
    return s.initial_learning_rate + span * max(0.0, 1 - x) * scale(mode_step)


def one_cycle_formula(s, step):
    def a(t):
        return t if s.anneal == "linear" else (1 - np.cos(np.pi * t)) / 2

    p, w = step / s.total_steps, s.warmup_fraction
    start, end = s.max_lr / s.start_divisor, s.max_lr / s.end_divisor
    if p >= 1:
        return end
    if p < w:
        return start + (s.max_lr - start) * a(p / w)
    return end + (s.max_lr - end) * a((1 - p) / (1 - w))


def warmup_formula(s, step):
    if step < s.warmup_steps:
        return s.start_lr + (s.peak_lr - s.start_lr) * step / s.warmup_steps
    t = np.clip((step - s.warmup_steps - s.hold_steps) / s.decay_steps, 0, 1)
    return s.end_lr + (s.peak_lr - s.end_lr) * (1 + np.cos(np.pi * t)) / 2


def warmup_stable_formula(s, step):
    if step < s.warmup_steps:
        return s.start_lr + (s.peak_lr - s.start_lr) * step / s.warmup_steps
    t = np.clip((step - s.warmup_steps - s.stable_steps) / s.decay_steps, 0, 1)
    fall = {"linear": 1 - t, "1-sqrt": 1 - np.sqrt(t)}[s.decay]
    return s.end_lr + (s.peak_lr - s.end_lr) * fall


def linear_formula(s, step):
    return s.initial_lr * max(0.0, 1 - step / s.decay_steps)


FORMULAS = {
    "CyclicalLearningRate": cyclical_formula,
    "TriangularCyclicalLearningRate": cyclical_formula,
    "Triangular2CyclicalLearningRate": cyclical_formula,
    "ExponentialCyclicalLearningRate": cyclical_formula,
    "OneCycle": one_cycle_formula,
    "WarmupHoldCosine": warmup_formula,
    "WarmupStableDecay": warmup_stable_formula,
    "LinearDecay": linear_formula,
}


@each_schedule
def test_an_array_of_steps_gives_the_whole_curve_of_the_formula(make):
    schedule = make()
    curve = np.asarray(schedule(np.arange(120)))
    assert curve.shape == (120,)
    assert curve == pytest.approx(expected(schedule, range(120)), rel=2e-6, abs=1e-12)


@each_schedule
@pytest.mark.parametrize(
    "as_step",
    [int, float, np.int32, lambda k: keras.Variable(k, dtype="int64"), keras.ops.convert_to_tensor],
    ids=["int", "float", "numpy", "variable", "tensor"],
)
def test_every_form_of_a_step_gives_the_same_learning_rate(make, as_step):
    schedule = make()
    curve = np.asarray(schedule(np.arange(41)))
    for step in (0, 7, 10, 40):
        assert float(schedule(as_step(step))) == pytest.approx(float(curve[step]), rel=3e-7)


@each_schedule
@pytest.mark.parametrize("kind", ["uint8", "int8", "int16", "uint32"])
def test_narrow_steps_are_counted_as_wide_ones(make, kind):
    steps = np.arange(0, 120, 7)
    narrow, wide = (np.asarray(make()(steps.astype(each))) for each in (kind, "int64"))
    np.testing.assert_array_equal(narrow, wide)


@each_schedule
def test_steps_may_be_fractions_and_of_any_shape(make):
    schedule = make()
    steps = np.array([[0.0, 2.5], [10.25, 33.75]])
    curve = np.asarray(schedule(steps))
    assert curve.shape == (2, 2)
    assert curve.ravel() == pytest.approx(expected(schedule, steps.ravel()), rel=2e-6)


@each_schedule
def test_the_million_th_step_is_as_exact_as_the_first(make):
    schedule = make()
    late = np.arange(MILLION, MILLION + 120)
    curve = np.asarray(schedule(late))
    assert curve == pytest.approx(
        expected(schedule, late), rel=1e-4 if "44" in repr(vars(schedule)) else 3e-6, abs=1e-12
    )


def test_cycles_keep_their_place_where_float32_no_longer_counts():
    schedule = schedules.TriangularCyclicalLearningRate(0.01, 0.05, 7)
    steps = 50_000_001 + np.arange(140)
    assert np.asarray(schedule(steps)) == pytest.approx(expected(schedule, steps), rel=1e-5)


def test_a_long_one_cycle_is_exact_all_the_way():
    schedule = schedules.OneCycle(0.1, 2 * MILLION)
    steps = [0, 1, 499_999, 500_000, MILLION, 2 * MILLION - 10, 2 * MILLION - 1, 3 * MILLION]
    assert np.asarray(schedule(steps)) == pytest.approx(expected(schedule, steps), rel=1e-6)


def test_long_exponential_cycles_do_not_drift():
    schedule = schedules.ExponentialCyclicalLearningRate(0.0, 1.0, 7, gamma=0.99999)
    steps = np.arange(MILLION, MILLION + 28)
    assert np.asarray(schedule(steps)) == pytest.approx(expected(schedule, steps), rel=1e-5)


def test_one_cycle_starts_peaks_and_ends_where_it_says():
    schedule = schedules.OneCycle(0.1, 100)
    found = [float(schedule(step)) for step in (0, 25, 100, 101, MILLION)]
    assert found == pytest.approx([0.004, 0.1, 1e-6, 1e-6, 1e-6], rel=1e-6)
    curve = np.asarray(schedule(np.arange(101)))
    assert np.all(np.diff(curve[:26]) > 0)
    assert np.all(np.diff(curve[25:]) < 0)


def test_warmup_hold_cosine_starts_holds_and_ends_where_it_says():
    schedule = schedules.WarmupHoldCosine(0.1, 10, 20, 40)
    found = [float(schedule(step)) for step in (0, 5, 10, 20, 30, 50, 70, MILLION)]
    assert found == pytest.approx([0, 0.05, 0.1, 0.1, 0.1, 0.05, 0, 0], abs=1e-8)


def test_warmup_stable_decay_starts_holds_and_ends_where_it_says():
    schedule = schedules.WarmupStableDecay(0.1, 10, 70, 20)
    found = [float(schedule(step)) for step in (0, 5, 10, 45, 80, 90, 100, 101, MILLION)]
    assert found == pytest.approx([0, 0.05, 0.1, 0.1, 0.1, 0.05, 0, 0, 0], abs=1e-8)
    falls = schedules.WarmupStableDecay(0.1, 10, 70, 20, decay="1-sqrt")
    assert float(falls(80)) == pytest.approx(0.1)
    assert float(falls(85)) == pytest.approx(0.05)
    assert float(falls(100)) == 0.0
    assert schedule.total_steps == falls.total_steps == 100


def test_warmup_stable_decay_stays_at_its_peak_whatever_the_length():
    short, long = (schedules.WarmupStableDecay(0.1, 10, stable, 20) for stable in (70, 700))
    steps = np.arange(81)
    np.testing.assert_array_equal(np.asarray(short(steps)), np.asarray(long(steps)))


def test_linear_decay_falls_by_the_same_amount_at_each_step_and_ends_at_zero():
    schedule = schedules.LinearDecay(0.1, 50)
    curve = np.asarray(schedule(np.arange(51)))
    assert np.diff(curve) == pytest.approx(-0.002, rel=1e-4)
    assert curve[0] == pytest.approx(0.1)
    assert curve[50] == float(schedule(MILLION)) == 0.0
    assert curve[49] == pytest.approx(0.002)
    assert schedule.total_steps == 50


def test_a_long_root_decay_is_exact_all_the_way():
    schedule = schedules.WarmupStableDecay(0.1, 10, 70, MILLION, decay="1-sqrt")
    steps = [80, 81, 1000, MILLION // 2, MILLION, MILLION + 79]
    assert np.asarray(schedule(steps)) == pytest.approx(expected(schedule, steps), rel=3e-7)


def test_a_scale_function_of_the_addons_tutorial_gives_its_values():
    tutorial = schedules.CyclicalLearningRate(
        initial_learning_rate=1e-4,
        maximal_learning_rate=1e-2,
        scale_fn=lambda x: 1 / (2.0 ** (x - 1)),
        step_size=2 * 10,
    )
    same = schedules.Triangular2CyclicalLearningRate(1e-4, 1e-2, 20)
    steps = np.arange(200)
    assert np.asarray(tutorial(steps)) == pytest.approx(np.asarray(same(steps)), rel=1e-6)


@keras.saving.register_keras_serializable(package="lrwidget_tests")
def predicted_value(y, predicted):
    return predicted


def unit_gradient_model(schedule):
    """A model whose one weight falls by the learning rate at every step of plain SGD."""
    model = keras.Sequential([keras.Input((1,)), layers.Dense(1, use_bias=False)])
    model.layers[0].kernel.assign([[0.0]])
    model.compile(keras.optimizers.SGD(schedule), loss=predicted_value)
    return model


@each_schedule
def test_a_compiled_fit_trains_with_the_schedule(make):
    check_fit(make(), jit_compile=False)


@pytest.mark.parametrize("name", ["cyclical", "fraction of a step", "one cycle"])
def test_a_fit_compiled_by_xla_trains_with_the_schedule(name):
    check_fit(SCHEDULES[name](), jit_compile=True)


def check_fit(schedule, jit_compile):
    model = unit_gradient_model(schedule)
    model.jit_compile = jit_compile
    model.fit(np.ones((30, 1)), np.zeros((30, 1)), batch_size=1, verbose=0)
    fallen = -float(model.layers[0].kernel.numpy()[0, 0])
    assert fallen == pytest.approx(expected(schedule, range(30)).sum(), rel=1e-5)


@each_schedule
def test_a_loaded_model_has_the_same_schedule(make, tmp_path):
    schedule = make()
    unit_gradient_model(schedule).save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    again = loaded.optimizer._learning_rate
    assert type(again) is type(schedule)
    steps = np.arange(100)
    assert np.array_equal(again(steps), schedule(steps))
    assert again.get_config() == schedule.get_config()


@pytest.mark.parametrize(
    "scale_fn",
    [lambda x: x, types.MethodType(scaled_by, 3.0), np.sqrt],
    ids=["lambda", "method", "ufunc"],
)
def test_a_scale_function_without_a_name_is_refused_when_saving(scale_fn, tmp_path):
    model = unit_gradient_model(cyclical(scale_fn=scale_fn))
    with pytest.raises(
        LRWidgetError, match=r"cannot be saved.*Define `scale_fn` with `def`"
    ) as info:
        model.save(tmp_path / "model.keras")
    assert isinstance(info.value, ValueError)


def test_a_local_scale_function_is_refused_when_saving():
    def local(mode_step):
        return 1.0

    with pytest.raises(LRWidgetError, match="local"):
        cyclical(scale_fn=local).get_config()


@pytest.mark.parametrize("name", ["nowhere:scale", "tests.core.test_schedules:gone", "os:kill"])
def test_a_saved_scale_function_that_is_gone_is_named(name):
    config = cyclical().get_config() | {"scale_fn": name}
    with pytest.raises(LRWidgetError, match=name):
        schedules.CyclicalLearningRate.from_config(config)


BAD = {
    "negative steps": (lambda: schedules.OneCycle(0.1, -5), "total_steps.*-5"),
    "no steps": (lambda: schedules.OneCycle(0.1, 0), "total_steps.*at least 1"),
    "part of a step": (lambda: schedules.OneCycle(0.1, 10.5), "total_steps.*whole.*10.5"),
    "warm-up of 0": (lambda: schedules.OneCycle(0.1, 10, 0.0), "warmup_fraction"),
    "warm-up of 1": (lambda: schedules.OneCycle(0.1, 10, 1.0), "warmup_fraction.*between 0 and 1"),
    "warm-up in steps": (lambda: schedules.OneCycle(0.1, 10, 5), "not a number of steps"),
    "start above the peak": (lambda: schedules.OneCycle(0.1, 10, 0.2, 0.5), "start_divisor.*0.5"),
    "end above the peak": (lambda: schedules.OneCycle(0.1, 10, 0.2, 25, 0.1), "end_divisor.*0.1"),
    "unknown anneal": (lambda: schedules.OneCycle(0.1, 10, anneal="cos"), "anneal.*'cos'"),
    "anneal is no text": (lambda: schedules.OneCycle(0.1, 10, anneal=["cosine"]), "anneal"),
    "peak of 0": (lambda: schedules.OneCycle(0.0, 10), "max_lr.*above 0"),
    "infinite peak": (lambda: schedules.OneCycle(np.inf, 10), "max_lr.*finite"),
    "NaN": (lambda: schedules.WarmupHoldCosine(np.nan, 1, 1, 1), "peak_lr.*nan"),
    "peak is text": (lambda: schedules.WarmupHoldCosine("0.1", 1, 1, 1), "peak_lr.*'0.1'"),
    "negative warm-up": (lambda: schedules.WarmupHoldCosine(0.1, -1, 1, 1), "warmup_steps.*-1"),
    "negative hold": (lambda: schedules.WarmupHoldCosine(0.1, 1, -1, 1), "hold_steps.*-1"),
    "no decay": (lambda: schedules.WarmupHoldCosine(0.1, 1, 1, 0), "decay_steps.*at least 1"),
    "start over peak": (lambda: schedules.WarmupHoldCosine(0.1, 1, 1, 1, 0.2), "start_lr.*Swap"),
    "end over peak": (lambda: schedules.WarmupHoldCosine(0.1, 1, 1, 1, 0, 0.2), "end_lr.*Swap"),
    "no warm-up count": (
        lambda: schedules.WarmupStableDecay(0.1, -1, 1, 1),
        "warmup_steps.*-1",
    ),
    "negative stretch": (lambda: schedules.WarmupStableDecay(0.1, 1, -1, 1), "stable_steps.*-1"),
    "no fall": (lambda: schedules.WarmupStableDecay(0.1, 1, 1, 0), "decay_steps.*at least 1"),
    "stable start over peak": (
        lambda: schedules.WarmupStableDecay(0.1, 1, 1, 1, 0.2),
        "start_lr.*Swap",
    ),
    "stable end over peak": (
        lambda: schedules.WarmupStableDecay(0.1, 1, 1, 1, 0, 0.2),
        "end_lr.*Swap",
    ),
    "unknown decay": (
        lambda: schedules.WarmupStableDecay(0.1, 1, 1, 1, decay="sqrt"),
        "decay.*1-sqrt.*'sqrt'",
    ),
    "stable parts beyond counting": (
        lambda: schedules.WarmupStableDecay(0.1, 2**30, 2**30, 2),
        "warmup_steps . stable_steps . decay_steps.*2147483647",
    ),
    "linear from 0": (lambda: schedules.LinearDecay(0.0, 10), "initial_lr.*above 0"),
    "linear over no steps": (lambda: schedules.LinearDecay(0.1, 0), "decay_steps.*at least 1"),
    "linear over part of a step": (lambda: schedules.LinearDecay(0.1, 2.5), "decay_steps.*whole"),
    "ends swapped": (
        lambda: schedules.TriangularCyclicalLearningRate(0.1, 0.01, 10),
        "initial_learning_rate=0.1.*maximal_learning_rate=0.01.*Swap",
    ),
    "step size of 0": (lambda: cyclical(step_size=0), "step_size.*above 0"),
    "scale is a number": (lambda: cyclical(scale_fn=2.0), "scale_fn.*function"),
    "unknown mode": (lambda: cyclical(scale_mode="epochs"), "scale_mode.*'epochs'"),
    "mode is no text": (lambda: cyclical(scale_mode=np.ones(2)), "scale_mode"),
    "no name": (lambda: cyclical(name=None), "name.*None"),
    "bytes": (lambda: schedules.OneCycle(b"0.1", 10), "max_lr.*b'0.1'"),
    "peak beyond floats": (lambda: schedules.OneCycle(10**400, 10), "max_lr.*finite"),
    "LR is a function": (
        lambda: schedules.TriangularCyclicalLearningRate(lambda: 0.1, 0.2, 10),
        "initial_learning_rate",
    ),
    "steps beyond counting": (lambda: schedules.OneCycle(0.1, 2**31), "total_steps.*2147483647"),
    "parts beyond counting": (
        lambda: schedules.WarmupHoldCosine(0.1, 2**30, 2**30, 2),
        "warmup_steps . hold_steps . decay_steps.*2147483647",
    ),
    "peak beyond float32": (lambda: schedules.OneCycle(1e39, 10), "max_lr.*3.4e.38"),
    "peak that is 0 in float32": (lambda: schedules.OneCycle(1e-46, 10), "max_lr.*1.18e-38"),
    "complex": (lambda: schedules.OneCycle(1j, 10), "max_lr.*1j"),
    "several": (lambda: schedules.OneCycle(np.ones(1), 10), "max_lr.*array"),
    "cycle within a step": (lambda: cyclical(step_size=0.4), "step_size.*at least 0.5"),
    "cycle beyond counting": (lambda: cyclical(step_size=1e10), "step_size.*at most 1073741823"),
    "no schedule": (lambda: schedules.OneCycleMomentum.against(0.1), "OneCycle; got 0.1"),
    "momentum of 1": (lambda: schedules.OneCycleMomentum(10, max_momentum=1.0), "max_momentum"),
    "step is text": (lambda: schedules.OneCycle(0.1, 10)("5"), "`step`.*'5'"),
    "step is None": (lambda: schedules.OneCycle(0.1, 10)(None), "`step`.*None"),
    "step is a bool": (lambda: schedules.OneCycle(0.1, 10)(True), "`step`.*True"),
    "step beyond counting": (lambda: schedules.OneCycle(0.1, 10)(2**31), "`step`.*2147483647"),
    "gamma of 0": (
        lambda: schedules.ExponentialCyclicalLearningRate(0.1, 0.2, 10, gamma=0.0),
        "gamma.*above 0",
    ),
}


@pytest.mark.parametrize(("make", "message"), BAD.values(), ids=BAD)
def test_a_value_that_cannot_be_used_is_refused_when_constructed(make, message):
    with pytest.raises(LRWidgetError, match=message) as info:
        make()
    assert isinstance(info.value, ValueError)


def test_a_name_may_have_slashes_as_it_could_in_the_retired_package():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(cyclical(name="my/rate")), "mse")
    model.fit(np.ones((2, 1)), np.ones((2, 1)), verbose=0)
    assert model.optimizer._learning_rate.get_config()["name"] == "my/rate"


def test_numbers_may_come_from_numpy_and_keras():
    given = schedules.OneCycle(np.float32(0.5), np.int64(10))
    assert given.get_config() == schedules.OneCycle(0.5, 10).get_config()
    assert schedules.OneCycle(0.5, keras.ops.convert_to_tensor(10)).total_steps == 10
    tensor = keras.ops.convert_to_tensor(0.5)
    assert schedules.TriangularCyclicalLearningRate(tensor, 1, 10).initial_learning_rate == 0.5


OTHER_BACKEND = """
import numpy as np, keras, lrwidget.schedules as schedules
for schedule in (
    schedules.OneCycle(0.1, 40),
    schedules.WarmupHoldCosine(0.1, 10, 10, 20),
    schedules.WarmupStableDecay(0.1, 10, 10, 10, decay="1-sqrt"),
    schedules.LinearDecay(0.1, 40),
    schedules.Triangular2CyclicalLearningRate(0.01, 0.05, 10),
    schedules.ExponentialCyclicalLearningRate(0.01, 0.05, 4.5, gamma=0.99),
):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.layers[0].kernel.assign([[0.0]])
    momentum = schedules.OneCycleMomentum(30)
    model.compile(keras.optimizers.SGD(schedule, momentum=0.5), loss=lambda y, p: p)
    x = np.ones((30, 1))
    model.fit(x, 0 * x, batch_size=1, verbose=0, callbacks=[momentum])
    rates = keras.ops.convert_to_numpy(schedule(np.arange(30)))
    weight, velocity = 0.0, 0.0
    for k in range(30):
        velocity = float(momentum.momentum(k)) * velocity - float(rates[k])
        weight += velocity
    found = float(keras.ops.convert_to_numpy(model.layers[0].kernel)[0, 0])
    np.testing.assert_allclose(found, weight, rtol=1e-5)
    late = keras.ops.convert_to_numpy(schedule(np.arange(1_000_000, 1_000_080)))
    print(" ".join(f"{value:.6e}" for value in [*rates, *late]))
"""


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_every_backend_trains_with_the_same_values(backend):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    environment = os.environ | {"KERAS_BACKEND": backend, "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, "-c", OTHER_BACKEND], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    steps = np.array([*range(30), *range(MILLION, MILLION + 80)])
    for line, schedule in zip(
        done.stdout.splitlines(),
        (
            schedules.OneCycle(0.1, 40),
            schedules.WarmupHoldCosine(0.1, 10, 10, 20),
            schedules.WarmupStableDecay(0.1, 10, 10, 10, decay="1-sqrt"),
            schedules.LinearDecay(0.1, 40),
            schedules.Triangular2CyclicalLearningRate(0.01, 0.05, 10),
            schedules.ExponentialCyclicalLearningRate(0.01, 0.05, 4.5, gamma=0.99),
        ),
        strict=True,
    ):
        found = np.array([float(value) for value in line.split()])
        assert found == pytest.approx(expected(schedule, steps), rel=1e-5, abs=1e-9)


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
@pytest.mark.parametrize("form", [float, np.float64, np.array, lambda step: [step, step]])
def test_half_precision_as_the_default_costs_a_schedule_no_digits(kind, form):
    before = keras.config.floatx()
    keras.config.set_floatx(kind)
    try:
        rates = keras.ops.convert_to_numpy(schedules.OneCycle(0.1, 8000)(form(1001.5)))
    finally:
        keras.config.set_floatx(before)
    rising = (1 - math.cos(math.pi * 1001.5 / 2000)) / 2
    np.testing.assert_allclose(rates, 0.004 + 0.096 * rising, rtol=1e-6)
    assert rates.dtype == np.float32
