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

"""What each class is made up and left out, clean and under each corruption."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from vlm_misalign_ros.core.corruptions import BLANK, CLEAN
from vlm_misalign_ros.core.labels.classes import SCORED
from vlm_misalign_ros.core.metrics.intervals import Intervals, korn_graubard_rows
from vlm_misalign_ros.core.report.table import ABSENT, REQUIRED, Table

CORRUPTED = 'corrupted'
"""Every condition but clean and the blank control."""


def by_class(table: Table, critical: Sequence[str]) -> dict[str, dict[str, Any]]:
    """
    Return {clean, each corruption, CORRUPTED: {class: hallucination and omission}}.

    `hallucinated` has the class asserted and ABSENT over ABSENT, `omitted` the `critical` class
    REQUIRED and not asserted over REQUIRED, each with counts, scenes and its 95 % interval. What
    has no denominator is left out.
    """
    wanted = np.array([name in critical for name in SCORED])
    absent = table.presence == ABSENT
    required = (table.presence == REQUIRED) & wanted
    return {
        group: found
        for group, chosen in _groups(table)
        if (
            found := _classes(
                _told(table, table.asserted & absent, absent, chosen),
                _told(table, ~table.asserted & required, required, chosen),
            )
        )
    }


def _groups(table: Table) -> Iterator[tuple[str, np.ndarray]]:
    """Yield what lines are pooled, bool (N,)."""
    kinds = np.array([*table.corruptions, ''], object)[table.conditions]
    names = dict.fromkeys(table.corruptions)
    degraded = [name for name in names if name not in (CLEAN, BLANK)]
    for name in ([CLEAN] if CLEAN in names else []) + degraded:
        yield name, kinds == name
    if degraded:
        yield CORRUPTED, np.isin(kinds, degraded)


def _told(
    table: Table, wrong: np.ndarray, possible: np.ndarray, chosen: np.ndarray
) -> list[dict[str, Any]]:
    """Return a share of each class, (N, 20) each; empty where nothing was possible."""
    over, under = (table.by_scene(a.astype(np.int64), chosen) for a in (wrong, possible))
    found: Intervals = korn_graubard_rows(over, under)
    return [
        {
            'value': float(found.value[place]),
            'low': float(found.low[place]),
            'high': float(found.high[place]),
            'numerator': int(over[:, place].sum()),
            'denominator': int(under[:, place].sum()),
            'scenes': int((under[:, place] > 0).sum()),
        }
        if under[:, place].any()
        else {}
        for place in range(len(SCORED))
    ]


def _classes(
    hallucinated: Sequence[dict[str, Any]], omitted: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    parts = {'hallucinated': hallucinated, 'omitted': omitted}
    return {
        name: told
        for place, name in enumerate(SCORED)
        if (told := {key: part[place] for key, part in parts.items() if part[place]})
    }
