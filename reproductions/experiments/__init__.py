"""What can be run: every kind of experiment that the papers share."""
