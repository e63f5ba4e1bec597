"""Schemas of the layer, the networks and the benchmark, and their choices."""

from __future__ import annotations

from dataclasses import dataclass, fields

import zoo
from zoo.errors import ConfigError
from zoo.nn.heads import require_equal_slices

RELATION_ACTIVATIONS = ("identity", "relu", "sigmoid", "tanh", "gelu", "silu", "softmax")
RETRIEVALS = ("symbolic_attention", "positional_symbols", "position_relative")
GAMES = ("same", "between", "occurs", "xoccurs", "match-pattern")
OBJECTS = ("pentominoes", "hexominoes", "stripes")


@dataclass
class DualAttentionConfig:
    """Config of one layer, symbols included."""

    dim: int = zoo.field(64, "model width", unit="features", minimum=1)
    num_heads: int = zoo.field(4, "sensory and relational heads together", minimum=1)
    num_relational_heads: int | None = zoo.field(None, "relational heads; None: half of all, rounded up", minimum=0)
    num_kv_heads: int | None = zoo.field(None, "key/value heads of the sensory group; None: as its heads", minimum=1)
    num_relational_kv_heads: int | None = zoo.field(
        None, "key/value heads of the relational group; None: as its heads", minimum=1
    )
    num_relations: int | None = zoo.field(None, "relations R; None: as relational heads", minimum=1)
    relation_activation: str = zoo.field("identity", "of the relations", choices=RELATION_ACTIVATIONS)
    symmetric_relations: bool = zoo.field(False, "whether r(x, y) = r(y, x), by one projection for both sides")
    share_attention: bool = zoo.field(False, "whether both groups attend with the same query and key projections")
    rope: bool = zoo.field(False, "rotary positions (interleaved pairs) in the attention weights of both groups")
    causal: bool = zoo.field(False, "whether a token sees only itself and what came before")
    symbol_retrieval: str = zoo.field("symbolic_attention", "where symbols come from", choices=RETRIEVALS)
    num_symbols: int = zoo.field(64, "size of the symbol library (symbolic_attention)", minimum=1)
    symbol_heads: int | None = zoo.field(None, "heads of symbolic_attention; None: num_heads", minimum=1)
    trainable_symbols: bool = zoo.field(True, "whether the symbol library is trained (symbolic_attention)")
    max_length: int = zoo.field(1024, "longest sequence, where positions are learned", unit="tokens", minimum=1)
    symbol_length: int | None = zoo.field(
        None, "positions with a symbol (positional_symbols); None: max_length", unit="tokens", minimum=1
    )
    max_distance: int = zoo.field(64, "distance m beyond which symbols repeat (position_relative)", minimum=0)

    def __post_init__(self) -> None:
        self._require_heads()
        if self.dim % self.retrieval_heads and self.symbol_retrieval == "symbolic_attention":
            raise ConfigError(
                f"dim={self.dim} is not divisible by symbol_heads={self.retrieval_heads}", field="symbol_heads"
            )
        if self.relational and self.relation_dim < 1:
            raise ConfigError(
                f"{self.relations} relations leave less than one feature each of {self.relational * self.head_dim}",
                field="num_relations",
            )
        if self.rope and self.head_dim % 2:
            raise ConfigError(f"rotary positions need an even head width, not {self.head_dim}", field="rope")

    def _require_heads(self) -> None:
        require_equal_slices(self.dim, self.num_heads)
        if not 0 <= self.relational <= self.num_heads:
            raise ConfigError(
                f"{self.relational} relational heads of num_heads={self.num_heads}", field="num_relational_heads"
            )
        groups = (
            ("num_kv_heads", self.sensory, self.num_kv_heads),
            ("num_relational_kv_heads", self.relational, self.num_relational_kv_heads),
        )
        for name, heads, kv_heads in groups:
            if heads % (kv_heads or 1):
                raise ConfigError(f"{heads} heads are not a multiple of {name}={kv_heads}", field=name)
        shapes = {(heads, kv_heads or heads) for _, heads, kv_heads in groups}
        if self.share_attention and len(shapes) > 1:
            raise ConfigError(
                f"sharing needs as many relational as sensory heads, not {self.relational} and {self.sensory}",
                field="share_attention",
            )

    @property
    def relational(self) -> int:
        """Number of relational heads H_r."""
        return (self.num_heads + 1) // 2 if self.num_relational_heads is None else self.num_relational_heads

    @property
    def sensory(self) -> int:
        """Number of sensory heads H_s."""
        return self.num_heads - self.relational

    @property
    def head_dim(self) -> int:
        """Width d of a head."""
        return self.dim // self.num_heads

    @property
    def relations(self) -> int:
        """Number of relations R."""
        return self.num_relations or self.relational

    @property
    def relation_dim(self) -> int:
        """Width p of one relation's query and key."""
        return self.head_dim * self.relational // self.relations

    @property
    def retrieval_heads(self) -> int:
        """Heads of the symbol retriever."""
        return self.symbol_heads or self.num_heads


