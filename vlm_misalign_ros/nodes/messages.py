"""Core types to and from ROS messages: the one conversion module."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Mapping

import numpy as np
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.stamps import join_stamp, split_stamp
from vlm_misalign_ros.core.types import Camera
from vlm_misalign_ros.wire import pixels as images


def stamp_of(header: Header) -> int:
    """Return a header's stamp in nanoseconds."""
    return join_stamp(header.stamp.sec, header.stamp.nanosec)


def make_header(stamp: int, frame_id: str) -> Header:
    """Return a header with `stamp` in nanoseconds."""
    seconds, nanoseconds = split_stamp(stamp)
    return Header(stamp=Time(sec=seconds, nanosec=nanoseconds), frame_id=frame_id)


def image_message(pixels: np.ndarray, header: Header, encoding: str) -> Image:
    """Return an Image of uint8 or uint16 pixels, (H, W) or (H, W, C)."""
    pixels = np.ascontiguousarray(pixels)
    message = Image(header=header, encoding=encoding)
    message.height, message.width = pixels.shape[:2]
    message.step = pixels.strides[0]
    message.is_bigendian = int(sys.byteorder == 'big')
    # array.frombytes is a plain copy; assigning bytes or an ndarray walks every element.
    data = array('B')
    data.frombytes(pixels.data.cast('B'))
    message.data = data
    return message


def bgr_pixels(message: Image) -> np.ndarray:
    """
    Return an Image as BGR uint8 (H, W, 3).

    Encodings that this package does not know itself go through cv_bridge, where it imports.
    """
    if message.encoding in images.ENCODINGS:
        return images.to_bgr(message)
    try:
        from cv_bridge import CvBridge
    except ImportError as error:
        raise RecordError(
            f'image encoding {message.encoding[:40]!r} is not supported without cv_bridge',
            'install cv_bridge, or publish one of ' + ', '.join(images.ENCODINGS),
        ) from error
    return np.asarray(CvBridge().imgmsg_to_cv2(message, 'bgr8'))


def camera_info(camera: Camera, header: Header) -> CameraInfo:
    """Return the CameraInfo of a pinhole camera without distortion."""
    message = CameraInfo(header=header, width=camera.width, height=camera.height)
    message.distortion_model = 'plumb_bob'
    message.d = [0.0] * 5
    message.k = [camera.fx, 0.0, camera.cx, 0.0, camera.fy, camera.cy, 0.0, 0.0, 1.0]
    message.r = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    message.p = [
        camera.fx,
        0.0,
        camera.cx,
        0.0,
        0.0,
        camera.fy,
        camera.cy,
        0.0,
        0.0,
        0.0,
        1.0,
        0.0,
    ]
    return message


def camera_from_info(message: CameraInfo, mount_height: float, pitch: float) -> Camera | None:
    """Return the camera of a CameraInfo; None where it is not calibrated (K is zero)."""
    if message.k[0] <= 0 or message.k[4] <= 0 or not message.width or not message.height:
        return None
    return Camera(
        int(message.width),
        int(message.height),
        float(message.k[0]),
        float(message.k[4]),
        float(message.k[2]),
        float(message.k[5]),
        mount_height,
        pitch,
    )


def key_values(values: Mapping[str, str]) -> list[KeyValue]:
    """Return string pairs as KeyValue messages."""
    return [KeyValue(key=key, value=value) for key, value in values.items()]


def status(
    name: str, values: Mapping[str, str], level: bytes = DiagnosticStatus.OK, message: str = ''
) -> DiagnosticStatus:
    """Return a DiagnosticStatus of this package."""
    return DiagnosticStatus(
        level=level,
        name=name,
        message=message,
        hardware_id='vlm_misalign_ros',
        values=key_values(values),
    )


def values_message(name: str, values: Mapping[str, str], header: Header) -> DiagnosticArray:
    """Return a DiagnosticArray with one status that carries `values`."""
    return DiagnosticArray(header=header, status=[status(name, values)])


def values_of(message: DiagnosticArray) -> dict[str, str]:
    """Return the pairs of a one-status DiagnosticArray; RecordError when there is no status."""
    if not message.status:
        raise RecordError('a DiagnosticArray came without a status')
    return {pair.key: pair.value for pair in message.status[0].values}
