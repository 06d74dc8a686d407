"""Sphinx's settings for the documentation site: `make docs`, which makes warnings errors."""

import re
import sys
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent
sys.path[:0] = [str(DOCS / "_site"), str(DOCS.parent)]

import docstrings  # noqa: E402
import reference  # noqa: E402
import samples  # noqa: E402

project = "MetaNAS-Bench"
copyright = "MetaNAS-Bench contributors, Apache-2.0"
version = release = installed("metanas")
extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["benchmarks/*.txt", "notebooks"]
source_suffix = {".md": "markdown"}
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_member_order = "bysource"
suppress_warnings = ["myst.header"]  # generated pages go from part to part
html_theme = "pydata_sphinx_theme"
html_title = "MetaNAS-Bench"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_copy_source = False
html_theme_options = {
    "logo": {"text": "MetaNAS-Bench"},
    "show_prev_next": True,
    "footer_start": ["copyright"],
    "footer_end": [],
    "navbar_align": "left",
    "secondary_sidebar_items": ["page-toc"],
    "search_as_you_type": True,
}
# Files above docs/ that the pages name, and the page of the site that shows each.
ABOVE = {
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "leaderboard/SECURITY.md": "security.md",
}


def links_to_pages(app: Any, page: str, text: list[str]) -> None:
    """In the text of a page, a link to a file above docs/ becomes one to the page that shows it."""
    up = "../" * page.count("/")
    text[0] = re.sub(
        r"\]\((?:\.\./)+([\w/]+\.md)(#[\w-]+)?\)",
        lambda found: f"]({up}{ABOVE[found[1]]}{found[2] or ''})" if found[1] in ABOVE else found[0],
        text[0],
    )


def setup(app: Any) -> None:
    """Called by Sphinx."""
    generated = DOCS / "reference/generated"
    reference.write(generated)
    samples.write(generated)
    app.connect("source-read", links_to_pages)
    app.connect("autodoc-process-docstring", docstrings.as_text)
