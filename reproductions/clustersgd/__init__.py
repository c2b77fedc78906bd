"""Reproductions of the paper ``clustersgd``, whose title stands in ``reproductions/papers.yaml``."""
