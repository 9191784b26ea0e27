"""How core types travel: topics, values, pixels, transport. Nodes and bags share it; no ROS."""
