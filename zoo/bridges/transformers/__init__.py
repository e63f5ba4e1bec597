"""transformers: mechanisms of the zoo inside its models, and the instruments that open models.

``registration`` makes mechanisms attention implementations; ``choice`` keeps their options in a model's config,
``masks`` reads its masks, ``dispatch`` finds who asks for an implementation. The instruments work on models of
transformers and on the zoo's own networks, leave them bit-identical, and build on one another in this order:

1. ``sites``: where a model attends, and the blocks around it; ``inputs``: tensors, or text with a tokenizer.
2. ``attending``: see and change queries, keys, values and weights; ``heads``: outputs of heads, patched and ablated;
   ``streams``: the residual stream.
3. ``maps``: attention maps, text after text; ``decomposition``: logits as a sum over heads; ``paths``: path patching;
   ``circuits``: the weights of single heads.

``tiny`` has random models of every family for examples and tests, ``recorded`` rebuilds those of recordings, and
``packaged`` has trained ones that travel in packages, read by ``gguf_llama`` and ``ctranslate2_whisper``.
"""
