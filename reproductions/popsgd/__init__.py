"""Reproductions of the paper ``popsgd``, whose title stands in ``reproductions/papers.yaml``."""
