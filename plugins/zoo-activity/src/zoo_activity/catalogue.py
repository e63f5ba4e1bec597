"""What this plugin offers: the facts that lie beside every paper's code."""

from zoo import papers_beside

zoo_papers = papers_beside(__file__)
