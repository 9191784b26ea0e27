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

"""The worst frames of a run, kept as small pictures beside their masks and outlines."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from vlm_misalign_ros.core.errors import RecordError

WIDTH = 640
"""Pictures are stored this many pixels wide at most."""
FOLDER = 'pictures'
"""Their folder, in that of a run."""
PICTURE, CLEAN, MASK, TRUTH = '.jpg', '_clean.jpg', '_mask.png', '_truth.json'
"""Ends of file names: the degraded picture, the clean one, train ids of the mask, outlines."""
KEPT = (PICTURE, CLEAN, MASK, TRUTH)
"""Everything that is kept of one frame."""


def picture_name(stamp: int) -> str:
    """Return the name under which the frame of a stamp (nanoseconds) is kept."""
    return f'{stamp:020d}'


class Pictures:
    """The pictures that are kept of frames, in a folder that is made when it is needed."""

    def __init__(self, folder: Path) -> None:
        """Keep them in `folder`."""
        self._folder = folder

    def stamps(self) -> set[int]:
        """Return the stamps, nanoseconds, of the frames of which a picture is kept."""
        names = {path.stem for path in self._folder.glob(f'*{PICTURE}')}
        return {int(name) for name in names if name.isascii() and name.isdigit()}

    def has(self, stamp: int, end: str = PICTURE) -> bool:
        """Return whether there is something of a frame."""
        return self.path(stamp, end).is_file()

    def path(self, stamp: int, end: str = PICTURE) -> Path:
        """Return where something of a frame is kept."""
        return self._folder / (picture_name(stamp) + end)

    def keep(
        self, stamp: int, bgr: np.ndarray, mask: np.ndarray | None, truth: bytes | None = None
    ) -> None:
        """
        Keep a degraded picture, BGR uint8 (H, W, 3), its mask of train ids and its outlines.

        Raises RecordError when the disk refuses.
        """
        self.remove(stamp)
        self.add(stamp, PICTURE, bgr)
        if mask is not None:
            self._write(self.path(stamp, MASK), _encoded('.png', _fit(mask, cv2.INTER_NEAREST)))
        if truth is not None:
            self._write(self.path(stamp, TRUTH), truth)

    def add(self, stamp: int, end: str, bgr: np.ndarray) -> None:
        """Keep one more picture of a frame, BGR uint8 (H, W, 3); RecordError as `keep`."""
        quality = [cv2.IMWRITE_JPEG_QUALITY, 85]
        small = _fit(bgr, cv2.INTER_AREA)
        self._write(self.path(stamp, end), _encoded('.jpg', small, quality))

    def remove(self, stamp: int) -> None:
        """Remove everything that is kept of a frame."""
        for end in KEPT:
            self.path(stamp, end).unlink(missing_ok=True)

    def _write(self, path: Path, data: bytes) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        except OSError as error:
            path.unlink(missing_ok=True)
            raise RecordError(
                f'{path} cannot be written: {error.strerror}',
                'free space, or set monitor.pictures to 0',
            ) from error


def _encoded(kind: str, pixels: np.ndarray, how: list[int] | None = None) -> bytes:
    _, data = cv2.imencode(kind, pixels, how or [])
    return data.tobytes()


def _fit(array: np.ndarray, interpolation: int) -> np.ndarray:
    height, width = array.shape[:2]
    if width <= WIDTH:
        return array
    rows = max(1, round(height * WIDTH / width))
    return cv2.resize(array, (WIDTH, rows), interpolation=interpolation)
