"""What a range test hands back."""

import dataclasses
import json
import math
import tracemalloc

import numpy as np
import pytest

import lrwidget
from lrwidget.core.curve.ladder import format_lr
from lrwidget.core.curve.suggest import suggest
from lrwidget.core.model.restored import Restored
from lrwidget.core.range_test.result import RangeTestResult
from lrwidget.core.range_test.settings import RangeTestConfig
from lrwidget.errors import ConfigError, DataError, FileError, LRWidgetError


@pytest.fixture
def result():
    lrs = lrwidget.lr_ladder(1e-5, 1.0, 60, "exponential")
    position = np.linspace(0, 1, 60)
    losses = 2.3 - 2.0 / (1 + np.exp(-(position - 0.5) * 30)) + 1e-3 * np.exp(position * 9)
    validation = np.stack([losses, losses + 0.1, losses + 0.2])
    return RangeTestResult(
        lrs=lrs,
        losses=losses,
        sweep_losses=losses[None, :] + np.array([[-0.1], [0.0], [0.1]]),
        metrics={"accuracy": 1 - losses / 3},
        stop_reason="diverged",
        config=RangeTestConfig(min_lr=1e-5, max_lr=1.0, steps=60, sweeps=3, seed=9),
        restored=Restored("0badcafe", "0badcafe"),
        validation_losses=validation[1],
        sweep_validation_losses=validation,
        optimizer="sgd",
        versions={"keras": "3.0"},
    )


def test_a_result_cannot_be_changed(result):
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.lrs = None
    with pytest.raises(ValueError, match="read-only"):
        result.losses[0] = 1.0


def test_saving_and_loading_gives_the_same_bits(result, tmp_path):
    result.save(tmp_path / "result.json")
    loaded = RangeTestResult.load(tmp_path / "result.json")
    for name in ("lrs", "losses", "sweep_losses", "validation_losses", "sweep_validation_losses"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(result, name))
    np.testing.assert_array_equal(loaded.metrics["accuracy"], result.metrics["accuracy"])
    assert (loaded.config, loaded.stop_reason) == (result.config, result.stop_reason)
    assert loaded.versions == result.versions
    assert loaded.suggestions() == result.suggestions()


def test_a_file_of_the_first_format_can_still_be_read(result, tmp_path):
    path = tmp_path / "old.json"
    result.save(path)
    content = json.loads(path.read_text())
    del content["optimizer"], content["sweep_validation_losses"]
    path.write_text(json.dumps(content | {"format": 1}))
    loaded = RangeTestResult.load(path)
    np.testing.assert_array_equal(loaded.losses, result.losses)
    assert loaded.suggest("valley") == result.suggest("valley")
    assert loaded.suggest("auto").lr < result.suggest("auto").lr


def test_a_result_suggests_for_its_optimizer_and_with_its_validation_loss(result):
    sweeps = list(zip(result.sweep_losses, result.sweep_validation_losses, strict=True))
    alone = [
        suggest(result.lrs, losses, optimizer="sgd", validation_losses=validation).lr
        for losses, validation in sweeps
    ]
    found = result.suggest()
    assert found.lr == alone[1]
    assert (found.low, found.high) == pytest.approx(np.quantile(alone, [0.1, 0.9]), rel=1e-3)
    assert dataclasses.replace(result, optimizer="other").suggest().lr < found.lr


@pytest.mark.parametrize(
    "content",
    ["not json", "[]", "{}", "null", "3", '{"format": true}', '{"format": "3"}', "[" * 10**5, "\0"],
    ids=lambda content: content[:15],
)
def test_loading_something_else_is_refused(content, tmp_path):
    path = tmp_path / "other.json"
    path.write_text(content)
    with pytest.raises(DataError, match=r"other\.json is not a file that"):
        RangeTestResult.load(path)


def test_a_file_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / "other.png"
    path.write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(DataError, match=r"other\.png is not a file that"):
        RangeTestResult.load(path)


def test_a_file_of_a_newer_format_says_to_update(result, tmp_path):
    with pytest.raises(DataError, match=r"has format 99; .*Update lrwidget"):
        RangeTestResult.load(changed(result, tmp_path, "format", 99))


