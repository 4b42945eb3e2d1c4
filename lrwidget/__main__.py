"""The command `lrwidget`: opens the quickstart in JupyterLab."""

import argparse
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp

NAME = "quickstart.ipynb"

NEEDED = ("jupyterlab", "ipykernel", "matplotlib", "sklearn")
"""What the quickstart needs beyond lrwidget and a backend of Keras."""

BACKENDS = ("tensorflow", "jax", "torch")


def main(arguments: list[str] | None = None) -> None:
    """Copy the quickstart into a folder and open it in JupyterLab.

    Args:
        arguments: Those of the command line; None for those of this process. Arguments that are
            unknown here go on to JupyterLab.

    Raises:
        SystemExit: Always: at the end of JupyterLab, or with a message.
    """
    parser = argparse.ArgumentParser(
        prog="lrwidget",
        description="Open the quickstart of lrwidget in JupyterLab. The notebook is copied into "
        "the current folder; one of that name that is already there is opened as it is.",
        epilog="Further arguments are passed to JupyterLab, such as --no-browser or --port=9000.",
    )
    place = parser.add_mutually_exclusive_group()
    place.add_argument("--folder", type=Path, default=Path(), help="copy into this folder instead")
    place.add_argument("--temporary", action="store_true", help="copy into a new temporary folder")
    settings, others = parser.parse_known_args(arguments)
    if missing := _missing():
        sys.exit(
            f"lrwidget: the quickstart needs {', '.join(missing)}. Install all that it needs with: "
            "pip install 'lrwidget[demo]' (with uv, from this project's folder: "
            "uvx --from '.[demo]' lrwidget)"
        )
    folder = Path(mkdtemp(prefix="lrwidget-")) if settings.temporary else settings.folder
    try:
        notebook = copy_quickstart(folder)
    except OSError as error:
        sys.exit(f"lrwidget: {error}. Pass --folder=FOLDER, or --temporary.")
    from jupyterlab.labapp import main as open_lab

    sys.exit(open_lab([str(notebook), f"--ServerApp.root_dir={notebook.parent}", *others]))


def copy_quickstart(folder: Path) -> Path:
    """Copy the quickstart into a folder unless a file of its name is there; return its path.

    Raises:
        OSError: The folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    copy = folder.resolve() / NAME
    if not copy.exists():
        shutil.copyfile(_quickstart(), copy)
    return copy


def _quickstart() -> Path:
    """Return the notebook: in the installed package, or in the folder of the sources."""
    package = Path(__file__).parent
    sources = package.parent / "notebooks" / NAME
    return sources if sources.exists() else package / NAME


def _missing() -> list[str]:
    missing = [name for name in NEEDED if find_spec(name) is None]
    if not any(find_spec(name) for name in BACKENDS):
        missing.append("a backend of Keras, such as tensorflow")
    return missing


if __name__ == "__main__":
    main()
