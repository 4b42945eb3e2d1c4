"""Make the README's pictures: a film of a test, and the widget after it in light and dark.

Run it from anywhere: python docs/make_pictures.py
"""

import base64
import io
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, expect, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
PICTURES = ROOT / "docs" / "pictures"
FILM_WIDTH, LAST_FRAME_MS = 800, 2500
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

LONGER = SHOW.replace("sweeps=3", "steps=1500")


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


def film(browser: Browser) -> Path:
    """Film a test, from Run to Use it, as a moving WebP picture."""
    page = browser.new_page(viewport={"width": 1120, "height": 1000})
    with tempfile.TemporaryDirectory() as folder:
        lab = Lab(Path(folder), "Light")
        try:
            notebook = lab.open(page, [SETUP, LONGER])
            notebook.run_cell(0)
            notebook.run_cell(1)
            widget = page.locator(".lrw")
            widget.scroll_into_view_if_needed()
            page.wait_for_timeout(1500)
            frames: list[tuple[float, bytes]] = []
            camera = page.context.new_cdp_session(page)

            def take_frame(frame: dict[str, Any]) -> None:
                frames.append((frame["metadata"]["timestamp"], base64.b64decode(frame["data"])))
                camera.send("Page.screencastFrameAck", {"sessionId": frame["sessionId"]})

            camera.on("Page.screencastFrame", take_frame)
            camera.send("Page.startScreencast", {"format": "png", "everyNthFrame": 1})
            notebook.find(".lrw-run").click()
            notebook.find(".lrw-use:enabled").wait_for()
            page.wait_for_timeout(1500)
            notebook.find(".lrw-use").click()
            page.wait_for_timeout(2000)
            camera.send("Page.stopScreencast")
            path = PICTURES / "run.webp"
            _write_film(path, frames, widget.bounding_box())
            return path
        finally:
            page.close()
            lab.close()


def _write_film(path: Path, frames: list[tuple[float, bytes]], box: dict[str, float]) -> None:
    """Write the part of the frames inside a box, each as long as it was on show."""
    corners = (box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"])
    pictures = [Image.open(io.BytesIO(data)).convert("RGB").crop(corners) for _, data in frames]
    size = (FILM_WIDTH, round(FILM_WIDTH * box["height"] / box["width"]))
    smaller = [picture.resize(size, Image.Resampling.LANCZOS) for picture in pictures]
    times = [time for time, _ in frames]
    durations = [max(20, round(1000 * (after - at))) for at, after in pairwise(times)]
    smaller[0].save(
        path,
        save_all=True,
        append_images=smaller[1:],
        duration=[*durations, LAST_FRAME_MS],
        loop=0,
        quality=60,
        method=6,
    )


def main() -> None:
    """Take the film and both pictures."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = launch_browser(playwright)
        print(film(browser).relative_to(ROOT))  # noqa: T201 (a script)
        for theme in ("Light", "Dark"):
            print(take(browser, theme).relative_to(ROOT))  # noqa: T201 (a script)
        browser.close()


if __name__ == "__main__":
    main()