def changed(result, folder, key, value):
    """Save a result and change what stands under a key, such as "config.steps", in the file."""
    path = folder / "changed.json"
    result.save(path)
    content = json.loads(path.read_text())
    *parents, last = key.split(".")
    part = content
    for parent in parents:
        part = part[parent]
    part[last] = value
    path.write_text(json.dumps(content))
    return path


def in_place(value, *, at):
    """Return sixty losses of which one is something else."""
    return [1.0] * at + [value] + [1.0] * (59 - at)


WRONG = [
    ("lrs", [0.1] * 60, "`lrs` must be finite, above 0 and increasing"),
    ("lrs", [0.1, 0.2], "`lrs` and `losses` must have the same length"),
    ("lrs", "many", "`lrs` must be an array"),
    ("lrs", None, "`lrs`"),
    ("losses", in_place(None, at=3), "`losses` must be an array of real numbers"),
    ("losses", in_place("Infinity", at=3), "`losses`"),
    ("losses", in_place(True, at=3) and [True] * 60, "`losses`"),
    ("losses", in_place(1e999, at=3), "Infinity, which is not JSON"),
    ("losses", [[1.0]], "`losses` must have one dimension"),
    ("losses", {}, "`losses`"),
    ("sweep_losses", [], "`sweep_losses`"),
    ("sweep_losses", [[1.0] * 60, [1.0] * 59], "`sweep_losses`"),
    ("sweep_losses", [[1.0] * 60], "one row for each sweep; got 1 and 3"),
    ("sweep_losses", [[]] * 1001, r"`sweep_losses`.*1 to 1000 rows"),
    ("sweep_validation_losses", 3, "`sweep_validation_losses`"),
    ("validation_losses", ["high"] * 60, "`validation_losses`"),
    ("metrics", [1.0], "`metrics` must be a dictionary"),
    ("metrics", {"accuracy": [1.0]}, r"`lrs` and `accuracy`"),
    ("metrics", {"": [1.0] * 60}, "`metrics`"),
    ("stop_reason", "bored", r"`stop_reason` must be one of \"finished\""),
    ("stop_reason", ["finished"], "`stop_reason`"),
    ("optimizer", "lion", "`optimizer` must be one of"),
    ("versions", {"keras": 3}, r"`versions\['keras'\]`"),
    ("versions", "3.0", "`versions`"),
    ("restored", True, "`restored` must be an object"),
    ("restored.before", 3, "`before` must be a string"),
    ("config", [], "`config` must be an object"),
    ("config.steps", 10**9, "in `config`, `steps` .*at most 1000000"),
    ("config.sweeps", 2**31, "in `config`, `sweeps` .*at most 1000"),
    ("config.min_lr", "small", "in `config`, `min_lr`"),
    ("config.mode", "cubic", "in `config`, `mode`"),
    ("config.seed", 1.5, "in `config`, `seed`"),
    ("config.probes_min", 1, "in `config`, `probes_min` must be True or False"),
]


@pytest.mark.parametrize(("key", "value", "words"), WRONG, ids=lambda each: str(each)[:30])
def test_a_wrong_value_in_a_file_is_named(key, value, words, result, tmp_path):
    with pytest.raises(DataError, match=words) as caught:
        RangeTestResult.load(changed(result, tmp_path, key, value))
    assert "changed.json" in str(caught.value)


@pytest.mark.parametrize("key", ["lrs", "metrics", "config", "restored.after", "config.steps"])
def test_a_missing_key_is_named(key, result, tmp_path):
    path = tmp_path / "cut.json"
    result.save(path)
    content = json.loads(path.read_text())
    *parents, last = key.split(".")
    del (content[parents[0]] if parents else content)[last]
    path.write_text(json.dumps(content))
    with pytest.raises(DataError, match=rf"has no \['{last}'\].*save the result again"):
        RangeTestResult.load(path)


@pytest.mark.parametrize("key", ["mood", "config.mood", "restored.mood"])
def test_an_unknown_key_is_ignored_with_a_warning(key, result, tmp_path):
    path = changed(result, tmp_path, key, "good")
    with pytest.warns(UserWarning, match=r"unknown keys in .* are ignored: \['mood'\]") as caught:
        loaded = RangeTestResult.load(path)
    assert loaded.config == result.config
    assert caught[0].filename == __file__


