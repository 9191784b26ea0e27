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

"""What a vision-language model is shown of a frame."""

from __future__ import annotations

from enum import Enum


class Input(str, Enum):
    """The picture, the mask, or what perception found in words."""

    IMAGE = 'image'
    OVERLAY = 'overlay'
    """The picture with the mask's colours over it."""
    MASK = 'mask'
    """The mask in colours, in place of the picture."""
    IMAGE_MASK = 'image+mask'
    IMAGE_OBJECTS = 'image+objects'
    """The picture, and what the segmentation found, in words."""
    IMAGE_OBJECTS_UNCERTAINTY = 'image+objects+uncertainty'
    """The same, with how sure it is of each class."""
    OBJECTS = 'objects'
    """The words alone: the control for what language alone makes up."""

    @property
    def masked(self) -> bool:
        """Return whether the mask of the segmentation is needed."""
        return self is not Input.IMAGE

    @property
    def camera(self) -> bool:
        """Return whether the camera's own picture is shown."""
        return self.value.startswith('image')

    @property
    def worded(self) -> bool:
        """Return whether what the segmentation found is told in words."""
        return 'objects' in self.value.split('+')
