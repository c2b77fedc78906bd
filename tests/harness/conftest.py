"""The toy paper is a paper to run in sessions of its own, not a test of this one."""

collect_ignore = ["toy_paper"]
