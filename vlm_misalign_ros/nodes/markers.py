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

"""What was left out or made up in a frame, as markers over its picture, for Foxglove."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from geometry_msgs.msg import Point
from std_msgs.msg import ColorRGBA, Header

from vlm_misalign_ros.core.report.annotating import Color, Outline, Span, texts_of

_THICK = 2.0
"""Pixels of a line."""
_LINES = 28
"""Rows of text that a picture's height is good for."""


def marker_type() -> Any:
    """
    Return the message type of markers, the best that is installed; None where none is.

    foxglove_msgs/ImageAnnotations has texts, too; visualization_msgs/ImageMarker lines alone.
    """
    try:
        from foxglove_msgs.msg import ImageAnnotations
    except ImportError:
        pass
    else:
        return ImageAnnotations
    try:
        from visualization_msgs.msg import ImageMarker
    except ImportError:
        return None
    return ImageMarker


def markers(
    kind: Any,
    header: Header,
    outlines: Sequence[Outline],
    lines: Sequence[Sequence[Span]],
    size: tuple[int, int],
) -> Any:
    """
    Return a message of a type that `marker_type` gave, for a picture of `size` (height, width).

    Coordinates are pixels from the upper left corner of the picture. A frame without outlines
    gives one that shows none, so that those of the frame before go.
    """
    if kind.__name__ == 'ImageMarker':
        return _image_marker(kind, header, outlines, size)
    return _annotations(kind, header, outlines, lines, size)


def _pixels(outline: Outline, size: tuple[int, int]) -> np.ndarray:
    height, width = size
    return outline.points * (width, height)


def _image_marker(
    kind: Any, header: Header, outlines: Sequence[Outline], size: tuple[int, int]
) -> Any:
    """Return all outlines as one marker: of several on a topic only the last would be shown."""
    message = kind(header=header, ns='misalignment', id=0, type=kind.LINE_LIST, action=kind.ADD)
    message.scale = _THICK
    for outline in outlines:
        points = _pixels(outline, size)
        color = _rgba(outline.color)
        for start, end in zip(points, np.roll(points, -1, axis=0), strict=True):
            for column, row in (start, end):
                message.points.append(Point(x=float(column), y=float(row)))
                message.outline_colors.append(color)
    message.outline_color = _rgba(outlines[0].color) if outlines else ColorRGBA()
    return message


def _rgba(color: Color) -> ColorRGBA:
    red, green, blue = (part / 255 for part in color)
    return ColorRGBA(r=red, g=green, b=blue, a=1.0)


def _annotations(
    kind: Any,
    header: Header,
    outlines: Sequence[Outline],
    lines: Sequence[Sequence[Span]],
    size: tuple[int, int],
) -> Any:
    from foxglove_msgs.msg import Color as Rgba
    from foxglove_msgs.msg import Point2, PointsAnnotation, TextAnnotation

    def rgba(color: Color, alpha: float = 1.0) -> Any:
        red, green, blue = (part / 255 for part in color)
        return Rgba(r=red, g=green, b=blue, a=alpha)

    message = kind()
    for outline in outlines:
        shape = PointsAnnotation(timestamp=header.stamp, type=PointsAnnotation.LINE_LOOP)
        shape.points = [Point2(x=float(x), y=float(y)) for x, y in _pixels(outline, size)]
        shape.outline_color = rgba(outline.color)
        shape.thickness = _THICK
        message.points.append(shape)
    step = size[0] / _LINES
    for number, (text, color) in enumerate(texts_of(lines), 1):
        message.texts.append(
            TextAnnotation(
                timestamp=header.stamp,
                position=Point2(x=step / 2, y=step * number),
                text=text,
                font_size=step * 0.8,
                text_color=rgba(color),
                background_color=rgba((0, 0, 0), 0.6),
            )
        )
    return message
