"""Registers the plugin of the suite, nothing more."""

pytest_plugins = ["reproductions.harness.plugin"]
