"""Reproductions of Wu et al., "On the Convergence of Quantized Parallel Restarted SGD" (arXiv 2004.09125)."""
