"""Comparison: the runs of a comparison, and their ranking."""

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lrwidget.core.arrays import as_losses
from lrwidget.core.checks import as_choice, as_number
from lrwidget.core.compare.ranking import Rank, are_seeds_alike, ranking_of
from lrwidget.core.compare.ranking_table import ranking_table
from lrwidget.core.compare.run import Run
from lrwidget.core.frames import pandas_for
from lrwidget.core.json_file import check_keys, read_json, to_json, with_nan, write_json
from lrwidget.core.model.restored import Restored
from lrwidget.core.versions import versions_of
from lrwidget.errors import DataError, LRWidgetError

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes

_FORMAT = 1
_ARRAYS = ("lrs", "losses", "validation_losses", "validation_batches")
_ENDS = ("finished", "diverged", "non_finite", "hopeless", "stopped")
_MOST_NAMED = 3


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """Several ways to train a model, tried from the same start on the same batches.

    Attributes:
        runs: The runs, by variant and then by seed.
        ranking: One row for each variant, the best first.
        restored: Whether the model was restored: true if the fingerprints of its state
            before and after are equal. None if the model was not touched.
        settings: The settings of the comparison.
        steps: Training steps done in all runs.
        seconds: Duration of all runs, without compiling.
        versions: Versions of the packages that ran it.
        notes: Sentences for the user.
    """

    runs: tuple[Run, ...]
    ranking: tuple[Rank, ...]
    restored: Restored | None
    settings: dict[str, Any]
    steps: int
    seconds: float
    versions: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        runs: Sequence[Run],
        *,
        settings: dict[str, Any],
        steps_done: int,
        restored: Restored | None,
        packages: Sequence[str] = (),
    ) -> "Comparison":
        """Return the comparison of complete runs.

        Args:
            runs: The runs, by variant and then by seed.
            settings: The settings as plain values.
            steps_done: Training steps done in all runs.
            restored: The fingerprints of the model.
            packages: The packages that trained, whose versions are stored.
        """
        return cls(
            runs=tuple(runs),
            ranking=ranking_of(runs),
            restored=restored,
            settings=settings,
            steps=steps_done,
            seconds=sum(run.seconds for run in runs),
            versions=versions_of(*packages),
        )

    @property
    def best(self) -> str | None:
        """The name of the best variant; None if none finished."""
        first = self.ranking[0]
        return first.name if math.isfinite(first.score) else None

    @property
    def tied(self) -> tuple[str, ...]:
        """The names of the variants that cannot be told from the best, without it."""
        return tuple(row.name for row in self.ranking[1:] if row.tied)

    @property
    def basis(self) -> str:
        """What the intervals are calculated from, in a sentence."""
        seeds = len({run.seed for run in self.runs})
        is_alike = seeds > 1 and are_seeds_alike(self.runs)
        if seeds > 1 and not is_alike:
            return f"The intervals come from the paired differences of {seeds} seeds."
        where = "validation batches" if self.settings.get("validated") else "batches at the end"
        if is_alike:
            return (
                f"All {seeds} seeds gave the same losses, because the data keep their own order. "
                f"The intervals come from the paired differences of the same {where}, and hold for "
                "this order."
            )
        return (
            f"With one seed, the intervals come from the paired differences of the same {where}: "
            "they hold for this order of the data. More seeds say how much the order matters."
        )

    @property
    def summary(self) -> str:
        """Who is best, how surely, and who is tied, in a few sentences."""
        if self.best is None:
            reasons = "; ".join(f"{row.name}: {row.reason}" for row in self.ranking[:_MOST_NAMED])
            return f"No variant finished ({reasons})."
        first = self.ranking[0]
        chance = f"{first.name} is best with probability {first.probability:.0%}"
        if len(self.ranking) == 1:
            return f"{first.name} finished with a loss of {first.score:.4g}."
        if not self.tied:
            return f"{chance}, clearly ahead of all others."
        others = ", ".join(self.tied[:_MOST_NAMED])
        more = len(self.tied) - _MOST_NAMED
        others += f" and {more} more" if more > 0 else ""
        return f"{chance}; tied with it: {others}.{self._advice()}"

    def _advice(self) -> str:
        needed = [row.more_seeds for row in self.ranking[1:] if row.tied and row.more_seeds]
        if not needed:
            return ""
        return f" About {min(needed)} more seed(s) would probably decide the closest decidable tie."

    def plot(self, ax: "Axes | None" = None, show: str = "loss") -> "Axes":
        """Draw the curves of all variants with matplotlib.

        Args:
            ax: The axes to draw on; None makes a new figure.
            show: "loss", smoothed; "validation_loss"; "lr"; or the name of a metric.

        Returns:
            The axes.

        Raises:
            ConfigError: An argument cannot be used.
            MissingPackageError: matplotlib is not installed.
        """
        from lrwidget.core.compare.comparison_drawing import draw_comparison

        return draw_comparison(ax, self, as_choice("show", show, self.series_names()))

    def series_names(self) -> list[str]:
        """Return the names of what can be drawn."""
        metrics = dict.fromkeys(name for run in self.runs for name in run.metrics)
        measured = any(np.isfinite(run.validation_losses).any() for run in self.runs)
        return ["loss", *(["validation_loss"] if measured else []), "lr", *metrics]

    def to_frame(self) -> "pandas.DataFrame":
        """Return a pandas DataFrame with one row for each step of each run.

        Raises:
            MissingPackageError: pandas is not installed.
        """
        pandas = pandas_for("Comparison.to_frame")
        frames = [
            pandas.DataFrame(
                {
                    "name": run.name,
                    "seed": run.seed,
                    "step": np.arange(len(run.lrs)),
                    "lr": run.lrs,
                    "loss": run.losses,
                    "validation_loss": run.validation_losses,
                    **run.metrics,
                }
            )
            for run in self.runs
        ]
        return pandas.concat(frames, ignore_index=True)

    def save(self, path: Any) -> None:
        """Save as a JSON file; an existing one is replaced.

        Raises:
            ConfigError: `path` is not a path.
            FileError: The file cannot be written there.
        """
        restored = self.restored
        content = {
            "kind": "comparison",
            "runs": [_run_to_json(run) for run in self.runs],
            "restored": None if restored is None else vars(restored),
            "settings": self.settings,
            "steps": self.steps,
            "seconds": self.seconds,
            "versions": self.versions,
            "notes": list(self.notes),
        }
        write_json(path, _FORMAT, content)

    @classmethod
    def load(cls, path: Any) -> "Comparison":
        """Return a comparison that `save` wrote.

        Raises:
            ConfigError: `path` is not a path.
            FileError: The file cannot be read.
            DataError: It is no such file, or it was changed.
        """
        _, content = read_json(path, _FORMAT, "Comparison.save")
        content.pop("format")
        known = dict.fromkeys(
            ("kind", "runs", "restored", "settings", "steps", "seconds", "versions", "notes"), True
        )
        content = check_keys(path, "the file", content, known)
        if content.pop("kind") != "comparison" or not content["runs"]:
            raise DataError(f"{path} is not a file that `Comparison.save` wrote.")
        try:
            restored = content.pop("restored")
            runs = tuple(_run_from_json(path, run) for run in content.pop("runs"))
            content["notes"] = tuple(str(note) for note in content["notes"])
            return cls(
                runs=runs,
                ranking=ranking_of(runs),
                restored=None if restored is None else Restored(**restored),
                **content,
            )
        except LRWidgetError as error:
            raise DataError(f"{path}: {error}") from error
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            raise DataError(f"{path} was changed since it was saved: {error}") from error

    def __repr__(self) -> str:
        count = len(self.ranking)
        return f"Comparison({count} variant(s), {self.steps} training steps: {self.summary})"

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(self.summary)}</p>{ranking_table(self.ranking, self.basis)}"


