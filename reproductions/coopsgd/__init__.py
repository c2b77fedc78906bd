"""Wang & Joshi, "Cooperative SGD"."""
