"""Attention drawn so that it can be read: over tokens, over images, and a number for every head of a model.

::

    tokens = token_texts(tokenizer, ids)
    attention_over_tokens(maps[15][0], tokens, title="layer 15", path="layer.png")                  # all its heads
    attention_over_tokens(maps[15][0, 2], tokens, title="layer 15, head 2", path="head.png")        # one
    attention_over_images(images, weights, titles=("image", "head 0", "head 1"), path="images.png")
    head_tables({"importance": table}, path="heads.png")                                            # (layers, heads)

All return matplotlib figures. Within a figure one colour scale holds for all panels, and its bar says what it measures;
layers, heads and positions have whole numbers for ticks; tokens label the axes as long as they can be read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path
from typing import Any

from torch import Tensor

from zoo.errors import InputError
from zoo.evidence.plots import new_figure, saved

COLOURS = "Blues"
OVER_IMAGES = "inferno"

# Inches of all panels of a row.
WIDEST = 8.0

# Tokens that still get a label of their own, of a lone map and of one among many.
READABLE, READABLE_AMONG_MANY = 48, 16


def attention_over_tokens(
    weights: Tensor,
    tokens: Sequence[str] | None = None,
    *,
    keys: Sequence[str] | None = None,
    title: str = "",
    gamma: float = 1.0,
    path: str | Path | None = None,
) -> Any:
    """Draw a head's attention, or that of all heads of a layer side by side.

    Args:
        weights: (queries, keys), or (heads, queries, keys).
        tokens: texts of the queries, and of the keys where ``keys`` has no others; numbers without.
        keys: texts of the keys, where they are another sequence.
        title: over the figure.
        gamma: below 1 shows small weights beside large ones: colours follow weight ** gamma.
        path: where the figure is written, too.

    Raises:
        InputError: weights of another shape, or another number of texts than tokens.
    """
    heads = weights[None] if weights.ndim == 2 else weights
    if heads.ndim != 3 or 0 in heads.shape:
        raise InputError(f"weights of shape {tuple(weights.shape)}; expected (queries, keys) or (heads, queries, keys)")
    keys = tokens if keys is None else keys
    for axis, texts in ((1, tokens), (2, keys)):
        if texts is not None and len(texts) != heads.shape[axis]:
            raise InputError(f"{len(texts)} texts for {heads.shape[axis]} tokens")
    alone = len(heads) == 1
    side = _side(max(heads.shape[1:]), alone)
    columns = _columns(len(heads), side)
    rows = ceil(len(heads) / columns)
    figure = new_figure(figsize=(columns * side + 1.6, rows * side + 0.6))
    axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    values = heads.detach().float().cpu()
    norm = _norm(min(float(values.min()), 0.0), float(values.max()), gamma)
    for head, axis in enumerate(axes.flat):
        if head >= len(heads):
            axis.set_axis_off()
            continue
        picture = axis.imshow(values[head].numpy(), cmap=COLOURS, norm=norm, interpolation="nearest", aspect="auto")
        if not alone:
            axis.set_title(f"head {head}", fontsize=9)
        left, last = head % columns == 0, head + columns >= len(heads)
        _label(axis.yaxis, tokens, heads.shape[1], alone, shown=left)
        _label(axis.xaxis, keys, heads.shape[2], alone, shown=last)
        if left:
            axis.set_ylabel("from (query)")
        if last:
            axis.set_xlabel("to (key)")
    figure.colorbar(picture, ax=axes, label="attention weight", shrink=0.8)
    figure.suptitle(title)
    return saved(figure, path)


def _columns(panels: int, side: float) -> int:
    """As many columns as leave the fewest places empty, of those that stay legible where a page shrinks the figure."""
    most = min(panels, max(2, int(WIDEST // side)))
    return min(range(min(panels, 2), most + 1), key=lambda columns: (-panels % columns, -columns))


def _side(tokens: int, alone: bool) -> float:
    """Inches of a panel."""
    return min(max(3.2, 0.24 * tokens), 11.0) if alone else min(max(2.2, 0.15 * tokens), 4.0)


def _norm(low: float, high: float, gamma: float) -> Any:
    from matplotlib.colors import PowerNorm

    return PowerNorm(gamma, vmin=low, vmax=high if high > low else low + 1.0)


def _label(axis: Any, texts: Sequence[str] | None, count: int, alone: bool, *, shown: bool) -> None:
    """Texts as tick labels where they can be read, else whole numbers."""
    from matplotlib.ticker import MaxNLocator

    if texts is not None and count <= (READABLE if alone else READABLE_AMONG_MANY):
        axis.set_ticks(range(count), [readable(text).replace("$", r"\$") for text in texts], fontsize=8)
        if axis.axis_name == "x":
            axis.set_tick_params(rotation=90)
    else:
        axis.set_major_locator(MaxNLocator(integer=True))
    axis.set_tick_params(labelleft=shown, labelbottom=shown)


def readable(text: str) -> str:
    """A token's text for a label: without the space at a word's start; white space alone is made visible."""
    # Half a character, which some tokenizers cut, can be neither drawn nor written.
    whole = text.encode("utf-8", "replace").decode("utf-8")
    visible = whole.replace("\n", "⏎").replace("\t", "⇥")
    return visible.strip() or "␣"


def attention_over_images(
    images: Tensor,
    maps: Tensor,
    *,
    titles: Sequence[str] = (),
    label: str = "attention weight",
    path: str | Path | None = None,
) -> Any:
    """Draw images, each above its maps laid over it, all maps on one colour scale.

    Args:
        images: (n, channels, height, width), what the model saw; shown in grey, so that colours are the maps'.
        maps: (n, h, w), or (n, maps, h, w) such as a map per head; of any resolution, stretched over the image.
        titles: of the rows: the image's, then each map's.
        label: what the colours measure.
        path: where the figure is written, too.

    Raises:
        InputError: another number of images than of maps, or of titles than of rows.
    """
    if images.ndim != 4 or maps.ndim not in (3, 4) or len(images) != len(maps):
        raise InputError(
            f"images of shape {tuple(images.shape)} and maps of shape {tuple(maps.shape)}; expected "
            "(n, channels, height, width) and one (h, w), or one stack of maps, for each image"
        )
    layers = maps[:, None] if maps.ndim == 3 else maps
    rows, columns = 1 + layers.shape[1], len(images)
    if titles and len(titles) != rows:
        raise InputError(f"{len(titles)} titles for {rows} rows, one of images and {rows - 1} of maps")
    figure = new_figure(figsize=(1.6 * columns + 1.4, 1.7 * rows))
    axes = figure.subplots(rows, columns, squeeze=False)
    values, grey = layers.detach().float().cpu(), images.detach().float().cpu().mean(1)
    norm = _norm(float(values.min()), float(values.max()), 1.0)
    height, width = grey.shape[1:]
    extent = (-0.5, width - 0.5, height - 0.5, -0.5)
    for row in range(rows):
        for column in range(columns):
            axis = axes[row][column]
            axis.imshow(grey[column].numpy(), cmap="gray")
            if row:
                laid = values[column, row - 1].numpy()
                picture = axis.imshow(laid, cmap=OVER_IMAGES, alpha=0.65, extent=extent, norm=norm)
            axis.set_xticks([])
            axis.set_yticks([])
        if titles:
            axes[row][0].set_ylabel(titles[row], fontsize=9)
    figure.colorbar(picture, ax=axes, label=label, shrink=0.8)
    return saved(figure, path)


def patch_maps(weights: Tensor, grid: tuple[int, int], *, skip: int = 1) -> Tensor:
    """Attention to patches as maps: (..., keys) to (..., rows, columns).

    Args:
        weights: of some query, the class token's for instance: ``maps[layer][:, :, 0]`` is (batch, heads, keys).
        grid: rows and columns of patches.
        skip: tokens before the patches, such as a class token.

    Raises:
        InputError: there are not so many patches.
    """
    rows, columns = grid
    if weights.shape[-1] != skip + rows * columns:
        raise InputError(f"{weights.shape[-1]} keys are not {skip} tokens and {rows} x {columns} patches")
    return weights[..., skip:].unflatten(-1, grid)


def head_tables(
    tables: Mapping[str, Tensor], *, title: str = "", diverging: bool = False, path: str | Path | None = None
) -> Any:
    """Draw numbers of heads as heat maps, one for each table.

    Args:
        tables: what is measured -> (layers, heads).
        title: over the figure.
        diverging: whether zero is the middle of the colours, as for effects of either sign.
        path: where the figure is written, too.

    Raises:
        InputError: a table of another shape.
    """
    from matplotlib.ticker import MaxNLocator

    wrong = {name: tuple(table.shape) for name, table in tables.items() if table.ndim != 2}
    if wrong or not tables:
        raise InputError(f"tables {wrong}; expected (layers, heads) each")
    layers, heads = (max(table.shape[axis] for table in tables.values()) for axis in (0, 1))
    wide, high = max(2.6, 0.28 * heads + 1.6), max(2.4, 0.2 * layers + 1.0)
    figure = new_figure(figsize=(min(wide * len(tables), 16), min(high, 10)))
    for axis, (name, table) in zip(figure.subplots(1, len(tables), squeeze=False)[0], tables.items(), strict=True):
        values = table.detach().float().cpu()
        most = float(values.abs().max()) or 1.0
        colours = {"cmap": "RdBu_r", "vmin": -most, "vmax": most} if diverging else {"cmap": "viridis"}
        figure.colorbar(axis.imshow(values.numpy(), aspect="auto", interpolation="nearest", **colours), ax=axis)
        axis.set(title=name, xlabel="head", ylabel="layer")
        for ticks in (axis.xaxis, axis.yaxis):
            ticks.set_major_locator(MaxNLocator(integer=True))
    figure.suptitle(title)
    return saved(figure, path)
