"""The graph as a page: one HTML file that opens in any browser, without a network.

Nodes stand from left to right as the pass runs, each with the token that it reads as; the one under the pointer shows
its tokens, probabilities, entropy and the target's rank. A click on a node leaves what flows into and out of it; thin
edges can be hidden, and nodes searched by token. ``#node=12`` behind the file's name opens it with that node chosen.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

TEMPLATE = Path(__file__).with_name("page.html")


def write_page(graph: Mapping[str, Any], places: Sequence[tuple[int, int]], path: str | Path) -> Path:
    """Write the page of a graph.

    Args:
        graph: ``FlowGraph.to_dict()``.
        places: (column, row) of every node.
        path: the file.
    """
    facts = {name: value for name, value in graph.items() if name not in ("logits", "axes", "node_top", "node_bottom")}
    facts["places"] = [list(place) for place in places]
    # A script ends at the first "</", also inside of a string.
    data = json.dumps(facts, ensure_ascii=False).replace("</", "<\\/")
    title = escape(f"{''.join(graph['prompt'])} → {graph['target_text']}")
    text = TEMPLATE.read_text(encoding="utf-8").replace("{{title}}", title).replace("{{data}}", data)
    path = Path(path)
    path.write_text(text, encoding="utf-8")
    return path
