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

"""Cameras of strangers: from camera/source and camera_info, checked that geometry can be done."""

from __future__ import annotations

import math
import re
from dataclasses import fields, replace
from typing import Any

from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.truth.lens import COEFFICIENTS, reaches
from vlm_misalign_ros.core.types import Camera, NoCamera
from vlm_misalign_ros.wire.scalars import number

AUTO, RAW, RECTIFIED = 'auto', 'raw', 'rectified'

_ALLOWED = {
    'width': (1, 1 << 16),
    'height': (1, 1 << 16),
    'fx': (1e-3, 1e6),
    'fy': (1e-3, 1e6),
    'cx': (-1e6, 1e6),
    'cy': (-1e6, 1e6),
    'mount_height': (1e-3, 1e3),
    'pitch': (-1.5, 1.5),
    'baseline': (-100, 100),
}
"""Lowest and highest value of what can be a camera on a vehicle."""
_VIEW = math.radians(3), math.radians(179)
"""Least and most that a pinhole camera on a vehicle sees from left to right."""
_BENDS = 100.0
"""Largest coefficient of a lens."""
_MODELS = {'plumb_bob': (4, 5), 'rational_polynomial': (8, 12), '': (), 'none': ()}
"""Coefficients of ROS's models (sensor_msgs/distortion_models.hpp), unless all are 0."""
_RECTIFIED = re.compile(r'(?:^|[/_])rect(?:ified)?(?:[/_]|$)')


def is_rectified(topic: str) -> bool:
    """Return whether pictures on a topic are rectified, by image_pipeline's names (image_rect)."""
    return bool(_RECTIFIED.search(topic))


def rectified_by(chosen: str, topic: str) -> bool:
    """Return whether pictures are rectified: as chosen, or for `auto` by their topic's name."""
    return is_rectified(topic) if chosen == AUTO else chosen == RECTIFIED


def possible(camera: Camera) -> Camera:
    """Return a camera with which geometry can be done; RecordError names what is out of range."""
    for name, (low, high) in _ALLOWED.items():
        value = getattr(camera, name)
        if not low <= value <= high:
            raise RecordError(
                f'a camera has {name} {value}', f'expected a finite number, {low:g} to {high:g}'
            )
    if camera.width != int(camera.width) or camera.height != int(camera.height):
        raise RecordError(f'a camera is {camera.width} x {camera.height} pixels', 'give integers')
    if any(not -_BENDS <= value <= _BENDS for value in camera.distortion):
        raise RecordError('a camera has distortion that no lens has', 'calibrate it again')
    return replace(camera, width=int(camera.width), height=int(camera.height))


def camera_to_plain(camera: Camera) -> dict[str, Any]:
    """Return a camera as plain data; without distortion where there is none."""
    found = {entry.name: getattr(camera, entry.name) for entry in fields(camera)}
    if not found['distortion']:
        del found['distortion']
    return found


def camera_from_plain(values: Any) -> Camera:
    """Return the camera in plain data; RecordError names a value that cannot be one's."""
    try:
        camera = Camera(**values)
    except TypeError as error:
        raise RecordError(f"message value 'camera' has other fields: {error}") from error
    for name, value in camera.__dict__.items():
        several = isinstance(value, (list, tuple)) and name == 'distortion'
        if several and len(value) not in (0, *COEFFICIENTS):
            raise RecordError(f"message value 'camera' has {len(value)} coefficients of a lens")
        for one in value if several else [value]:
            if isinstance(one, str):
                raise RecordError(f"message value 'camera' has {name} {one[:80]!r}, not a number")
            number(one, f'camera.{name}')
    return possible(replace(camera, distortion=tuple(camera.distortion)))


