"""Carries runs: names, starts, stores and resumes them; knows no experiment, no claim and no paper."""
