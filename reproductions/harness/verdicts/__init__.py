"""Judges: claims, statistics, decisions and verdicts; starts nothing."""
