"""An evaluation in lockstep: replayed frames, degraded, segmented, described, scored."""

from launch import LaunchDescription

from vlm_misalign_ros.app.launching import evaluation_arguments, start_graph


def generate_launch_description() -> LaunchDescription:
    """Return the arguments and the action that starts the graph."""
    return LaunchDescription([*evaluation_arguments(), start_graph('evaluation')])
