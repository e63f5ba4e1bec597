"""Attention that finds bodies: human pose from images, and from two dimensions to three."""
