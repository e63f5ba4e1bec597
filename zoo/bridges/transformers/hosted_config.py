"""The config of a zoo network as a transformers model: what ``zoo.save`` writes, read as a ``PreTrainedConfig``."""

from __future__ import annotations

from typing import Any

from transformers import PretrainedConfig

from zoo.origin import MODEL_TYPE


def _stands_for(field: str) -> property:
    """A name that transformers' tools look for, standing for a field of the entry's config where it has that."""

    def read(self: ZooConfig) -> Any:
        values = self.config or {}
        if field not in values:
            raise AttributeError(f"the config of {(self.zoo or {}).get('entry')} has no {field}")
        return values[field]

    def write(self: ZooConfig, value: Any) -> None:
        self.config = {**(self.config or {}), field: value}

    return property(read, write, doc=f"``config[{field!r}]``")


class ZooConfig(PretrainedConfig):
    """Entry and config of a zoo network.

    Args:
        zoo: plugin, entry, preset, distribution and version, as in the ``config.json`` of ``zoo.save``.
        config: the entry's complete config.
        use_cache: whether a call in eval mode returns what a next call may go on from.
        tie_word_embeddings: whether parameters are shared; set by the model.
        num_labels: of a classifier: as many classes as the entry's config has, or else that config gets this number.
    """

    model_type = MODEL_TYPE

    zoo: dict | None = None
    config: dict | None = None
    use_cache: bool = True
    tie_word_embeddings: bool = False

    vocab_size = _stands_for("vocab_size")
    hidden_size = _stands_for("dim")
    num_hidden_layers = _stands_for("num_layers")
    num_attention_heads = _stands_for("num_heads")
    max_position_embeddings = _stands_for("max_length")

    def __post_init__(self, **kwargs: Any) -> None:
        classes = (self.config or {}).get("num_classes")
        wanted = kwargs.get("num_labels")
        if classes is not None and self.id2label is None:
            kwargs["num_labels"] = classes if wanted is None else wanted
        super().__post_init__(**kwargs)
        if classes is not None and classes != self.num_labels:
            self.config = {**(self.config or {}), "num_classes": self.num_labels}
