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

"""What a data set says of a frame beside its picture and maps."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class About:
    """What labels cannot tell, and under what conditions a picture was taken."""

    lacking: tuple[str, ...] = ()
    """Cityscapes labels that its label map cannot hold: whether they are there is not known."""
    merged: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Labels whose pixels may be of other labels, too, each with those."""
    recorded: tuple[tuple[str, str], ...] = ()
    """Conditions that the data set itself names, such as (weather, fog) and (beta, 0.02)."""

    @property
    def tells_all(self) -> bool:
        """Return whether its labels tell every label by itself."""
        return not self.lacking and not self.merged


NOTHING = About()
"""Of a frame of which nothing is said: its labels tell everything."""
