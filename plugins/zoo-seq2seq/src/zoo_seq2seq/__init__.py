"""Attention between an encoder and a decoder: translation, speech, melody, and attention that is attacked or made to deceive."""
