"""Reproductions of Wang & Joshi, "Cooperative SGD: A Unified Framework" (arXiv 1808.07576)."""
