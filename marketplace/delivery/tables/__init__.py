"""Readings as immutable files: whose table is due, the terms applied, and the files on their way into the log."""
