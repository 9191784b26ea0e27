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

"""What verbs of bags print of a bag that they wrote."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vlm_misalign_ros.bags.copying import Copied


def tell_copied(out: Path, found: Copied) -> None:
    """Print what was written, and what was left out."""
    from vlm_misalign_ros.core.report.audit.showing import safe

    for note in found.notes:
        print(safe(f'note: {note}'))
    print(f'{out}: {found.messages} messages, {found.seconds:.3f} s')
