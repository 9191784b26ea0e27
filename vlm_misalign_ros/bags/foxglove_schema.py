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

"""The JSON schema of foxglove.ImageAnnotations, by Foxglove's documentation of its schemas."""

from __future__ import annotations

from typing import Any

NAME = 'foxglove.ImageAnnotations'
_NUMBER = {'type': 'number'}
_TIME = {
    'type': 'object',
    'title': 'time',
    'properties': {
        'sec': {'type': 'integer', 'minimum': 0},
        'nsec': {'type': 'integer', 'minimum': 0, 'maximum': 999_999_999},
    },
}
_POINT = {'type': 'object', 'title': 'foxglove.Point2', 'properties': {'x': _NUMBER, 'y': _NUMBER}}
_COLOR = {
    'type': 'object',
    'title': 'foxglove.Color',
    'properties': {name: _NUMBER for name in 'rgba'},
}


def _several(title: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {'type': 'array', 'items': {'type': 'object', 'title': title, 'properties': properties}}


ANNOTATIONS: dict[str, Any] = {
    'title': NAME,
    'description': 'Array of annotations for a 2D image',
    'type': 'object',
    'properties': {
        'circles': _several(
            'foxglove.CircleAnnotation',
            {
                'timestamp': _TIME,
                'position': _POINT,
                'diameter': _NUMBER,
                'thickness': _NUMBER,
                'fill_color': _COLOR,
                'outline_color': _COLOR,
            },
        ),
        'points': _several(
            'foxglove.PointsAnnotation',
            {
                'timestamp': _TIME,
                'type': {
                    'title': 'foxglove.PointsAnnotationType',
                    'oneOf': [
                        {'title': title, 'const': number}
                        for number, title in enumerate(
                            ('UNKNOWN', 'POINTS', 'LINE_LOOP', 'LINE_STRIP', 'LINE_LIST')
                        )
                    ],
                },
                'points': {'type': 'array', 'items': _POINT},
                'outline_color': _COLOR,
                'outline_colors': {'type': 'array', 'items': _COLOR},
                'fill_color': _COLOR,
                'thickness': _NUMBER,
            },
        ),
        'texts': _several(
            'foxglove.TextAnnotation',
            {
                'timestamp': _TIME,
                'position': _POINT,
                'text': {'type': 'string'},
                'font_size': _NUMBER,
                'text_color': _COLOR,
                'background_color': _COLOR,
            },
        ),
    },
}
