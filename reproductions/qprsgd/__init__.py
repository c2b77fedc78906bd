"""Reproductions of the paper ``qprsgd``, whose title stands in ``reproductions/papers.yaml``."""
