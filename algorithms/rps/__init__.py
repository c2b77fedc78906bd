"""Model averaging over an unreliable network (Yu et al., arXiv 1810.07766): start reading at `averaging`."""
