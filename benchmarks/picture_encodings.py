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
Times how a picture of each encoding becomes BGR, beside the least that OpenCV alone needs.

    python benchmarks/picture_encodings.py

For `bgr8`, and `bgr8` with padded rows, the second column is how cv_bridge's Python module does it
(vision_opencv, cv_bridge/core.py: one copy by numpy, without its compiled conversion).
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
from timing import median_ms

from vlm_misalign_ros.wire.layouts import LAYOUTS
from vlm_misalign_ros.wire.packed import unpacked_bgr
from vlm_misalign_ros.wire.pixels import pack, to_bgr

HEIGHT, WIDTH = 1024, 2048
REPEATS = 31


def message(encoding: str, padding: int = 0) -> Any:
    layout = LAYOUTS[encoding]
    size = np.dtype(layout.type).itemsize
    step = WIDTH * layout.channels * size + padding
    rows = HEIGHT + HEIGHT * layout.chroma // 2
    data = array('B')
    data.frombytes(np.random.default_rng(0).integers(0, 256, rows * step, np.uint8).tobytes())
    return SimpleNamespace(
        encoding=encoding,
        height=HEIGHT,
        width=WIDTH,
        step=step,
        is_bigendian=int(sys.byteorder == 'big'),
        data=data,
    )


def by_cv_bridge(sent: Any) -> np.ndarray:
    """Return bgr8 as cv_bridge's core.py does: a view of whole rows, cut and made contiguous."""
    view = np.ndarray((HEIGHT, sent.step // 3, 3), np.uint8, sent.data)
    return np.ascontiguousarray(view[:, :WIDTH].copy())


def least(encoding: str, sent: Any) -> Callable[[], object]:
    """Return the conversion that OpenCV has, on an array that is there already."""
    layout = LAYOUTS[encoding]
    assert layout.code is not None
    code = layout.code
    pixels = np.frombuffer(sent.data, layout.type).reshape(-1, WIDTH, layout.channels)
    plane = pixels[..., 0] if layout.channels == 1 else pixels
    plane = np.ascontiguousarray(plane)
    return lambda: cv2.cvtColor(plane, code)


def main() -> None:
    print(f'{WIDTH} x {HEIGHT}, median of {REPEATS}, ms; {cv2.getNumThreads()} thread(s)')
    for encoding, layout in LAYOUTS.items():
        if not layout.color or encoding in ('yuv422', 'yuv422_yuy2', '8UC3', '8UC4', '8UC1'):
            continue
        for padding in (0, 30):
            sent = message(encoding, padding)
            ours = median_ms(lambda sent=sent: to_bgr(sent), REPEATS)
            name = encoding + (' padded' if padding else '')
            beside = ''
            if encoding == 'bgr8':
                other = median_ms(lambda sent=sent: by_cv_bridge(sent), REPEATS)
                beside = f'{other:8.3f}  cv_bridge'
            elif not padding and encoding != 'nv24' and layout.type == 'u1':
                beside = f'{median_ms(least(encoding, sent), REPEATS):8.3f}  cv2.cvtColor alone'
            print(f'{name:<20} {ours:8.3f}  {beside}')
    picture = cv2.GaussianBlur(to_bgr(message('bgr8')), (0, 0), 5)
    for form in ('jpeg', 'png'):
        text, packed = pack(picture, form, 90)
        sent = SimpleNamespace(format=text, data=packed)
        ours = median_ms(lambda sent=sent: unpacked_bgr(sent), REPEATS)
        other = median_ms(lambda packed=packed: cv2.imdecode(packed, cv2.IMREAD_COLOR), REPEATS)
        print(f'{form:<20} {ours:8.3f}  {other:8.3f}  cv2.imdecode alone, {len(packed)} bytes')


if __name__ == '__main__':
    cv2.setNumThreads(1)
    main()
