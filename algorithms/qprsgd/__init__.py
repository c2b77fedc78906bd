"""Quantized parallel restarted SGD (Wu et al., arXiv 2004.09125): start reading at `ring` and `quantize`."""
