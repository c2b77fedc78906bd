"""The report: what a results folder holds, as tables and as a static site."""
