"""``reproductions gpu-hour OUT``: what a GPU is borrowed for, as one command that goes on where it was cut off."""