def _run_to_json(run: Run) -> dict[str, Any]:
    return {
        "name": run.name,
        "seed": run.seed,
        "stop_reason": run.stop_reason,
        "seconds": run.seconds,
        "steps": run.steps,
        "failure": run.failure,
        "metrics": {name: to_json(values.tolist()) for name, values in run.metrics.items()},
        **{name: to_json(getattr(run, name).tolist()) for name in _ARRAYS},
    }


def _run_from_json(path: Any, content: Any) -> Run:
    names = ("name", "seed", "stop_reason", "seconds", "steps", "metrics", *_ARRAYS)
    known = {**dict.fromkeys(names, True), "failure": False}
    part = check_keys(path, "a run", content, known, callers=3)
    arrays = {name: as_losses(name, with_nan(part[name])) for name in _ARRAYS}
    metrics = {name: as_losses(name, each) for name, each in with_nan(part["metrics"]).items()}
    lengths = {len(arrays[name]) for name in _ARRAYS[:3]} | {len(each) for each in metrics.values()}
    if len(lengths) != 1:
        raise DataError(f"The arrays of run {part['name']!r} differ in length: {sorted(lengths)}.")
    return Run(
        name=str(part["name"]),
        seed=int(part["seed"]),
        stop_reason=as_choice("stop_reason", part["stop_reason"], _ENDS),  # type: ignore[arg-type]
        seconds=as_number("seconds", part["seconds"], at_least=0.0),
        steps=int(part["steps"]),
        metrics=metrics,
        failure=str(part.get("failure", "")),
        **arrays,
    )