def test_a_small_file_never_takes_much_memory(result, tmp_path):
    short = dataclasses.replace(
        result,
        lrs=result.lrs[:2],
        losses=result.losses[:2],
        sweep_losses=result.sweep_losses[:, :2],
        validation_losses=result.validation_losses[:2],
        sweep_validation_losses=result.sweep_validation_losses[:, :2],
        metrics={},
    )
    path = changed(short, tmp_path, "config.steps", 10**9)
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="steps"):
            RangeTestResult.load(path)
        assert tracemalloc.get_traced_memory()[1] < 1e6
    finally:
        tracemalloc.stop()


def refuse(literal):
    raise AssertionError(f"{literal} is not JSON")


def test_what_was_not_measured_is_saved_as_strict_json(result, tmp_path):
    odd = np.linspace(0, 1, 60)
    odd[:3] = np.nan, np.inf, -np.inf
    gaps = np.where(np.arange(60) % 5, np.nan, result.losses)
    full = dataclasses.replace(
        result,
        metrics={"odd": odd},
        validation_losses=gaps,
        sweep_validation_losses=np.stack([gaps] * 3),
        config=dataclasses.replace(result.config, stop_factor=None),
    )
    path = tmp_path / "gaps.json"
    full.save(path)
    content = json.loads(path.read_text(), parse_constant=refuse)
    assert content["config"]["stop_factor"] is None
    loaded = RangeTestResult.load(path)
    np.testing.assert_array_equal(loaded.metrics["odd"], odd)
    np.testing.assert_array_equal(loaded.validation_losses, gaps)
    assert loaded.config == full.config
    assert loaded.config.stop_factor == math.inf
    assert loaded.suggestions() == full.suggestions()


def test_older_files_may_hold_literals_that_are_not_json_and_newer_ones_may_not(result, tmp_path):
    path = changed(result, tmp_path, "validation_losses", in_place(math.nan, at=7))
    with pytest.raises(DataError, match="contains NaN, which is not JSON"):
        RangeTestResult.load(path)
    content = json.loads(path.read_text())
    content["config"]["stop_factor"] = math.inf
    path.write_text(json.dumps(content | {"format": 2}))
    loaded = RangeTestResult.load(path)
    assert np.flatnonzero(np.isnan(loaded.validation_losses)).tolist() == [7]
    assert loaded.config.stop_factor == math.inf


def test_saving_replaces_a_file_only_when_all_went_well(result, tmp_path, monkeypatch):
    path = tmp_path / "result.json"
    result.save(path)
    before = path.read_bytes()
    # There is no other way to fill a disk.
    monkeypatch.setattr("pathlib.Path.replace", full_disk)
    with pytest.raises(FileError, match=r"result\.json.*No space left"):
        dataclasses.replace(result, stop_reason="stopped").save(path)
    assert path.read_bytes() == before
    assert names_in(tmp_path) == ["result.json"]
    monkeypatch.undo()
    dataclasses.replace(result, stop_reason="stopped").save(path)
    assert RangeTestResult.load(path).stop_reason == "stopped"
    assert names_in(tmp_path) == ["result.json"]


def names_in(folder):
    return [path.name for path in folder.iterdir()]


def full_disk(*args):
    raise OSError(28, "No space left on device")


def test_saving_over_a_link_replaces_what_it_points_to(result, tmp_path):
    link, file = tmp_path / "link.json", tmp_path / "file.json"
    link.symlink_to(file)
    result.save(link)
    assert link.is_symlink()
    assert RangeTestResult.load(file).config == result.config


@pytest.mark.parametrize("path", ["", ".", "no/such/folder/r.json", "/dev/null", "a\0b", "\ud800"])
def test_a_place_where_no_file_can_be_written_is_an_error(path, result, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileError, match=r"cannot be saved as.*a folder that exists") as caught:
        result.save(path)
    assert isinstance(caught.value, OSError)
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("path", [None, 3, b"r.json", 1.5, ["r.json"]])
def test_a_path_is_a_string_or_a_path(path, result):
    for use in (result.save, RangeTestResult.load):
        with pytest.raises(ConfigError, match=r"`path` must be a string or a pathlib\.Path; got"):
            use(path)


