"""Reproductions of the paper ``coopsgd``, whose title stands in ``reproductions/papers.yaml``."""
