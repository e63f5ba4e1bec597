"""The site: prose in Markdown, and ``docs.pages``, which adds what is rendered from the catalogue."""