@dataclass
class NetworkConfig(DualAttentionConfig):
    """What the three networks share."""

    num_layers: int = zoo.field(2, "blocks", minimum=1)
    hidden_dim: int | None = zoo.field(
        None, "width of the feed-forward network; None: 4 dim, or 8/3 dim for swiglu", unit="features", minimum=1
    )
    activation: str = zoo.field("gelu", "of the feed-forward network", choices=("gelu", "relu", "swiglu"))
    ff_bias: bool = zoo.field(True, "whether the feed-forward network has biases; attention never has")
    norm: str = zoo.field("layernorm", "kind of norm", choices=("layernorm", "rmsnorm"))
    pre_norm: bool = zoo.field(True, "norms before each branch, or after each sum")
    dropout: float = zoo.field(0.0, "after each branch", minimum=0.0, maximum=1.0)
    shared_symbols: bool = zoo.field(True, "one symbol retriever for all layers, or one each")
    tied_library: bool = zoo.field(False, "with one retriever each: whether they share the symbol library")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.tied_library and self.symbol_retrieval != "symbolic_attention":
            raise ConfigError("only symbolic_attention has a library to share", field="tied_library")

    @property
    def ff_dim(self) -> int:
        """Width of the feed-forward network."""
        return self.hidden_dim or (int(8 * self.dim / 3) if self.activation == "swiglu" else 4 * self.dim)


@dataclass
class DATConfig(NetworkConfig):
    """Config of the language model; ``max_length`` bounds learned positions and positional symbols."""

    vocab_size: int = zoo.field(50_304, "tokens of the vocabulary", minimum=1)
    dim: int = zoo.field(512, "model width", unit="features", minimum=1)
    num_layers: int = zoo.field(6, "blocks", minimum=1)
    num_heads: int = zoo.field(8, "sensory and relational heads together", minimum=1)
    causal: bool = zoo.field(True, "always: the next token is predicted")
    rope: bool = zoo.field(True, "rotary positions (interleaved pairs); otherwise learned ones")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.causal:
            raise ConfigError("a language model predicts what comes next: causal must be True", field="causal")


@dataclass
class ViDATConfig(NetworkConfig):
    """Config of the image classifier."""

    image_shape: list[int] = zoo.field([3, 224, 224], "channels, height and width of the image", minimum=1)
    patch_shape: list[int] = zoo.field([16, 16], "height and width of a patch", unit="pixels", minimum=1)
    num_classes: int = zoo.field(1000, "classes", minimum=1)
    pool: str = zoo.field("mean", "what the head reads; the mean includes the class token", choices=("mean", "cls"))

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.image_shape) != 3 or len(self.patch_shape) != 2:
            raise ConfigError(
                "image_shape is [channels, height, width] and patch_shape [height, width]", field="image_shape"
            )
        for side, patch in zip(self.image_shape[1:], self.patch_shape, strict=True):
            if side % patch:
                raise ConfigError(f"an image side of {side} is not a multiple of {patch}", field="patch_shape")
        if self.symbol_retrieval == "positional_symbols" and (self.symbol_length or self.max_length) < self.num_tokens:
            raise ConfigError(f"{self.num_tokens} tokens need as many symbols", field="symbol_length")

    @property
    def num_tokens(self) -> int:
        """Patches and the class token."""
        (_, height, width), (patch_height, patch_width) = self.image_shape, self.patch_shape
        return (height // patch_height) * (width // patch_width) + 1


@dataclass
class DATSeq2SeqConfig(NetworkConfig):
    """Config of the encoder-decoder; ``num_layers`` blocks on each side."""

    source_vocab_size: int = zoo.field(64, "tokens of the source", minimum=1)
    target_vocab_size: int = zoo.field(64, "tokens of the target", minimum=1)
    rope: bool = zoo.field(True, "rotary positions (interleaved pairs); otherwise learned ones")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.causal:
            raise ConfigError("the encoder sees the whole source, the decoder is causal by itself", field="causal")

    def decoder(self) -> NetworkConfig:
        """Config of the blocks that write the target."""
        common = {item.name: getattr(self, item.name) for item in fields(NetworkConfig)}
        return NetworkConfig(**common | {"causal": True})


@dataclass
class RelationalGamesConfig:
    """Config of the benchmark."""

    game: str = zoo.field("same", "which game", choices=GAMES)
    objects: list[str] = zoo.field(list(OBJECTS), "sets of objects to play with", choices=OBJECTS)
    count: int = zoo.field(1000, "images per set of objects", minimum=2)
    seed: int = zoo.field(999, "of the images")
