"""The plugin ``tiny``: small networks of the zoo's own hosts, for the tests of what is around them."""

TINY = {
    "catalogue": """
        from zoo import Entry, Paper, hookimpl
        @hookimpl
        def zoo_papers():
            yield Paper(id="tiny", title="Tiny", year=2017, entries=(
                Entry(id="tiny", kind="model", summary="a language model", build="PKG.networks:Language",
                      config="PKG.networks:LanguageConfig",
                      presets={"rotary": {}, "sinusoidal": {"positions": "sinusoidal"},
                               "tied": {"tie_embeddings": True}, "learned": {"positions": "learned"},
                               "recomputing": {"attention": "forgetful"}}),
                Entry(id="tiny-eye", kind="model", summary="an image classifier", tags=("classification",),
                      build="zoo.nn.vision_transformer:VisionTransformer", config="PKG.networks:EyeConfig"),
                Entry(id="tiny-norm", kind="model", summary="a classifier with batch norms", tags=("classification",),
                      build="PKG.networks:Normed", config="PKG.networks:EyeConfig"),
                Entry(id="tiny-layer", kind="attention", summary="no network", build="PKG.networks:layer",
                      config="PKG.networks:LanguageConfig"),
            ))
    """,
    "networks": """
        from dataclasses import dataclass
        from torch import nn
        import zoo
        from zoo.nn.attention import MultiHeadAttention
        from zoo.nn.language_model import LanguageModel, LanguageModelConfig, full_attention
        from zoo.nn.vision_transformer import VisionTransformerConfig

        @dataclass
        class LanguageConfig(LanguageModelConfig):
            vocab_size: int = zoo.field(61, "tokens")
            dim: int = zoo.field(32, "width")
            num_layers: int = zoo.field(2, "blocks")
            num_heads: int = zoo.field(4, "heads")
            hidden_dim: int = zoo.field(48, "width of the MLP")
            max_length: int = zoo.field(64, "longest sequence")

        class Forgetful(MultiHeadAttention):
            supports_cache = False

        class Language(LanguageModel):
            def __init__(self, config):
                super().__init__(config, {"forgetful": lambda: Forgetful(config.dim, config.num_heads, causal=True)})

        @dataclass
        class EyeConfig(VisionTransformerConfig):
            dim: int = zoo.field(16, "width")
            num_layers: int = zoo.field(2, "blocks")
            num_heads: int = zoo.field(2, "heads")
            image_size: int = zoo.field(8, "pixels")
            patch_size: int = zoo.field(4, "pixels")
            in_channels: int = zoo.field(1, "channels")
            num_classes: int = zoo.field(3, "classes")

        class Normed(nn.Module):
            def __init__(self, config):
                super().__init__()
                self.blocks = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
                self.blocks = nn.Sequential(nn.Sequential(*self.blocks))
                self.head = nn.Linear(4, config.num_classes)

            def forward(self, images):
                return self.head(self.blocks(images).mean((2, 3)))

        def layer(config):
            return full_attention(config)
    """,
}
