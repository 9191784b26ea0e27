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

"""Which part of a frame a model sees, when its processor crops the centre."""

from __future__ import annotations

from vlm_misalign_ros.core.types import View


def centre_crop(width: int, height: int, shortest: tuple[int, int], crop: tuple[int, int]) -> View:
    """
    Return the part of a `width` x `height` frame that a resize and a centre crop leave.

    The frame is scaled until it covers `shortest` (width, height), and `crop` (width, height) is
    cut from its middle.
    """
    scale = max(shortest[0] / width, shortest[1] / height)
    across = min(crop[0] / (width * scale), 1.0)
    down = min(crop[1] / (height * scale), 1.0)
    left, top = (1 - across) / 2, (1 - down) / 2
    # Six digits: a millionth of a frame is no pixel, and every record has the same.
    return (round(left, 6), round(top, 6), round(left + across, 6), round(top + down, 6))
