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

"""Tables whose cells are shaded: rates by model and condition, and by class."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby
from math import isnan
from typing import Any

from vlm_misalign_ros.core.corruptions import BLANK, CLEAN
from vlm_misalign_ros.core.labels.classes import SCORED
from vlm_misalign_ros.core.metrics.intervals import FEW_SCENES
from vlm_misalign_ros.core.metrics.rates import HEADLINES
from vlm_misalign_ros.core.report.by_class import CORRUPTED
from vlm_misalign_ros.core.report.found import Found
from vlm_misalign_ros.core.report.order import in_order
from vlm_misalign_ros.core.report.svg import ceiling
from vlm_misalign_ros.core.report.wording import known

_KINDS = (('omitted', 'Omission by class'), ('hallucinated', 'Hallucination by class'))


def heat_maps(found: Found) -> list[dict[str, Any]]:
    """Return mIoU and each headline rate as a table: a line a model, a column a condition."""
    kinds = {one.condition: (one.corruption, one.severity) for one in found.lines}
    blank = [name for name, (corruption, _) in kinds.items() if corruption == BLANK]
    columns = [*found.conditions, *in_order(blank)]
    head = {'columns': columns, 'groups': _groups(columns, kinds)}
    maps = [{**head, **_mask_map(found, columns)}] if found.masks else []
    for rate in HEADLINES:
        every = [
            value.value
            for one in found.lines
            if one.condition in found.conditions and (value := one.rates.get(rate.name))
        ]
        top = ceiling(every)
        rows = [
            {
                'name': total.model,
                'cells': [
                    _cell(_plain(found.rate(name, total.model, rate.name)), top)
                    for name in columns
                ],
            }
            for total in found.totals
        ]
        maps.append({**head, 'title': rate.title, 'words': rate.meaning, 'top': top, 'rows': rows})
    return maps


def _groups(columns: Iterable[str], kinds: Mapping[str, tuple[str, int]]) -> list[dict[str, Any]]:
    """Return the head over the columns: a corruption over its severities."""
    found = []
    for corruption, names in groupby(columns, lambda name: kinds[name][0]):
        own = list(names)
        alone = corruption in (CLEAN, BLANK) or len(own) == 1
        under = [own[0] if alone else f'{kinds[name][1]}' for name in own]
        found.append({'name': '' if alone else corruption, 'under': under})
    return found


def _mask_map(found: Found, columns: Iterable[str]) -> dict[str, Any]:
    cells, kept = [], []
    for name in columns:
        entry = found.masks.get(name) or {}
        cells.append(_cell(entry, 1.0, falling=True))
        share = found.kept(name)
        cell = _cell(share, 1.0, falling=True)
        if known(share.get('value')):
            cell['text'] = f'{100 * share["value"]:.0f} %'
        kept.append(cell)
    rows = [{'name': found.miou, 'cells': cells}, {'name': 'kept of clean', 'cells': kept}]
    words = 'mean IoU of segmentation over the frames of a condition, and its share of the clean'
    return {'title': found.miou, 'words': words, 'top': None, 'rows': rows}


def _plain(rate: Any) -> Mapping[str, Any]:
    if rate is None:
        return {}
    return {
        'value': rate.value,
        'low': rate.low,
        'high': rate.high,
        'scenes': rate.scenes,
        'counts': rate.counts,
    }


def _cell(entry: Mapping[str, Any], top: float, falling: bool = False) -> dict[str, Any]:
    """Return what a cell says, and how dark it is, percent; a dash where there is nothing."""
    value = entry.get('value')
    if not known(value):
        return {'text': '–', 'level': None, 'told': '', 'star': False, 'counts': ''}
    share = (1 - value if falling else value) / top
    low, high = entry.get('low'), entry.get('high')
    told = ''
    if known(low) and known(high) and not isnan(low):
        told = f'{_short(low)}–{_short(high)}'
    scenes = entry.get('scenes')
    return {
        'text': _short(value),
        'star': scenes is not None and scenes < FEW_SCENES,
        'level': round(100 * min(max(share, 0.0), 1.0)),
        'told': told,
        'counts': entry.get('counts', ''),
        'value': value,
    }


def _short(value: float) -> str:
    text = f'{value:.2f}'
    return text if text == '1.00' else text.removeprefix('0')


def class_maps(found: Found) -> list[dict[str, Any]]:
    """Return omission and hallucination by class: clean and corrupted a model."""
    maps = []
    models = [(name, entry.get('classes') or {}) for name, entry in found.models]
    for key, title in _KINDS:
        rows = []
        for name in SCORED:
            cells = [
                _counted_cell((groups.get(of) or {}).get(name, {}).get(key) or {})
                for _, groups in models
                for of in (CLEAN, CORRUPTED)
            ]
            if any(cell['level'] is not None for cell in cells):
                rows.append({'name': name, 'cells': cells})
        if rows:
            maps.append({'title': title, 'models': [model for model, _ in models], 'rows': rows})
    return maps


def _counted_cell(entry: Mapping[str, Any]) -> dict[str, Any]:
    cell = _cell(entry, 1.0)
    return {**cell, 'counts': f'{entry["numerator"]}/{entry["denominator"]}' if entry else ''}


def class_lines(found: Found) -> list[dict[str, Any]]:
    """Return every class, model and corruption in a line, for a table that sorts."""
    return [
        {
            'name': name,
            'model': model,
            'group': group,
            **{key: _counted_cell(told.get(key) or {}) for key, _ in _KINDS},
        }
        for model, entry in found.models
        for group, classes in (entry.get('classes') or {}).items()
        for name, told in classes.items()
    ]
