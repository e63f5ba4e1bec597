"""The network: from a history of sessions to what is likely to follow."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from zoo.errors import InputError
from zoo_activity.pisa.config import PISAConfig
from zoo_activity.pisa.sessions import Sessions, unit
from zoo_activity.pisa.transformer import Block


@dataclass
class Recommendation:
    """What the network says after every session.

    Args:
        scores: (batch, num_items), the higher the likelier in the session after the last; column i is track i + 1.
        st_rep: (batch, L, dim) of norm 1: what follows each session.
        lt_rep: (batch, L, dim) of norm 1: the user's favourites, the same at each session.
        lt_weight: (batch, L, 1): the long-term share a.
        sessions: (batch, L, dim): the embedded sessions.
    """

    scores: Tensor
    st_rep: Tensor
    lt_rep: Tensor
    lt_weight: Tensor
    sessions: Tensor


class PISA(nn.Module):
    """Histories of sessions, and favourites, to scores of all tracks."""

    def __init__(self, config: PISAConfig) -> None:
        super().__init__()
        self.config = config
        self.sessions = Sessions(config)
        self.positions = nn.Parameter(torch.empty(config.max_length, config.dim))
        nn.init.normal_(self.positions, std=0.02)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.num_blocks))
        self.fusion = nn.Linear(2 * config.dim, 2)

    def forward(
        self, seq_ids: Tensor, seq_bll: Tensor, seq_spread: Tensor, fav_ids: Tensor, fav_bll: Tensor
    ) -> Recommendation:
        """Recommend.

        Args:
            seq_ids: (batch, L, slots) of ids 1 to num_items, 0 for padding; histories are left-padded.
            seq_bll, seq_spread: (batch, L, slots), base level and spreading of each track, 0 at padding.
            fav_ids: (batch, favourites), fav_bll their base levels.

        Raises:
            InputError: histories of another length than the positions are for, or shapes that do not fit together.
        """
        config = self.config
        # The batch by its size, never by len(), which is a number that an export would keep; and no set of shapes:
        # sizes that are left free cannot be hashed.
        expected = (seq_ids.shape[0], config.max_length, config.session_length)
        if any(tuple(part.shape) != expected for part in (seq_ids, seq_bll, seq_spread)):
            raise InputError(
                f"seq_ids {list(seq_ids.shape)}, seq_bll {list(seq_bll.shape)}, seq_spread {list(seq_spread.shape)}; "
                f"expected (batch, {config.max_length}, {config.session_length}), left-padded with 0"
            )
        if fav_ids.ndim != 2 or fav_ids.shape != fav_bll.shape or fav_ids.shape[0] != expected[0]:
            raise InputError(
                f"fav_ids {list(fav_ids.shape)} and fav_bll {list(fav_bll.shape)}; expected two equal shapes "
                f"({expected[0]}, favourites)"
            )
        sessions = self.sessions(seq_ids, seq_bll, seq_spread)
        real = (seq_ids > 0).any(-1)
        x = (sessions * (config.dim**0.5 if config.input_scale else 1.0) + self.positions) * real[..., None]
        for block in self.blocks:
            x = block(x, real)
        # At empty sessions x is 0 and has no direction.
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        short = (wide / torch.linalg.vector_norm(wide + 1e-7 * ~real[..., None], dim=-1, keepdim=True)).to(x.dtype)
        favourites = unit(self.sessions.mixed(fav_bll, self.sessions.embed(fav_ids)))
        long = favourites[:, None].expand_as(short)
        shares = self.fusion(torch.cat((long, short), -1)).softmax(-1)
        fused = unit(shares[..., :1] * long + shares[..., 1:] * short + sessions)
        last = fused[:, -1] + config.lambda_ls * favourites
        return Recommendation(last @ self.sessions.items.T, fused, long, shares[..., :1], sessions)


def example(config: PISAConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random histories; the first session of the first user is empty."""
    generator = torch.Generator().manual_seed(seed)
    shape = (batch_size, config.max_length, config.session_length)
    favourites = (batch_size, config.num_favorites)
    fav_ids = torch.randint(1, config.num_items + 1, favourites, generator=generator)
    ids = torch.randint(1, config.num_items + 1, shape, generator=generator)
    if config.max_length > 1 and batch_size > 0:
        ids[0, 0] = 0
    return {
        "seq_ids": ids,
        "seq_bll": torch.rand(shape, generator=generator) * (ids > 0),
        "seq_spread": torch.rand(shape, generator=generator) * (ids > 0),
        "fav_ids": fav_ids,
        "fav_bll": torch.rand(favourites, generator=generator),
    }