@pytest.mark.parametrize("path", ["missing.json", ".", "a\0b"])
def test_a_file_that_cannot_be_read_is_an_error(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileError, match="cannot be read"):
        RangeTestResult.load(path)


def test_a_result_keeps_its_own_copies_as_plain_values(result):
    losses = [float(loss) for loss in result.losses]
    array = np.array(result.lrs, dtype=np.float64)
    made = dataclasses.replace(result, lrs=array, losses=losses, metrics={"a": losses})
    array[:] = 0
    assert array.flags.writeable
    np.testing.assert_array_equal(made.lrs, result.lrs)
    np.testing.assert_array_equal(made.metrics["a"], losses)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("lrs", [1.0]),
        ("losses", np.full(60, np.nan)),
        ("sweep_losses", np.ones(60)),
        ("config", {"steps": 3}),
        ("restored", True),
        ("metrics", None),
        ("versions", {3: "3"}),
    ],
)
def test_a_result_is_not_made_of_parts_that_do_not_belong_together(name, value, result):
    with pytest.raises(LRWidgetError, match=name):
        dataclasses.replace(result, **{name: value})


@pytest.mark.parametrize("show", ["recall", None, ["loss"], 3])
def test_an_unknown_curve_is_named_with_those_that_are_known(show, result):
    with pytest.raises(
        ConfigError, match=r'one of "loss", "accuracy", "validation_loss"; got show='
    ):
        result.plot(show=show)


def test_something_that_is_no_axes_is_named(result):
    with pytest.raises(ConfigError, match="`ax` must be matplotlib axes or None; got str"):
        result.plot(ax="here")


def test_a_dollar_in_a_name_is_shown_as_it_is(result):
    import matplotlib as mpl

    mpl.use("agg")
    hostile = dataclasses.replace(result, metrics={r"$\frac{": result.losses})
    axes = hostile.plot(show=r"$\frac{")
    axes.figure.canvas.draw()
    assert axes.get_ylabel() == r"$\frac{"


def test_there_is_a_suggestion_for_every_rule(result):
    suggestions = result.suggestions()
    assert {"minimum", "steepest", "valley", "auto"} <= set(suggestions)
    for rule, suggestion in suggestions.items():
        assert suggestion.rule == rule
        assert result.lrs[0] <= suggestion.lr <= result.lrs[result.losses.argmin()]


def test_a_frame_has_a_row_for_each_rate(result):
    frame = result.to_frame()
    assert list(frame.columns) == ["lr", "loss", "smoothed_loss", "validation_loss", "accuracy"]
    np.testing.assert_array_equal(frame["lr"], result.lrs)


def test_a_plot_shows_raw_and_smoothed_losses_and_names_the_rules(result):
    import matplotlib as mpl

    mpl.use("agg")
    axes = result.plot()
    assert axes.get_xscale() == "log"
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), result.losses)
    np.testing.assert_array_equal(axes.lines[1].get_ydata(), result.smoothed())
    legend = " ".join(text.get_text() for text in axes.get_legend().get_texts())
    assert "minimum" in legend
    assert "auto" in legend


def test_an_empty_result_can_be_asked_everything(tmp_path):
    empty = RangeTestResult(
        lrs=np.empty(0),
        losses=np.empty(0),
        sweep_losses=np.empty((1, 0)),
        metrics={},
        stop_reason="stopped",
        config=RangeTestConfig(),
        restored=Restored("", ""),
        validation_losses=np.empty(0),
        sweep_validation_losses=np.empty((1, 0)),
    )
    assert all(suggestion.lr is None for suggestion in empty.suggestions().values())
    assert empty.to_frame().empty
    empty.save(tmp_path / "empty.json")
    assert RangeTestResult.load(tmp_path / "empty.json").sweep_losses.shape == (1, 0)


def test_a_notebook_shows_a_result_as_a_picture_and_a_script_as_one_line():
    lrs = np.logspace(-5, 1, 80)
    result = RangeTestResult.from_losses(lrs, 2.3 - 2 / (1 + (0.001 / lrs) ** 2) + lrs)
    found = format_lr(result.suggest().lr)
    assert repr(result) == (
        f"RangeTestResult(80 rates, 1.00e-5 to 10, finished, suggested {found})"
    )
    assert result._repr_png_().startswith(b"\x89PNG")
