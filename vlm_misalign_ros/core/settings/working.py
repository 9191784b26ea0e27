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

"""The parameters of nodes that work on frames one by one, and of those that have a model."""

from __future__ import annotations

from dataclasses import dataclass

from vlm_misalign_ros.core.settings.parameters import parameter

RELIABILITY = ('reliable', 'best_effort')
HEARD = 'QoS reliability of the subscriptions to images; what is published is reliable'
POLICY = ('every_frame', 'latest')


@dataclass(frozen=True)
class WorkingParameters:
    """Which frames are taken, and when the node is taken to be at fault."""

    policy: str = parameter('every_frame', 'which frames are taken', choices=POLICY)
    max_failures: int = parameter(
        8, 'frames in a row that may fail before the node ends with the reason; 0: any', minimum=0
    )
    hung_after: float = parameter(
        60.0, 'seconds on one frame after which /diagnostics calls the node hung', minimum=0.1
    )
    reliability: str = parameter('reliable', HEARD, choices=RELIABILITY)


@dataclass(frozen=True)
class ManagedParameters(WorkingParameters):
    """The same of a managed node, which has a model."""

    queue_size: int = parameter(64, 'frames kept while one is worked on', minimum=1)
    autostart: bool = parameter(
        True,
        'load the model and begin by itself; false: wait for `ros2 lifecycle set NODE configure` '
        'and `activate`',
    )
