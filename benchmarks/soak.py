"""Does anything grow, however long or often range tests run?

    python benchmarks/soak.py [--widgets 300] [--runs 300] [--steps 100000]

Prints resident memory, live widget models, threads and open files while many widgets are made,
run and closed; while one widget runs many times; and during one long run with the widget.
"""

import argparse
import gc
import os
import threading
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import psutil
from ipywidgets.widgets import widget as ipywidgets_module
from many_steps import make

import lrwidget

HEADER = "| | resident | widget models | threads | open files |\n|---|---|---|---|---|"


def row(label: str) -> None:
    gc.collect()
    process = psutil.Process()
    files = len(list(Path(f"/proc/{process.pid}/fd").iterdir()))
    models = len(ipywidgets_module._instances)
    print(
        f"| {label} | {process.memory_info().rss / 1e6:.0f} MB | {models} "
        f"| {threading.active_count()} | {files} |",
        flush=True,
    )


def many_widgets(count: int) -> None:
    print(f"\n{count} widgets, each made, run and closed\n\n{HEADER}")
    model, data = make()
    for number in range(count + 1):
        widget = lrwidget.LRFinderWidget(model, data, steps=20, max_lr=1e-3)
        widget.run(block=True)
        widget.close()
        if number % max(1, count // 5) == 0:
            row(f"{number}")


def many_runs(count: int) -> None:
    print(f"\n{count} runs of one widget\n\n{HEADER}")
    model, data = make()
    widget = lrwidget.LRFinderWidget(model, data, steps=20, max_lr=1e-3)
    for number in range(count + 1):
        widget.run(block=True)
        if number % max(1, count // 5) == 0:
            row(f"{number}")
    widget.close()


def long_run(steps: int) -> None:
    print(f"\none run of {steps} steps with the widget\n\n{HEADER}")
    model, data = make()
    widget = lrwidget.LRFinderWidget(model, data, steps=steps, min_lr=1e-7, max_lr=1e-2)
    widget.run()
    due = 0
    while not widget.wait(0.2):
        done = len(widget._state.measured.lrs)
        if done >= due:
            row(f"step {done}")
            due = done + steps // 5
    row(f"{widget.status}, {len(widget.result.lrs)} steps")
    widget.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--widgets", type=int, default=300)
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--steps", type=int, default=100_000)
    options = parser.parse_args()
    many_widgets(options.widgets)
    many_runs(options.runs)
    long_run(options.steps)


if __name__ == "__main__":
    main()
