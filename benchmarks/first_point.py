"""How long after Run the widget answers and draws: python benchmarks/first_point.py

Clicks Run in JupyterLab in a real browser, on the model of the README's picture, and takes the
times inside the page. "Cold" is the first test of a new kernel, "warm" the next ones.
"""

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from docs.make_pictures import SETUP  # noqa: E402 (needs the line above)
from tests.browser.lab import Lab, Notebook, launch_browser  # noqa: E402

SHOW = "widget = LRFinderWidget(model, (images, labels), batch_size=64, seed=7)\nwidget"

PRESS_RUN = """() => new Promise(done => {
  const width = () => [...document.querySelectorAll('.lrw-plot path.line')]
    .find(path => path.style.strokeWidth.startsWith('2.5'))?.getBBox().width ?? 0;
  const said = () => document.querySelector('.lrw-status').innerText;
  const before = said(), phases = [], start = performance.now();
  let cleared = false;
  const look = () => {
    const now = performance.now() - start;
    if (said() !== (phases.at(-1)?.[1] ?? before)) phases.push([now, said()]);
    if (width() === 0) cleared = true;
    if (cleared && width() > 5) done({first: now, phases});
    else requestAnimationFrame(look);
  };
  document.querySelector('.lrw-run').click();
  look();
})"""


def press_run(notebook: Notebook) -> dict[str, float]:
    """Press Run; return the seconds until the widget answers, compiles, and draws a first point."""
    found = notebook.page.evaluate(PRESS_RUN)
    notebook.page.wait_for_function("() => !document.querySelector('.lrw-run').disabled")
    notebook.page.wait_for_timeout(1000)
    times = {"answer": found["phases"][0][0], "first point": found["first"]}
    compiling = [at for at, said in found["phases"] if said.startswith("Compiling")]
    if compiling:
        times["data ready"] = compiling[0]
    return {name: time / 1000 for name, time in times.items()}


def measure(browser: Browser, repeats: int) -> dict[str, list[dict[str, float]]]:
    """Return the times of a cold test and of three warm ones for each repeat."""
    found: dict[str, list[dict[str, float]]] = {"cold": [], "warm": []}
    for _ in range(repeats):
        page = browser.new_page(viewport={"width": 1366, "height": 900})
        with tempfile.TemporaryDirectory() as folder:
            lab = Lab(Path(folder))
            notebook = lab.open(page, [SETUP, SHOW])
            notebook.run_cell(0)
            notebook.run_cell(1)
            notebook.find(".lrw-plot rect.plotarea_events").wait_for(state="attached")
            page.wait_for_timeout(1000)
            found["cold"].append(press_run(notebook))
            found["warm"] += [press_run(notebook) for _ in range(3)]
            page.close()
            lab.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    with sync_playwright() as playwright:
        browser = launch_browser(playwright)
        found = measure(browser, parser.parse_args().repeats)
        browser.close()
    print("| seconds after Run | cold | warm |\n|---|---|---|")
    for name in ("answer", "data ready", "first point"):
        medians = [
            statistics.median(each[name] for each in found[kind] if name in each)
            for kind in ("cold", "warm")
        ]
        print(f"| {name} | {medians[0]:.2f} | {medians[1]:.2f} |")


if __name__ == "__main__":
    main()
