"""Reproductions of Wang & Joshi, "Cooperative SGD" (arXiv 1808.07576)."""
