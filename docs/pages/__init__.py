"""The generator of the site: ``python -m docs.pages`` (``make site``) builds it into ``site/``.

Sphinx with MyST and furo: its pages open from the file system, the theme's scripts, styles and (system) fonts are
local, it works at a phone's width and in the dark, and MathML needs neither a script nor a font for equations.

``build`` gathers the sources in ``build/site-source``: the Markdown of ``docs/``, the changelog, and what the writers
add from the catalogue, the recorded figures and the pictures of the cards. Then it runs Sphinx. A writer is a module
with ``write(target: Path) -> None``, which adds pages below ``target``:

* ``gallery``: all entries as tiles, with search and filters; ``tiles`` gathers their facts.
* ``paper_pages``: one page per paper; ``equations`` typesets the docstrings.
* ``comparison``: ``compare-page.md``, drop-in layers beside one another.
* ``api``: the reference, from docstrings.
"""
