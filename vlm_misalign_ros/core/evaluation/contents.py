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

"""What a part holds, in short: by it a repetition is told from another content."""

from __future__ import annotations

import zlib
from dataclasses import replace
from typing import Any

import numpy as np

from vlm_misalign_ros.core.checksums import checksum
from vlm_misalign_ros.core.types import Description


def content_of(value: Any) -> str:
    """
    Return what a part's value holds, in short.

    Of a picture or mask its `checksum`. The seconds that a model took are no part of what it
    said: a recording that is looped has the same frame described twice.
    """
    if isinstance(value, np.ndarray):
        return checksum(value)
    if isinstance(value, Description):
        value = replace(value, latency=0.0)
    return f'{zlib.crc32(repr(value).encode()):08x}'
