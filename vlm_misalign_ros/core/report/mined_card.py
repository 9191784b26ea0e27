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

"""The data card of mined answers: what they are, by which definition, and whose pictures."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vlm_misalign_ros.core.records.reference import MEANS, against

if TYPE_CHECKING:
    from vlm_misalign_ros.core.report.mined import Layout, Written

_MOST = 200


def card(
    manifest: Mapping[str, Any],
    definition: str,
    written: Written,
    layout: Layout,
    columns: Sequence[tuple[str, str]],
    reference: str,
) -> str:
    """Return README.md; every name of somebody's in it is bounded and is no markup."""
    splits = [name for name, count in written.answers.items() if count]
    lines = [
        '---',
        'license: other',
        'license_name: that-of-the-data-set',
        'pretty_name: Answers that failed while the segmentation held',
        'task_categories:',
        '- image-to-text',
        'tags:',
        '- vlm',
        '- hallucination',
        '- robustness',
        'configs:',
        '- config_name: answers',
        '  default: true',
        '  data_files:',
        *_files('answers/{}.parquet', splits),
    ]
    lines += [
        '---',
        '',
        '# Answers that failed while the segmentation held',
        '',
        f'Mined by vlm_misalign_ros from the run {_name(_told(manifest, "configuration", "name"))}'
        f', data set {_name(_told(manifest, "dataset", "name"))}'
        f' at {_name(_told(manifest, "dataset", "root"))}.',
        '',
        f'- {sum(written.answers.values())} answers ({written.told()}) of {len(written.scenes)} '
        'scenes; a scene is in one split alone.',
        f'- Mistakes: {", ".join(f"{k} {n}" for k, n in sorted(written.funnel.kinds.items()))}.',
        f'- Counted: {written.funnel.told()}.',
        '',
        '## Definition',
        '',
        definition[:1].upper() + definition[1:] + '.',
        '',
        _of_right(written),
    ]
    if reference:
        lines += ['', f'There was no ground truth: the labels are {against(reference)}; {MEANS}.']
    lines += ['', '## Pictures and their licence', '', _of_pictures(written, layout), '']
    lines += [*_reading(bool(written.pictures)), '']
    lines += [
        '**The licence of the pictures, and of what is made of the labels, is that of the data '
        'set they come from.** This card grants none. Cityscapes, for one, may not be passed on: '
        'keep this folder to yourself then. What models said is as their licences have it.',
        '',
        '## Columns of answers/',
        '',
        '| column | |',
        '|---|---|',
        *(f'| `{name}` | {meaning} |' for name, meaning in columns),
        '',
        '`text` and `clean_text` are what models said, unchanged: never evaluate them or show '
        'them as markup.',
        '',
    ]
    return '\n'.join(lines)


def _of_right(written: Written) -> str:
    told = 'These are failures that were looked for: no rate can be told from them'
    if any(written.right.values()):
        return (
            f'{told}, nor from the {sum(written.right.values())} right answers that were drawn to '
            'stand beside them (`failed` is false, `mistakes` is empty).'
        )
    return (
        f'{told}, and a model trained on them alone learns that things are mostly missing from '
        'answers (`mine --right 1` has right ones beside them).'
    )


def _files(pattern: str, splits: Sequence[str]) -> list[str]:
    return [
        line
        for split in splits
        for line in (f'  - split: {split}', f'    path: {pattern.format(split)}')
    ]


def _reading(pictured: bool) -> list[str]:
    found = ['```python', 'from datasets import load_dataset']
    found += ["answers = load_dataset('FOLDER')    # a line an answer"]
    if pictured:
        found += [
            "pictures = load_dataset('imagefolder', data_dir='FOLDER/pictures')"
            '    # a line a picture, with its answers'
        ]
    return [*found, '```']


def _of_pictures(written: Written, layout: Layout) -> str:
    if layout.picture == 'none':
        return 'No pictures were asked for: `key` names the frames of the data set.'
    told = (
        f'{written.pictures} pictures were made again from the data set, degraded as the models '
        'were shown them (`pictures/`) and clean (`clean/`), and held against the checksums of '
        'the run.'
    )
    if layout.picture == 'jpg':
        told += ' They are JPEG here, which loses a little.'
    if written.lacking:
        told += (
            f' {written.lacking} could not be made again ({_name(written.why)}): `key` names '
            'the frames of the data set.'
        )
    return told


def _told(manifest: Mapping[str, Any], section: str, name: str) -> str:
    found = manifest.get(section)
    value = found.get(name) if isinstance(found, Mapping) else None
    return '' if value is None else str(value)


def _name(text: str) -> str:
    """Return a name as code, in one line, which no name of anybody's can end."""
    plain = ''.join(char if char.isprintable() else ' ' for char in text[:_MOST])
    plain = re.sub(r'[`|<>]', "'", ' '.join(plain.split()))
    return f'`{plain or "?"}`'
