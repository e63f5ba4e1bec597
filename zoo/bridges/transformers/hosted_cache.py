"""What a zoo layer remembers of the tokens so far, as a layer of a transformers cache."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from transformers.cache_utils import Cache, CacheLayerMixin

from zoo.errors import InputError


class ZooCacheLayer(CacheLayerMixin):
    """One layer's memory: its keys and values, or its state.

    Args:
        memory: from ``CausalLanguageModel.new_caches``.
    """

    is_sliding = False

    def __init__(self, memory: Any) -> None:
        super().__init__()
        self.memory = memory

    @property
    def is_croppable(self) -> bool:
        """Whether the last tokens can be forgotten: keys and values can, a state cannot."""
        return hasattr(self.memory, "crop")

    def get_seq_length(self) -> int:
        """Tokens so far."""
        length: int = self.memory.length
        return length

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """How many tokens there will be after so many more, and where they start."""
        return self.get_seq_length() + query_length, 0

    def get_max_length(self) -> int:
        """No bound."""
        return -1

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Nothing: the layer fills its memory itself."""

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Refused: the layer fills its memory itself."""
        raise InputError("the layers of a zoo model fill their caches themselves")

    def reorder_cache(self, beam_idx: Tensor) -> None:
        """Keep these examples of the batch, in this order."""
        self.memory.select(beam_idx)

    def batch_select_indices(self, indices: Tensor) -> None:
        """Keep these examples of the batch."""
        self.memory.select(indices)

    def crop(self, tokens_to_remove: int) -> None:
        """Forget so many of the last tokens; transformers gives the number with a minus sign."""
        if tokens_to_remove:
            self.memory.crop(self.get_seq_length() - abs(tokens_to_remove))

    def reset(self) -> None:
        """Forget everything.

        Raises:
            InputError: the layer keeps a state.
        """
        if not self.is_croppable:
            raise InputError("a state cannot be emptied; leave the cache out of the next call instead")
        self.memory.crop(0)


def new_cache(memories: list[Any]) -> Cache:
    """A transformers cache of a model's empty memories."""
    return Cache(layers=[ZooCacheLayer(memory) for memory in memories])


def memories_of(cache: Any) -> list[Any]:
    """The memories in a cache that ``new_cache`` made.

    Raises:
        InputError: another cache.
    """
    layers = getattr(cache, "layers", None) or []
    if not layers or not all(isinstance(layer, ZooCacheLayer) for layer in layers):
        raise InputError(
            f"{type(cache).__name__} is not a cache of this model; give the one that an earlier call returned, or none"
        )
    return [layer.memory for layer in layers]
