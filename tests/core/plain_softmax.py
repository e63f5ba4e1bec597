"""The plugin ``plain``: a functional attention that is plain softmax, and remembers the masks that it gets."""

SOFTMAX = {
    "catalogue": """
        from zoo import Entry, Paper, hookimpl
        @hookimpl
        def zoo_papers():
            yield Paper(id="plain-softmax", title="Plain", year=2017, entries=(
                Entry(id="plain-softmax", kind="attention", summary="softmax attention", build="PKG.code:build",
                      config="PKG.code:Config", functional="PKG.code:attend"),))
    """,
    "code": """
        from dataclasses import dataclass
        from zoo.nn.masks import expand_mask, masked_softmax
        import zoo

        SEEN = []

        @dataclass
        class Config:
            sharpness: float = zoo.field(1.0, "factor on the scores", minimum=0.0)

        def build(config):
            raise NotImplementedError

        def attend(query, key, value, attn_mask, *, causal, scale, config):
            batch, heads, queries, _ = query.shape
            groups = heads // key.shape[1]
            key, value = (tensor.repeat_interleave(groups, 1) for tensor in (key, value))
            SEEN.append((None if attn_mask is None else tuple(attn_mask.shape), causal))
            mask = expand_mask(attn_mask, batch=batch, heads=heads, queries=queries, keys=key.shape[2], causal=causal)
            scores = query @ key.transpose(-1, -2) * scale * config.sharpness
            return masked_softmax(scores, mask) @ value
    """,
}
