"""Reproductions of the paper ``rps``, whose title stands in ``reproductions/papers.yaml``."""
