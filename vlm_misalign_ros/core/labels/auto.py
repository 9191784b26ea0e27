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
The encoding `auto`: decided by what the first maps hold, kept for the run, refused in doubt.

Every map that some encoding fits takes away those that it does not fit. When one is left, that is
it, for good. While two are left nothing is read: each such map says which two, and how to choose.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.labels.encodings import AUTO, Encoding, name_of
from vlm_misalign_ros.core.labels.fitting import candidates, fitting, tells
from vlm_misalign_ros.core.labels.forms import Outside
from vlm_misalign_ros.core.labels.maps import spread
from vlm_misalign_ros.core.labels.shares import Limits


class AutoEncoding:
    """Finds out what the values of a run's label maps mean; one object a run."""

    def __init__(self, limits: Limits = Limits()) -> None:  # noqa: B008  (frozen)
        """Begin with every encoding of the package; `limits` say what may be unlabelled."""
        self._limits = limits
        self._left: list[Encoding] = candidates()
        self._chosen: Encoding | None = None

    @property
    def name(self) -> str:
        """Return the encoding that was decided on; `auto` before."""
        return AUTO if self._chosen is None else name_of(self._chosen)

    @property
    def chosen(self) -> Encoding | None:
        """Return the encoding that was decided on; None before."""
        return self._chosen

    @property
    def tells_hood(self) -> bool:
        """Return what the encoding says that was decided on."""
        return bool(getattr(self._chosen, 'tells_hood', False))

    @property
    def gives(self) -> Collection[int] | None:
        """Return the label ids of the encoding that was decided on; None before."""
        return getattr(self._chosen, 'gives', None)

    @property
    def merged(self) -> Mapping[int, Collection[int]]:
        """Return the label ids that stand for others, too, by what was decided on."""
        return getattr(self._chosen, 'merged', {})

    def decode(self, pixels: np.ndarray) -> np.ndarray:
        """Return label ids, uint8 (H, W); RecordError while it is not clear what they mean."""
        if pixels.dtype != np.uint8:
            raise RecordError(
                f'a label image of {pixels.dtype} is not {self.name}', 'publish mono8 or rgb8'
            )
        if self._chosen is None:
            self._look(spread(pixels))
        assert self._chosen is not None
        return self._chosen.decode(pixels)

    def outside(self, pixels: np.ndarray) -> Outside:
        """Return the pixels whose values the encoding does not have."""
        count = getattr(self._chosen, 'outside', None)
        found: Outside = Outside() if count is None else count(pixels)
        return found

    def _look(self, sample: np.ndarray) -> None:
        """Take away what does not fit; RecordError unless one is left."""
        found = fitting(sample, self._left, self._limits)
        if not found:
            raise RecordError(
                'label_encoding auto: no encoding fits this map',
                'look at it with `vlm-misalign labels`; a table of your own goes into a YAML file',
            )
        choose = f'set monitor.label_encoding={found[0]}' + ', or another' * (len(found) > 1)
        if not tells(sample):
            raise RecordError(
                f'label_encoding auto: a map of so few values does not tell; {_all(found)} fit it',
                f'{choose}, or wait for another map',
            )
        self._left = [encoding for encoding in self._left if name_of(encoding) in found]
        if len(found) > 1:
            raise RecordError(f'label_encoding auto: {_all(found)} fit all that was seen', choose)
        self._chosen = self._left[0]


def _all(names: list[str]) -> str:
    return ' and '.join(names)
