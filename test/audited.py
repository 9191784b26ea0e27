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

"""A run whose answers are audited, made by hand."""

import json

from made import frame_record
from vlm_misalign_ros.core.language.lexicon import lexicon_hash
from vlm_misalign_ros.core.records.ending import Ending, write_ending
from vlm_misalign_ros.core.records.schema import SCHEMA, RunRecord
from vlm_misalign_ros.core.records.store import RECORDS, RecordWriter

TEXTS = (
    'A street with a car and a bus. It is safe to go on.',
    'Two people cross the road. Stop.',
    '{"vehicles": ["car"], "safe": false}',
    'Trees and a building.',
)


def run_of(folder, answers, kind='generative', **manifest):
    """
    Write a run, sealed; return its folder.

    `answers` are (text, condition, style, asserted, judgement), each of a frame of its own.
    """
    folder.mkdir()
    writer = RecordWriter(folder / RECORDS)
    writer.write(RunRecord(SCHEMA, folder.name, ['m']))
    for number, (text, condition, style, asserted, judgement) in enumerate(answers):
        answer = {
            'kind': kind,
            'text': text,
            'style': style,
            'mentions': dict.fromkeys(asserted, 'ASSERTED'),
            'judgement': judgement,
        }
        writer.write(
            frame_record(
                stamp=f'{number + 1}.000000000',
                key=f'k{number}',
                condition=condition,
                models={'m': {'status': 'scored', 'answer': answer}},
            )
        )
    writer.close()
    (folder / 'manifest.json').write_text(
        json.dumps(
            {'configuration': {}, 'language': {'lexicon_sha256': lexicon_hash()}, **manifest}
        )
    )
    write_ending(folder, Ending(len(answers)))
    return folder


def some_run(folder, frames=8):
    """Write a run of the texts above, of clean frames and of some at severity 4."""
    read = (
        (('car', 'bus'), 'SAFE'),
        (('person', 'road'), 'UNSAFE'),
        (('car',), 'UNSAFE'),
        (('vegetation', 'building'), 'UNPARSED'),
    )
    answers = []
    for number in range(frames):
        condition = 'low_light:4' if number % 8 >= 4 else 'clean'
        style = 'structured' if number % 4 == 2 else 'caption'
        # So that no two answers are the same text.
        text = (
            TEXTS[number % 4].replace('A ', f'{number} times a ').replace('Two', str(number + 2))
        )
        answers.append((text + ' ' * number, condition, style, *read[number % 4]))
    return run_of(folder, answers)
