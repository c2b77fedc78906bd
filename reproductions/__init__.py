"""Reproductions: every figure, table and theorem of the papers as a parameterized test."""
