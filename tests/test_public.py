"""What a user sees of the package from outside."""

import json
import subprocess
import sys

import pytest

import lrwidget


def in_a_fresh_python(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout


def test_importing_loads_no_heavy_library():
    loaded = json.loads(
        in_a_fresh_python("import json, sys, lrwidget; print(json.dumps(list(sys.modules)))")
    )
    heavy = {"tensorflow", "keras", "bqplot", "ipywidgets", "numpy", "matplotlib", "pandas"}
    assert heavy.isdisjoint(loaded)


@pytest.mark.parametrize("name", lrwidget.__all__)
def test_every_public_name_is_there_and_documented(name):
    assert getattr(lrwidget, name).__doc__
    assert name in dir(lrwidget)


def test_the_public_names_are_those_of_the_lazy_table():
    assert sorted(lrwidget.__all__) == sorted(lrwidget._HOMES)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_name"):
        lrwidget.no_such_name  # noqa: B018


@pytest.mark.parametrize(
    "name",
    [
        "Bounds",
        "RangeTestResult",
        "lr_ladder",
        "plot_schedules",
        "range_test_loop",
        "register_rule",
        "smooth",
        "suggest",
        "suggest_bounds",
    ],
)
def test_numpy_only_names_do_not_load_keras(name):
    code = f"import sys, lrwidget; lrwidget.{name}; print('keras' in sys.modules)"
    assert in_a_fresh_python(code).strip() == "False"
