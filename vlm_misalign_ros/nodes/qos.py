# Copyright 2026 vlm_misalign_ros maintainers
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.

"""The QoS profiles of every topic kind, and how they can be overridden."""

from __future__ import annotations

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions

IMAGE_DEPTH = 40
"""
Pictures and maps that wait for a node: a second at 30 Hz, and a third more.

Only what does wait takes memory: 6.3 MB a picture of 2048 x 1024 (docs/live.md, QoS).
"""
RESULT_DEPTH = 100
"""
Of values, a few KB each.

Where a monitor falls behind for good its values are older than its maps, by the difference of the
two: much more of it would pass for a jump in time (evaluation/session).
"""


def _reliability(name: str) -> ReliabilityPolicy:
    return ReliabilityPolicy.RELIABLE if name == 'reliable' else ReliabilityPolicy.BEST_EFFORT


def image_qos(reliability: str) -> QoSProfile:
    """Return the profile of images and maps: `reliable` (evaluation) or `best_effort`."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST, depth=IMAGE_DEPTH, reliability=_reliability(reliability)
    )


def result_qos(reliability: str = 'reliable') -> QoSProfile:
    """Return the profile of small results; of what others send it may be `best_effort`."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST, depth=RESULT_DEPTH, reliability=_reliability(reliability)
    )


def latched_qos() -> QoSProfile:
    """Return the profile of what is said once, to those who come later too."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=1,
        reliability=ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL,
    )


def overridable() -> QoSOverridingOptions:
    """Return the options that expose `qos_overrides` parameters."""
    return QoSOverridingOptions.with_default_policies()
