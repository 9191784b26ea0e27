"""Live: camera and ground truth come from outside; degradation, models and monitor run here."""

from launch import LaunchDescription

from vlm_misalign_ros.app.launching import live_arguments, start_graph


def generate_launch_description() -> LaunchDescription:
    """Return the arguments and the action that starts the graph."""
    return LaunchDescription([*live_arguments(), start_graph('live')])
