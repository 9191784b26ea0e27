"""The QoS profiles of every topic kind, and how they can be overridden."""

from __future__ import annotations

from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions

IMAGE_DEPTH = 10
RESULT_DEPTH = 100


def image_qos(reliability: str) -> QoSProfile:
    """Return the profile of images and maps: `reliable` (evaluation) or `best_effort`."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=IMAGE_DEPTH,
        reliability=ReliabilityPolicy.RELIABLE
        if reliability == 'reliable'
        else ReliabilityPolicy.BEST_EFFORT,
    )


def result_qos() -> QoSProfile:
    """Return the profile of small results: reliable."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST, depth=RESULT_DEPTH, reliability=ReliabilityPolicy.RELIABLE
    )


def overridable() -> QoSOverridingOptions:
    """Return the options that expose `qos_overrides` parameters."""
    return QoSOverridingOptions.with_default_policies()
