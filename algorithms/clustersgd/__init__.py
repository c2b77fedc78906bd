"""Asynchronous crash-tolerant SGD in the cluster model (Attiya and Schiller): start reading at `sgd`."""
