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

"""The worst frames of a run, kept as small pictures beside their masks."""

from __future__ import annotations

import heapq
from pathlib import Path

import cv2
import numpy as np

from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.labels.classes import color_table

PICTURES = 'pictures'
"""Their folder, in that of a run."""
WIDTH = 640
"""Pictures are stored this many pixels wide at most."""


def picture_name(stamp: int) -> str:
    """Return the name under which the frame of a stamp (nanoseconds) is kept."""
    return f'{stamp:020d}'


class WorstPictures:
    """Keeps the pictures of the `keep` frames with the highest score; of equal ones the first."""

    def __init__(self, folder: Path, keep: int) -> None:
        """Write into `folder`, made when it is needed."""
        self._folder = folder
        self._keep = keep
        self._heap: list[tuple[float, int, str]] = []
        self._colors = np.ascontiguousarray(color_table()[:, ::-1])

    def consider(self, score: float, stamp: int, bgr: np.ndarray, mask: np.ndarray | None) -> None:
        """
        Keep a frame, BGR uint8 (H, W, 3), with its mask of train ids, if it is bad enough.

        Raises RecordError when the disk refuses.
        """
        if score <= 0 or not self._keep:
            return
        entry = (score, -stamp, picture_name(stamp))
        if len(self._heap) < self._keep:
            heapq.heappush(self._heap, entry)
        elif entry > self._heap[0]:
            dropped = heapq.heapreplace(self._heap, entry)[2]
            for suffix in ('.jpg', '_mask.jpg'):
                (self._folder / (dropped + suffix)).unlink(missing_ok=True)
        else:
            return
        small = _fit(bgr, cv2.INTER_AREA)
        self._write(entry[2] + '.jpg', small)
        if mask is not None:
            colors = self._colors[_fit(mask, cv2.INTER_NEAREST)]
            if colors.shape != small.shape:
                colors = cv2.resize(colors, small.shape[1::-1], interpolation=cv2.INTER_NEAREST)
            self._write(entry[2] + '_mask.jpg', cv2.addWeighted(small, 0.35, colors, 0.65, 0))

    def restore(self, score: float, stamp: int) -> None:
        """Take up a frame that was kept before; one that is not there is let go."""
        name = picture_name(stamp)
        if score > 0 and (self._folder / f'{name}.jpg').is_file():
            heapq.heappush(self._heap, (score, -stamp, name))

    def forget(self, stamp: int) -> None:
        """Drop the pictures of a frame that turned out to be none that can be judged."""
        name = picture_name(stamp)
        kept = [entry for entry in self._heap if entry[2] != name]
        if len(kept) < len(self._heap):
            heapq.heapify(kept)
            self._heap = kept
            for suffix in ('.jpg', '_mask.jpg'):
                (self._folder / (name + suffix)).unlink(missing_ok=True)

    def _write(self, name: str, bgr: np.ndarray) -> None:
        _, data = cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, 85])
        path = self._folder / name
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data.tobytes())
        except OSError as error:
            path.unlink(missing_ok=True)
            raise RecordError(
                f'{path} cannot be written: {error.strerror}',
                'free space, or set monitor.pictures to 0',
            ) from error


def _fit(array: np.ndarray, interpolation: int) -> np.ndarray:
    height, width = array.shape[:2]
    if width <= WIDTH:
        return array
    rows = max(1, round(height * WIDTH / width))
    return cv2.resize(array, (WIDTH, rows), interpolation=interpolation)
