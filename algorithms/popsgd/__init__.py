"""SGD in the population model (PopSGD): start reading at `population`."""
