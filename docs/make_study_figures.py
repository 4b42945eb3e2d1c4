"""Draw the figures of docs/evidence.md from the tables of docs/regret.md and docs/searches.md.

Run it from anywhere: python docs/make_study_figures.py
"""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent
PICTURES = DOCS / "pictures" / "study"
sys.path.insert(0, str(DOCS))

Row = dict[str, str]
Numbers = dict[str, Any]
SIDES = ("reported", "tuned on")
LEVELS = ("high", "medium", "low")
SEARCHES = {
    '"auto" alone, fixed sample': '"auto" alone',
    "find_lr": "find_lr",
    "fastai minimum / 10": "minimum / 10",
    "six rates a decade apart x 80 steps": "six rates",
    "random search: six rates x 80 steps": "random search",
    "halving of 16 rates at 20, 40, 80 steps": "halving of 16",
}


def table(page: str, title: str) -> list[Row]:
    """Return the rows of the first table below a title of a page, by the names of columns."""
    below = (DOCS / page).read_text("utf-8").split(f"# {title}\n", 1)[1].splitlines()
    lines = list(_first_table(below))
    head, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [dict(zip(head, row, strict=True)) for row in rows]


def _first_table(lines: list[str]) -> Iterator[str]:
    started = False
    for line in lines:
        if line.startswith("|"):
            started = True
            yield line
        elif started:
            return


def steps_numbers() -> Numbers:
    """Return the regret of "auto" and of minimum / 10 by the steps of the test."""
    rows = table("regret.md", 'What "auto" loses, by the steps of the test')
    columns = {"auto": "constant: auto", "minimum / 10": "constant: / 10"}
    return {
        f"{rule}, {side}": [
            [int(row["steps of the test"]), float(row[column])]
            for row in rows
            if row["tasks"] == side
        ]
        for side in SIDES
        for rule, column in columns.items()
    }


def rules_numbers() -> Numbers:
    """Return the regret of each rule by the steps of the test."""
    rows = table("regret.md", "How the other rules move")
    return {
        row["rule"]: [
            [steps, float(row[f"regret at {steps} steps"])] for steps in (50, 100, 300, 1000)
        ]
        for row in rows
    }


def confidence_numbers() -> Numbers:
    """Return the share of good suggestions, in percent, and the number of runs by confidence."""
    rows = table("regret.md", "What each `confidence` means")
    return {
        row["confidence"]: [
            int(row["constant: regret below 0.1"].rstrip("%")),
            int(row["constant: runs"]),
        ]
        for row in rows
        if row["confidence"] in LEVELS
    }


def searches_numbers() -> Numbers:
    """Return the steps, the regret and its interval of each search on the reported tasks."""
    rows = table("searches.md", "What do short trainings add to a curve?")
    found = {}
    for row in rows:
        if row["tasks"] == "reported":
            mean, low, _, high = row["constant"].replace("(", "").replace(")", "").split()
            found[SEARCHES[row["search"]]] = [int(row["steps"]), *map(float, (mean, low, high))]
    return found


def draw_steps(axes: Any, numbers: Numbers) -> None:
    """Draw two rules on two sides."""
    for name, points in numbers.items():
        color = "#3b82d6" if name.startswith("auto") else "#e8590c"
        axes.plot(*zip(*points, strict=True), "o-" if "reported" in name else "s--", color=color)
        axes.annotate(name, points[-1], xytext=(6, -3), textcoords="offset points", fontsize=8)
    _as_regret_over_steps(axes)


def draw_rules(axes: Any, numbers: Numbers) -> None:
    """Draw all rules; "auto" is the strong line."""
    colors = ("#3b82d6", "#e8590c", "#0ca678", "#ae3ec9", "#e0a800", "#868e96")
    for (rule, points), marker, color in zip(numbers.items(), "osv^DP", colors, strict=True):
        width = 3 if rule == "auto" else 1.2
        axes.plot(*zip(*points, strict=True), marker=marker, color=color, lw=width, label=rule)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    _as_regret_over_steps(axes)


def _as_regret_over_steps(axes: Any) -> None:
    steps = (50, 100, 300, 1000)
    axes.set(xscale="log", xlabel="Steps of the test", ylabel="Mean regret", ylim=(0, None))
    axes.set_xticks(steps, map(str, steps))
    axes.minorticks_off()


def draw_confidence(axes: Any, numbers: Numbers) -> None:
    """Draw a bar for each level, with its number of runs."""
    shares = [numbers[level][0] for level in LEVELS]
    bars = axes.bar(LEVELS, shares, color=("#0ca678", "#3b82d6", "#8a949e"), width=0.6)
    axes.bar_label(bars, [f"{numbers[level][0]} % of {numbers[level][1]}" for level in LEVELS])
    axes.set(xlabel="Confidence", ylabel="Runs with regret below 0.1 (%)", ylim=(0, 100))


def draw_searches(axes: Any, numbers: Numbers) -> None:
    """Draw what each search costs and loses, with 95 % intervals."""
    for name, (steps, mean, low, high) in numbers.items():
        color = "#3b82d6" if name in ("find_lr", '"auto" alone') else "#8a949e"
        axes.errorbar(
            steps, mean, [[mean - low], [high - mean]], fmt="o", color=color, capsize=3, lw=1.5
        )
        above = name in ("minimum / 10", "random search")
        axes.annotate(
            name,
            (steps, high if above else mean),
            xytext=(0, 5) if above else (7, -3),
            ha="center" if above else "left",
            textcoords="offset points",
            fontsize=8,
        )
    axes.set(xlabel="Training steps spent", ylabel="Mean regret", ylim=(0, None), xlim=(0, 1150))


FIGURES: dict[str, tuple[Callable[[], Numbers], Callable[[Any, Numbers], None]]] = {
    "steps": (steps_numbers, draw_steps),
    "rules": (rules_numbers, draw_rules),
    "confidence": (confidence_numbers, draw_confidence),
    "searches": (searches_numbers, draw_searches),
}


def main() -> None:
    """Draw all figures."""
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt
    from svg import STYLE, save_svg

    for name, (read, draw) in FIGURES.items():
        numbers = read()
        with mpl.rc_context(STYLE):
            figure, axes = plt.subplots(figsize=(6.4, 3.2), layout="constrained")
            draw(axes, numbers)
        save_svg(figure, PICTURES / f"{name}.svg", json.dumps(numbers))
        plt.close(figure)


if __name__ == "__main__":
    main()
