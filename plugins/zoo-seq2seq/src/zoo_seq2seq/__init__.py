"""Attention between an encoder and a decoder: translation, speech, melody, and attention under attack."""
