"""Attention mechanisms of my-lab: a package per paper, and the catalogue that collects them."""
