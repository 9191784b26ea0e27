"""Trains the miniature models on the synthetic world: data, loops, recipes."""