def camera_from_info(
    message: Any, mount_height: float, pitch: float, rectified: bool = False
) -> Camera | NoCamera:
    """
    Return the camera of a CameraInfo, for pictures that are as raw as they come, or rectified.

    Of raw ones the geometry is that of K and of the lens, of rectified ones that of P, and a
    rotation R turns the pitch. The picture is the region of interest, binned. NoCamera says why
    nobody knows the geometry: not calibrated (zeros), or a lens that is not known here. Raises
    RecordError for values that are not finite or can be no camera's.
    """
    lens = [float(value) for value in getattr(message, 'd', ())]
    if not all(map(math.isfinite, lens)):
        raise RecordError('a camera has distortion that is not finite', 'calibrate it again')
    of, places = ('p', (0, 5, 2, 6)) if rectified else ('k', (0, 4, 2, 5))
    fx, fy, cx, cy = (float(getattr(message, of)[place]) for place in places)
    if (fx == 0 and fy == 0) or not message.width or not message.height:
        return NoCamera(f'{of.upper()} or the size of camera_info is zero: it is not calibrated')
    told = _distortion(str(getattr(message, 'distortion_model', '')), lens)
    if not rectified and isinstance(told, NoCamera):
        return told
    distortion = () if rectified or isinstance(told, NoCamera) else told
    whole = possible(
        Camera(
            int(message.width),
            int(message.height),
            fx,
            fy,
            cx,
            cy,
            mount_height,
            pitch + (_turned(message) if rectified else 0.0),
            distortion=distortion,
        )
    )
    _check_view(whole)
    if not reaches(whole):
        return NoCamera(
            'the distortion of camera_info cannot be undone where the road ahead is: calibrate it '
            'again, over the whole picture'
        )
    return _cut(whole, message)


def _check_view(camera: Camera) -> None:
    """Raise RecordError for a camera that sees less, or more, than one on a vehicle can."""
    view = 2 * math.atan(camera.width / 2 / camera.fx)
    if not _VIEW[0] <= view <= _VIEW[1]:
        raise RecordError(
            f'a camera of {camera.width} pixels with fx {camera.fx:g} sees '
            f'{math.degrees(view):.2g} degrees',
            'K of a camera that sees v degrees has fx = width / (2 tan(v / 2))',
        )


def _distortion(model: str, lens: list[float]) -> tuple[float, ...] | NoCamera:
    """Return the coefficients of a lens as OpenCV has them; none of a pinhole."""
    known = _MODELS.get(model)
    if known is None:
        return NoCamera(
            f'distortion model {model[:40]!r} of camera_info is not known here: publish rectified '
            'pictures (image_proc) and set camera_image, or one of plumb_bob, rational_polynomial'
        )
    if not any(lens):
        return ()
    if len(lens) == 14 and not any(lens[12:]):
        # OpenCV's longest form has the tilt of the sensor last.
        lens = lens[:12]
    if len(lens) not in known:
        return NoCamera(
            f'camera_info has {len(lens)} coefficients of distortion by the model {model!r}'
        )
    return tuple(lens)


def _turned(message: Any) -> float:
    """Return by how much R turns the optical axis down, in radians; 0 where R says nothing."""
    across, along = (float(value) for value in getattr(message, 'r', [0.0] * 9)[7:9])
    # The axis of the rectified camera, in the frame of the raw one, is the last row of R.
    found = math.atan2(across, along) if along > 0 else 0.0
    return found if math.isfinite(found) else 0.0


def _cut(camera: Camera, message: Any) -> Camera:
    """Return the camera of the region of interest, binned, as image_geometry does it."""
    roi = getattr(message, 'roi', None)
    across = max(int(getattr(message, 'binning_x', 0)), 1)
    down = max(int(getattr(message, 'binning_y', 0)), 1)
    left, top, width, height = 0, 0, camera.width, camera.height
    if roi is not None and (roi.width or roi.height):
        left, top = int(roi.x_offset), int(roi.y_offset)
        width, height = int(roi.width) or width, int(roi.height) or height
    if left + width > camera.width or top + height > camera.height:
        raise RecordError(
            f'camera_info has a region of {width} x {height} at {left}, {top} of a picture of '
            f'{camera.width} x {camera.height}',
            'its region is in pixels of the whole sensor',
        )
    if width < across or height < down:
        raise RecordError(f'camera_info bins {across} x {down} of {width} x {height} pixels')
    return replace(
        camera,
        width=width // across,
        height=height // down,
        fx=camera.fx / across,
        fy=camera.fy / down,
        cx=(camera.cx - left) / across,
        cy=(camera.cy - top) / down,
    )
