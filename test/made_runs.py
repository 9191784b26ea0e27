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

"""Run folders made by hand, of frames whose counts are given."""

from __future__ import annotations

import json
import zlib

import msgspec

from made import frame_record
from vlm_misalign_ros.core.metrics.counts import Counts
from vlm_misalign_ros.core.records.ending import Ending, write_ending
from vlm_misalign_ros.core.records.schema import SCHEMA, RunRecord
from vlm_misalign_ros.core.records.store import RecordWriter


def frames(number, condition='clean', models=('m',), status='scored', start=0, **more):
    """
    Return frames of a scene each; counts in `more` may be functions of the frame's number.

    Counts default to one judged hazard that is called UNSAFE and one required class of two named.
    """
    names = [name for name in more if name in Counts.__struct_fields__]
    chosen = {name: more.pop(name) for name in names}
    found = []
    for k in range(start, start + number):
        counts = {'frames': 1, 'assertions': 2, 'required': 2, 'hazards_judged': 1, 'unsafe': 1}
        counts |= {n: int(v(k)) if callable(v) else v for n, v in chosen.items()}
        found.append(
            frame_record(
                stamp=f'{k + 1}.{zlib.crc32(condition.encode()) % 10**9:09d}',
                key=f'key_{k}',
                sequence='',
                condition=condition,
                models={
                    model: {
                        'status': status,
                        'score': {'counts': msgspec.to_builtins(Counts(**counts))},
                    }
                    if status == 'scored'
                    else {'status': status}
                    for model in models
                },
                **{'segmentation': {'cells': [[0, 0, 9], [0, 1, 1]]}, **more},
            )
        )
    return found


MONITOR = {'minimum_coverage': 0.95, 'minimum_scenes': 20, 'limits': [], 'minimum_area': 1000.0}


def a_run(folder, records, ending=None, killed=False, manifest=None, **monitor):
    """Write a run folder that ended well unless told otherwise; return it."""
    folder.mkdir(parents=True, exist_ok=True)
    writer = RecordWriter(folder / 'records.jsonl')
    models = list(dict.fromkeys(name for record in records for name in record.models))
    for record in (RunRecord(SCHEMA, folder.name, models or ['m']), *records):
        writer.write(record)
    writer.close()
    plain = {'configuration': {'monitor': {**MONITOR, **monitor}}, **(manifest or {})}
    (folder / 'manifest.json').write_text(json.dumps(plain))
    (folder / 'config.yaml').write_text('{}')
    if not killed:
        write_ending(folder, ending or Ending())
    return folder
