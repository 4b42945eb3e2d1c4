"""The versions of the packages that measured a result."""

import sys
from functools import cache
from importlib.metadata import version


@cache
def versions_of(*packages: str) -> dict[str, str]:
    """Return the versions of lrwidget, numpy and the given loaded packages, by name."""
    # Not by distribution: tensorflow-cpu is also loaded as `tensorflow`.
    loaded = {name: str(sys.modules[name].__version__) for name in ("numpy", *packages)}
    return {"lrwidget": version("lrwidget"), **loaded}
