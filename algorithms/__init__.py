"""Distributed SGD algorithms of five papers, one short file each; no pytest, no data set, no figure in here."""
