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

"""Answers that two lexicons read alike may be passed over, and no others."""

import json
from pathlib import Path

import pytest

from vlm_misalign_ros.core.language.altered import may_differ
from vlm_misalign_ros.core.language.lexicon import open_lexicon
from vlm_misalign_ros.core.language.reading import read

DATA = Path(__file__).parents[2] / 'data' / 'descriptions'
OVERLAYS = [
    'things: [{classes: [truck], phrases: [van]}]',
    'things: [{classes: [car], phrases: [vehicle, traffic]}]',
    'without: [pedestrian, road, street]',
    'further: {lane: [lane, parked car]}',
    'polarity: {hedge_before: [there is]}',
    'judgement: {unsafe: [clear, slow down], safe: [stop]}',
    'nothing: [bus stop sign, car]',
]


def texts():
    for name in ('dev.jsonl', 'models_dev.jsonl'):
        for line in (DATA / name).read_text(encoding='utf-8').splitlines()[::4]:
            yield json.loads(line)['text']


@pytest.mark.parametrize('overlay', OVERLAYS)
def test_what_is_passed_over_is_read_alike(overlay, tmp_path):
    path = tmp_path / 'words.yaml'
    path.write_text(overlay)
    own, other = open_lexicon(), open_lexicon(str(path))
    differs = may_differ(own, other)
    passed = looked_at = 0
    for text in texts():
        if differs(text):
            looked_at += 1
            continue
        passed += 1
        one, two = (read(text, lexicon) for lexicon in (own, other))
        assert (one.mentions, one.further, one.judgement, one.phrases) == (
            two.mentions,
            two.further,
            two.judgement,
            two.phrases,
        ), text
    assert passed and looked_at


def test_the_same_lexicon_differs_nowhere():
    differs = may_differ(open_lexicon(), open_lexicon())
    assert not any(differs(text) for text in texts())


def test_another_language_may_differ_everywhere(tmp_path):
    import dataclasses

    from vlm_misalign_ros.core.language.speech import Speech

    german = dataclasses.replace(open_lexicon(), speech=Speech('de'))
    assert may_differ(open_lexicon(), german) is None
