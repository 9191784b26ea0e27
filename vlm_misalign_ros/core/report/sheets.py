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

"""Tables as CSV that no spreadsheet takes for more than numbers and text."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from vlm_misalign_ros.core.report.audit.showing import cell


def write_csv(path: Path, frame: pd.DataFrame) -> None:
    """
    Write a table as CSV, without its index; OSError when the disk refuses.

    Text that a spreadsheet would take for a formula, in a cell or a head, gets an apostrophe
    before it, and no cell has control characters. Numbers stay as they are, negative ones too.
    """
    harmless(frame).to_csv(path, index=False)


def harmless(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table of which no text and no head is a formula."""
    made = {
        place: column
        if is_numeric_dtype(column) or is_bool_dtype(column)
        else column.map(_cell, na_action='ignore')
        for place, (_, column) in enumerate(frame.items())
    }
    # By place, since two heads may be one.
    found = pd.DataFrame(made, index=frame.index)
    found.columns = pd.Index([cell(str(name)) for name in frame.columns])
    return found


def _cell(value: object) -> object:
    return cell(value) if isinstance(value, str) else value
