"""The pytest plugin around the reproductions: runs, claims, statistics, verdicts and the report."""
