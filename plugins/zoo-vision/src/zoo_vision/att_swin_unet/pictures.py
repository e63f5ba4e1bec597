"""The pictures on the cards of the base and of the attention between streams."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

import zoo
from zoo.evidence.plots import saved_small
from zoo.nn.heads import split_heads
from zoo_vision import panels
from zoo_vision.att_swin_unet import training
from zoo_vision.att_swin_unet.cross_contextual import SummaryAttention
from zoo_vision.photographs import photograph, to_tensor
from zoo_vision.restoration import resized
from zoo_vision.swin import into_windows, regions

_SIDE, _WINDOW = 28, 7


def summaries(path: Path) -> None:
    """Held-out cut-outs on held-out photographs, and what the two summary tokens of the bundled network read on the
    finest skip: the decoder's from the encoder's tokens, and the encoder's from the decoder's (1 would be even).
    """
    model = zoo.load("att-swin-unet/scenes")
    scenes, _ = next(training.batches("held-out", 1, 4, seed=5))
    seen: list[Tensor] = []

    def keep(part: nn.Module, args: tuple[Tensor, Tensor]) -> None:
        assert isinstance(part, SummaryAttention)
        query, context = part.norm(args[0]), args[1]
        keys, _ = part.to_kv(torch.cat((query, context), 1)).chunk(2, -1)
        q, k = (split_heads(each, part.num_heads) for each in (part.to_q(query), keys))
        weights = (q @ k.mT * q.shape[-1] ** -0.5).softmax(-1).mean(1)[:, 0]
        # The first weight is that of the summary itself; it stands where the token is that it replaces.
        seen.append((weights * weights.shape[1]).unflatten(1, (round(weights.shape[1] ** 0.5), -1)))

    finest = model.decoder.Crossvit_layer[0]
    handles = [part.register_forward_pre_hook(keep) for part in finest.modules() if isinstance(part, SummaryAttention)]
    with torch.no_grad():
        model(scenes)
    for handle in handles:
        handle.remove()
    figure, axes = panels.grid(3, len(scenes), 1.7, 1.7)
    high = float(torch.stack(seen).max())
    for column, scene in enumerate(scenes):
        panels.show(axes[0, column], scene)
        for row, weights in enumerate(seen[:2], 1):
            drawn = panels.show(axes[row, column], weights[column], low=0.0, high=high)
    figure.colorbar(drawn, ax=axes[1:, :], label="attention over even")
    for row, name in enumerate(("scene", "decoder reads", "encoder reads")):
        axes[row, 0].set_ylabel(name, fontsize=9)
    saved_small(figure, path)


def windows(path: Path) -> None:
    """Which places of a map of 28 x 28 see each other in windows of 7 x 7: in a block, in the next, whose windows are
    shifted by 3, and (bright) what one place (ring) sees through both; a rule without weights, over a photograph.
    """
    picture = resized(to_tensor(photograph("skimage/coffee.png"))[None, :, :, 100:500], 224, 224)[0]
    shift = _WINDOW // 2
    place = torch.arange(_SIDE * _SIDE).view(1, _SIDE, _SIDE, 1)

    def sees(moved: int) -> Tensor:
        """(places, places) bool."""
        cut = into_windows(place.roll((-moved, -moved), (1, 2)), _WINDOW)[0, ..., 0]
        mask = regions(_SIDE, _SIDE, _WINDOW, moved, torch.device("cpu"))
        visible = torch.zeros(_SIDE**2, _SIDE**2, dtype=torch.bool)
        for index, members in enumerate(cut):
            allowed = torch.ones(len(members), len(members), dtype=torch.bool) if mask is None else mask[index] == 0
            visible[members[:, None], members] = allowed
        return visible

    plain, shifted = sees(0), sees(shift)
    both = (plain.float() @ shifted.float()) > 0
    query = 13 * _SIDE + 16
    figure, axes = panels.grid(1, 3, 3.0, 3.1)
    for axis, title, visible in zip(
        axes[0], ("windows", "shifted windows", "seen through both"), (plain, shifted, both), strict=True
    ):
        bright = visible[query].view(_SIDE, _SIDE).float()
        lit = bright.repeat_interleave(8, 0).repeat_interleave(8, 1)
        panels.show(axis, picture * (0.35 + 0.65 * lit), f"{title}: {int(bright.sum())} places")
        axis.scatter([query % _SIDE * 8 + 4], [query // _SIDE * 8 + 4], s=60, facecolors="none", edgecolors="#00e5ff")
    for axis, moved in ((axes[0, 0], 0), (axes[0, 1], shift)):
        for line in range(-_WINDOW + moved, _SIDE, _WINDOW):
            if line > 0:
                axis.axhline(8 * line - 0.5, color="white", linewidth=0.8)
                axis.axvline(8 * line - 0.5, color="white", linewidth=0.8)
    saved_small(figure, path)
