"""What the paper compares with: attention that reads the memory, alone or together with the last weights."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor, nn

from zoo.nn.masks import masked_softmax
from zoo_seq2seq.additive_attention import AdditiveAttention
from zoo_seq2seq.location_relative_attention.alignment import Alignment, at_the_start
from zoo_seq2seq.location_relative_attention.config import TacotronConfig


class ContentAttention(nn.Module):
    """Additive attention; with ``located`` the hybrid of Chorowski et al. 2015, which also sees the last weights."""

    def __init__(self, config: TacotronConfig, *, located: bool) -> None:
        super().__init__()
        self.additive = AdditiveAttention(
            config.attention_rnn_dim, config.memory_dim, config.attention_hidden, bias=True
        )
        self.static: nn.Conv1d | None = None
        self.from_static: nn.Linear | None = None
        if located:
            size = config.static_kernel_size
            self.static = nn.Conv1d(1, config.static_channels, size, padding=size // 2, bias=False)
            self.from_static = nn.Linear(config.static_channels, config.attention_hidden, bias=False)

    def first(self, memory: Tensor, mask: Tensor | None = None) -> Alignment:
        """All on token 0, and the keys of the memory (batch, source, width)."""
        return Alignment(at_the_start(memory, mask), mask, keys=self.additive.key(memory))

    def step(self, query: Tensor, last: Alignment) -> Alignment:
        """Weigh every token by what it is and, where hybrid, by the weights around it."""
        assert last.keys is not None
        keys = last.keys
        if self.static is not None and self.from_static is not None:
            keys = keys + self.from_static(self.static(last.weights[:, None]).transpose(1, 2))
        return replace(last, weights=masked_softmax(self.additive(query, keys), last.mask))
