"""Make the README's pictures: the widget after a test, in JupyterLab's light and dark theme.

Run it from anywhere: python docs/make_pictures.py
"""

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, expect, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
PICTURES = ROOT / "docs" / "pictures"
sys.path.insert(0, str(ROOT))

from tests.browser.lab import Lab, launch_browser  # noqa: E402 (needs the line above)

SETUP = """
import keras
from sklearn.datasets import load_digits
from lrwidget import LRFinderWidget

images, labels = load_digits(return_X_y=True)
images = (images / 16).astype("float32")
keras.utils.set_random_seed(7)
model = keras.Sequential([
    keras.Input((64,)),
    keras.layers.Dense(64, activation="relu"),
    keras.layers.Dense(10),
])
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
model.compile("adam", loss, metrics=["accuracy"])
"""

SHOW = """
widget = LRFinderWidget(model, (images, labels), batch_size=64, sweeps=3, seed=7)
widget
"""


def take(browser: Browser, theme: str) -> Path:
    """Take one picture; `theme` is "Light" or "Dark"."""
    page = browser.new_page(viewport={"width": 1120, "height": 1000}, device_scale_factor=2)
    with tempfile.TemporaryDirectory() as folder:
        lab = Lab(Path(folder), theme)
        try:
            notebook = lab.open(page, [SETUP, SHOW])
            notebook.run_cell(0)
            notebook.run_cell(1)
            notebook.find(".lrw-run").click()
            expect(notebook.find(".lrw-status")).to_contain_text(
                "pick a learning rate", timeout=30_000
            )
            notebook.find(".lrw-use").click()
            expect(notebook.find(".lrw-status")).to_contain_text("Learning rate was")
            page.evaluate("document.activeElement.blur()")
            page.mouse.move(0, 0)
            path = PICTURES / f"widget-{theme.lower()}.png"
            page.locator(".lrw").screenshot(path=path, animations="disabled")
            return path
        finally:
            page.close()
            lab.close()


def main() -> None:
    """Take both pictures."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = launch_browser(playwright)
        for theme in ("Light", "Dark"):
            print(take(browser, theme).relative_to(ROOT))  # noqa: T201 (a script)
        browser.close()


if __name__ == "__main__":
    main()
