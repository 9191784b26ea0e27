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

"""The mask reader: a describer without a network, which says exactly what the mask says."""

from __future__ import annotations

import time

import numpy as np

from vlm_misalign_ros.core.errors import FrameError
from vlm_misalign_ros.core.models.least_areas import LeastAreas
from vlm_misalign_ros.core.models.mask_reading import Mask, Reading, judged, named
from vlm_misalign_ros.core.models.query import Query
from vlm_misalign_ros.core.types import Camera, Description, Kind, Mention


class MaskReader:
    """Names what a predicted mask holds, and judges the corridor on it."""

    kind = Kind.MASK

    def __init__(self, name: str, areas: LeastAreas | None = None) -> None:
        """Read by calibrated areas, or without them by those of the truth."""
        self._name = name
        self._reading = Reading() if areas is None else areas.reading()

    def describe(self, query: Query) -> Description:
        """
        Return what the mask of a query says; the picture is not looked at.

        Raises FrameError for a query without a mask.
        """
        if query.mask is None:
            raise FrameError(
                f'model {self._name!r} was given no mask', 'it needs a run with a segmentation'
            )
        return self.read(query.mask.labels, query.camera)

    def read(self, train_ids: np.ndarray, camera: Camera | None = None) -> Description:
        """Return what train ids, uint8 (H, W), say; `camera` may be of another size."""
        begin = time.perf_counter()
        mask = Mask.of(train_ids, self._reading.hood)
        return Description(
            model=self._name,
            kind=self.kind,
            text='',
            mentions=dict.fromkeys(named(mask.areas(), self._reading), Mention.ASSERTED),
            judgement=judged(mask, camera, self._reading),
            latency=time.perf_counter() - begin,
        )
