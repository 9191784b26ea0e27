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

"""What several verbs of bags do: tell of a bag that they wrote, and that they need ROS."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from vlm_misalign_ros.core.errors import MisalignError

if TYPE_CHECKING:
    from vlm_misalign_ros.bags.copying import Copied


def tell_copied(out: Path, found: Copied) -> None:
    """Print what was written, and what was left out."""
    from vlm_misalign_ros.core.report.audit.showing import safe

    for note in found.notes:
        print(safe(f'note: {note}'))
    print(f'{out}: {found.messages} messages, {found.seconds:.3f} s')


@contextmanager
def needs_ros() -> Iterator[None]:
    """Have a missing ROS be one line."""
    try:
        yield
    except ImportError as error:
        raise MisalignError(
            f'this verb needs ROS 2: {error}', 'source ROS 2 (`vlm-misalign doctor`)'
        ) from error
