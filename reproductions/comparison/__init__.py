"""Which algorithm on which network? Those of the five papers side by side, under conditions that all of them meet."""
