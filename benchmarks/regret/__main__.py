"""How much of the achievable drop of the loss is lost by following a rule?

    python -m benchmarks.regret measure [--seconds 3600]
    python -m benchmarks.regret report > docs/regret.md
    python -m benchmarks.regret searches > docs/searches.md

`measure` runs range tests and trainings and appends one line for each part of a run to
build/regret.jsonl; called again, it goes on where it was. To share the work among processes, give
each its own `--sides` or `--optimizers` and its own `--runs`. `report` reads one or more such
files and prints the page, and `searches` that on find_lr and other searches; tasks and parts that
were not measured are left out.
"""

import argparse
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# The models are so small that compiling takes longer than running.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=1")

_SIDES = ["tuned", "reported", "afterwards", "untouched"]
_OPTIMIZERS = ["adam", "sgd", "momentum", "adamw", "rmsprop"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["measure", "report", "searches"])
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--sides", nargs="+", default=_SIDES)
    parser.add_argument("--optimizers", nargs="+", default=_OPTIMIZERS)
    parser.add_argument("--skip", nargs="+", default=[], help='parts, such as "training 3000"')
    parser.add_argument("--runs", type=Path, nargs="+", default=[Path("build/regret.jsonl")])
    options = parser.parse_args()
    if options.what == "measure":
        from benchmarks.regret.measure import chosen_tasks, measure

        tasks = chosen_tasks(options.sides, options.optimizers)
        measure(options.runs[0], options.seconds, tasks, options.seeds, set(options.skip))
    elif options.what == "searches":
        from benchmarks.regret.searches import searches_page

        print(searches_page(options.runs), end="")
    else:
        from benchmarks.regret.report import page

        print(page(options.runs), end="")


if __name__ == "__main__":
    main()
