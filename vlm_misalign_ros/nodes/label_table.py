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

"""
The table of a mask's labels, latched: for whoever looks at segmentation/labels.

segmentation/label_table is a DiagnosticArray that any tool reads: a status `labels` from train id
to name, and one `colors` from train id to #rrggbb. Where vision_msgs is installed there is
segmentation/label_info too, a vision_msgs/LabelInfo.
"""

from __future__ import annotations

from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from std_msgs.msg import Header

from vlm_misalign_ros.core.labels.classes import BY_NAME, CLASSES, IGNORE
from vlm_misalign_ros.nodes import messages, qos
from vlm_misalign_ros.wire import topics

UNLABELLED = 'unlabelled'


def announce_labels(node: Node) -> list[Any]:
    """Publish the table once, for all who come later too; return the publishers, to be kept."""
    header = messages.make_header(node.get_clock().now().nanoseconds, '')
    table = node.create_publisher(DiagnosticArray, topics.SEGMENTATION_TABLE, qos.latched_qos())
    table.publish(table_message(header))
    try:
        from vision_msgs.msg import LabelInfo, VisionClass
    except ImportError:
        return [table]
    info = node.create_publisher(LabelInfo, topics.SEGMENTATION_INFO, qos.latched_qos())
    info.publish(info_message(LabelInfo, VisionClass, header))
    return [table, info]


def table_message(header: Header) -> DiagnosticArray:
    """Return the table as a DiagnosticArray."""
    names = {str(number): name for number, name in _names().items()}
    colors = {str(number): '#' + bytes(_color(name)).hex() for number, name in _names().items()}
    return DiagnosticArray(
        header=header, status=[messages.status('labels', names), messages.status('colors', colors)]
    )


def info_message(label_info: Any, vision_class: Any, header: Header) -> Any:
    """Return the table as a vision_msgs/LabelInfo, of the two types given."""
    return label_info(
        header=header,
        class_map=[
            vision_class(class_id=number, class_name=name) for number, name in _names().items()
        ],
        threshold=0.0,
    )


def _names() -> dict[int, str]:
    return {**dict(enumerate(CLASSES)), IGNORE: UNLABELLED}


def _color(name: str) -> tuple[int, int, int]:
    return BY_NAME[name].color if name in BY_NAME else (0, 0, 0)
