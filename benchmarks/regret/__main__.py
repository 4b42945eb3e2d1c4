"""How much of the achievable drop of the loss is lost by following a rule?

    python -m benchmarks.regret measure [--seconds 3600]
    python -m benchmarks.regret report > docs/regret.md

`measure` runs range tests and trainings and appends one line a run to build/regret.jsonl;
called again, it goes on where it was. `report` reads that file and prints the page.
"""

import argparse
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["measure", "report"])
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--runs", type=Path, default=Path("build/regret.jsonl"))
    options = parser.parse_args()
    if options.what == "measure":
        from benchmarks.regret.measure import measure

        measure(options.runs, options.seconds)
    else:
        from benchmarks.regret.report import page

        print(page(options.runs), end="")


if __name__ == "__main__":
    main()
