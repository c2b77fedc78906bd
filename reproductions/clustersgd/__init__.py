"""Reproduction of Attiya & Schiller, "Asynchronous Fully-Decentralized SGD in the Cluster-Based Model"."""
