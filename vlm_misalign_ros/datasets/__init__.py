"""Frames from disk or from a generator."""
