"""Cooperative SGD (Wang and Joshi, arXiv 1808.07576): start reading at `cooperative`."""
