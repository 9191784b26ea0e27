"""From label, instance and depth maps to what has to be said and whether going on is safe."""
