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

"""docs/parameters.md, made from the tables of parameters."""

from __future__ import annotations

from vlm_misalign_ros.core.settings.annotator import AnnotatorParameters
from vlm_misalign_ros.core.settings.nodes import (
    CorruptionParameters,
    MonitorParameters,
    RecorderParameters,
    ReferenceParameters,
    ReplayParameters,
    SegmentationParameters,
    VlmParameters,
)
from vlm_misalign_ros.core.settings.outside import OutsideMaskParameters, OutsideVlmParameters
from vlm_misalign_ros.core.settings.parameters import to_markdown

DOCUMENTED: tuple[tuple[str, type], ...] = (
    ('replay', ReplayParameters),
    ('corruption', CorruptionParameters),
    ('segmentation', SegmentationParameters),
    ('reference', ReferenceParameters),
    ('vlm', VlmParameters),
    ('an entry of vlms with a topic', OutsideVlmParameters),
    ('segmentation with a topic', OutsideMaskParameters),
    ('monitor', MonitorParameters),
    ('recorder', RecorderParameters),
    ('annotator', AnnotatorParameters),
)
"""The nodes in the order of docs/parameters.md."""


def document() -> str:
    """Return docs/parameters.md; `python -m vlm_misalign_ros.core.settings.nodes` prints it."""
    head = (
        '# Parameters of the nodes\n\nMade from the tables in '
        '`vlm_misalign_ros/core/settings/nodes.py`, which also make the ROS declarations and\n'
        'the check of every configuration. Where nothing else is said, a parameter is read '
        'once, at the start;\n`(live)` ones change with `ros2 param set`. An empty list is '
        "`['']` in ROS.\n"
    )
    return head + ''.join(f'\n## {name}\n{to_markdown(kind)}' for name, kind in DOCUMENTED)
