"""Wu et al., "On the Convergence of Quantized Parallel Restarted SGD for Central Server Free Distributed Training"."""
