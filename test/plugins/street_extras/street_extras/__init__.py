"""Example plug-ins of vlm_misalign_ros; pyproject.toml tells their names."""
