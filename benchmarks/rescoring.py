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
How long a rescore takes: 100,000 answers, no two texts alike, by another lexicon and corridor.

The frames are the golden run's, over and over; the texts of the generative models are made of
sentences of the labelled descriptions, so that each is another. Seconds of the processor, of all
processes together, and by the clock, from reading records.jsonl to the last record and the list of
changes on the disk; results are another verb's work (`report`). `--answers 4000` is a quick look,
`--jobs 1 2` takes one process, then two.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec

from vlm_misalign_ros.app.rescoring_records import Told, score_records
from vlm_misalign_ros.app.rescoring_settings import Chosen
from vlm_misalign_ros.core.evaluation.rereading import Question, Rereader
from vlm_misalign_ros.core.evaluation.rescoring import Rescorer
from vlm_misalign_ros.core.evaluation.retruth import Corridors
from vlm_misalign_ros.core.labels.classes import CRITICAL
from vlm_misalign_ros.core.language.lexicon import open_lexicon
from vlm_misalign_ros.core.language.prompts import find_prompt
from vlm_misalign_ros.core.language.reading import read
from vlm_misalign_ros.core.records.schema import SCHEMA, FrameRecord, RunRecord, decode
from vlm_misalign_ros.core.records.store import RECORDS, RecordWriter
from vlm_misalign_ros.core.settings.nodes import EvaluationParameters
from vlm_misalign_ros.core.truth.hazard import HazardSettings

TEST = Path(__file__).resolve().parents[1] / 'test'
WORDS = 'things: [{classes: [truck], phrases: [van, vehicle]}]\nwithout: [pedestrian, tree]\n'


def sentences() -> list[str]:
    """Return the sentences of the labelled descriptions, each once."""
    found: dict[str, None] = {}
    for name in ('dev.jsonl', 'models_dev.jsonl'):
        for line in (TEST / 'data' / 'descriptions' / name).read_text('utf-8').splitlines():
            for sentence in json.loads(line)['text'].split('. '):
                if 20 < len(sentence) < 150 and '\n' not in sentence:
                    found[sentence.rstrip('.')] = None
    return list(found)


def frames(answers: int) -> Iterator[FrameRecord]:
    """Yield frames with so many answers of four models."""
    packed = gzip.open(TEST / 'golden' / 'records.jsonl.gz').read().splitlines()
    records = [decode(line, 'golden') for line in packed]
    pool, rng = sentences(), random.Random(0)
    scorer = Rescorer(CRITICAL, CRITICAL, Corridors.between(HazardSettings(), HazardSettings()))
    number, lexicon, prompt = 0, open_lexicon(), find_prompt('default')
    while answers > 0:
        for record in records:
            assert isinstance(record, FrameRecord)
            models = {}
            for name, entry in record.models.items():
                answer = entry.answer
                if answer is not None and answer.text:
                    text = '. '.join(rng.sample(pool, 2)) + '.'
                    said = read(text, lexicon, prompt.text, answer.style)
                    made = msgspec.structs.replace(
                        answer,
                        text=text,
                        mentions={key: said.mentions[key] for key in sorted(said.mentions)},
                        scores=dict.fromkeys(sorted(said.phrases), 0.9),
                        judgement=said.judgement,
                    )
                    entry = msgspec.structs.replace(entry, answer=made)
                models[name] = entry
            answers -= len(models)
            number += 1
            frame = msgspec.structs.replace(
                record, stamp=f'{number}.000000000', key=f'{record.key}_{number}', models=models
            )
            yield scorer.rescored(frame)[0]
            if answers <= 0:
                return


def processor_seconds() -> float:
    """Return what this process and those that it has waited for have taken."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def main() -> None:
    """Time it and print a line a change."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--answers', type=int, default=100_000)
    parser.add_argument('--jobs', type=int, nargs='+', default=[1])
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        writer = RecordWriter(folder / RECORDS)
        models = ['clip', 'llava', 'paligemma', 'siglip']
        writer.write(RunRecord(SCHEMA, 'bench', models))
        texts = set()
        for frame in frames(chosen.answers):
            writer.write(frame)
            texts |= {entry.answer.text for entry in frame.models.values() if entry.answer}
        writer.close()
        size = (folder / RECORDS).stat().st_size / 1e6
        print(f'{chosen.answers} answers, {len(texts)} texts, {size:.0f} MB', flush=True)
        words = folder / 'words.yaml'
        words.write_text(WORDS)
        own, other = open_lexicon(), open_lexicon(str(words))
        questions = {model: Question() for model in models}
        base = HazardSettings()
        wide = replace(base, corridor_width=4.0)
        for what, corridor, reader in (
            ('the same settings', base, None),
            ('another corridor', wide, None),
            ('another lexicon', base, lambda: Rereader(questions, other, own)),
            (
                'a lexicon, that of the run not at hand',
                base,
                lambda: Rereader(questions, other, None),
            ),
        ):
            for jobs in chosen.jobs:
                began, spent = time.perf_counter(), processor_seconds()
                rescorer = Rescorer(
                    CRITICAL,
                    CRITICAL,
                    Corridors.between(base, corridor),
                    reader() if reader else None,
                )
                out = folder / f'{what} {jobs}'.replace(' ', '_')
                out.mkdir()
                told = Told(out)
                settings = EvaluationParameters()
                again = Chosen({}, settings, settings, {}, {}, None, '', rescorer, {}, {})
                score_records(folder / RECORDS, out, again, (), told, jobs=jobs)
                print(
                    f'{what}, {jobs} process{"es" * (jobs > 1)}: '
                    f'{processor_seconds() - spent:.1f} s of the processor, '
                    f'{time.perf_counter() - began:.1f} s by the clock, '
                    f'{sum(told.changed.values())} answers changed',
                    flush=True,
                )


if __name__ == '__main__':
    sys.exit(main())
