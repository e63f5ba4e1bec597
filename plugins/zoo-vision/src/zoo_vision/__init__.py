"""Attention in vision backbones."""
