"""Confusion, three-state truth, hazard rule, rates: pure functions over arrays and counts."""
