"""Settings of the documentation site, which `make docs` builds from the top of the repository."""

import os
import sys
from importlib import metadata
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

project = "lrwidget"
author = "The developers of lrwidget"
release = metadata.version("lrwidget")

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
]
root_doc = "docs/index"
include_patterns = ["docs/*.md", "notebooks/*.ipynb", "C*.md"]
exclude_patterns = ["notebooks/app.ipynb"]

nb_execution_mode = "off"  # the outputs are committed; the tests run the notebooks
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3
myst_links_external_new_tab = False

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the signatures have them
autodoc_preserve_defaults = True
default_role = "code"  # single backticks in docstrings
napoleon_use_rtype = False
napoleon_custom_sections = [("Source", "notes_style")]

html_theme = "pydata_sphinx_theme"
html_title = "lrwidget"
html_extra_path = ["site"]  # the page at the root leads to docs/index.html
html_static_path = ["static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
WITH_SIDEBAR = {"evidence", "regret", "searches", "benchmarks", "regret_before", "notebooks"}
html_sidebars = {
    f"docs/{page.stem}": []
    for page in Path(__file__).parent.glob("*.md")
    if page.stem not in WITH_SIDEBAR
}
html_theme_options = {
    "header_links_before_dropdown": 6,
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
