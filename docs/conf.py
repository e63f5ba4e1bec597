"""How Sphinx builds the site; ``docs.pages`` lays out the sources that it reads."""

from __future__ import annotations

import os
from typing import Any

project = "Attention zoo"
author = "the authors of the attention zoo"
html_title = "Attention zoo"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_enable_extensions = ["colon_fence", "deflist", "attrs_inline", "attrs_block"]
myst_heading_anchors = 3
# The last two are settled by ``docs.pages``: files of the repository, and pages from the top of the site.
myst_url_schemes = ["http", "https", "mailto", "repo", "site"]
autodoc_member_order = "bysource"
autodoc_typehints = "description"

# The one place that says where the repository can be read: links to code lead there. Empty, they lead to the files of
# the clone in which the site was built (``site/`` lies in it).
repository = os.environ.get("ZOO_REPOSITORY", "")

html_theme = "furo"
html_static_path = ["assets"]
html_css_files = ["site.css", "gallery.css", "paper.css", "compare.css"]
html_js_files = [("site.js", {"defer": "defer"})]
exclude_patterns = ["_extra"]
# The gallery and the reference are the index; the generated ones are wider than a screen.
html_use_index = False
html_domain_indices = False
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_show_copyright = False
# A summary of each hit would be fetched, which pages opened from a file system may not do.
html_show_search_summary = False


def setup(app: Any) -> None:
    """Read docstrings as the prose that they are."""
    from docs.pages import docstrings

    # Before napoleon, whose priority is 500.
    app.connect("autodoc-process-docstring", docstrings.process, priority=400)
