"""Counts first, then rates: every number can be followed to its frames."""
