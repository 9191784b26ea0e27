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

"""The page: one file, navigable, escaped, in natural order, its pictures true to the numbers."""

import copy
import hashlib
import json
import os
import re
from base64 import b64decode
from html.parser import HTMLParser
from random import Random
from xml.etree import ElementTree

import numpy as np
import pytest

from made import frame_record
from made_runs import a_run, frames
from vlm_misalign_ros.core.metrics.confusion import miou
from vlm_misalign_ros.core.metrics.kept import kept
from vlm_misalign_ros.core.report import strips
from vlm_misalign_ros.core.report.analysis import analyse_records
from vlm_misalign_ros.core.report.finalise import finalise
from vlm_misalign_ros.core.report.order import in_order
from vlm_misalign_ros.core.report.page import write_report
from vlm_misalign_ros.core.report.streamed import DISTINCT, OTHER, Streamed
from vlm_misalign_ros.core.report.summary import ALL
from vlm_misalign_ros.core.report.svg import SERIES, Scale, ceiling, mark, picture, text, tick
from vlm_misalign_ros.core.report.tidy import Masks
from vlm_misalign_ros.core.report.timelines import Gathering
from vlm_misalign_ros.core.report.verdict import Status, Verdict

HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>'
VOID = {'meta', 'input', 'img', 'br', 'link', 'hr'}


class Page(HTMLParser):
    """What is in a page: its tags, ids, links and scripts; unbalanced tags are an error."""

    def __init__(self, source):
        super().__init__()
        self.open, self.ids, self.links, self.loads, self.tags = [], [], [], [], []
        self.feed(source)
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        told = dict(attrs)
        self.tags.append((tag, told))
        if tag not in VOID:
            self.open.append(tag)
        self.ids += [told['id']] if 'id' in told else []
        self.links += [told['href']] if 'href' in told else []
        self.loads += [told['src']] if 'src' in told else []

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, (tag, self.getpos())


def conditions(*names, models=('m',)):
    records = []
    for level, name in enumerate(names):
        mask = {'cells': [[0, 0, 90 - 5 * level], [0, 1, 10 + 5 * level]]}
        records += frames(
            22, name, models, segmentation=mask, omitted=lambda k, level=level: k % 5 < level
        )
    return records


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    records = conditions('clean', 'low_light:10', 'low_light:2', 'blank', models=('m', HOSTILE))
    records += [
        frame_record(
            stamp=f'{900 + k}.000000000',
            key=f'lost_{k}',
            models={'m': {'status': 'unscorable', 'problem': HOSTILE}},
        )
        for k in range(3)
    ]
    manifest = {
        'dataset': {'root': HOSTILE},
        'models': {'m': {'model': HOSTILE, 'role': 'vlm', 'sha256': 'ab' * 32}},
    }
    folder = a_run(tmp_path_factory.mktemp('page') / 'run', records, manifest=manifest)
    finalise(folder)
    return folder


@pytest.fixture(scope='module')
def source(folder):
    return (folder / 'report.html').read_text(encoding='utf-8')


def test_every_link_leads_somewhere_and_every_id_is_there_once(source):
    page = Page(source)
    assert len(set(page.ids)) == len(page.ids)
    assert {link[1:] for link in page.links} <= set(page.ids) and len(page.links) > 10
    landmarks = [tag for tag, _ in page.tags if tag in ('nav', 'main')]
    assert landmarks == ['nav', 'main']


def test_nothing_is_loaded_and_only_the_own_script_runs(source):
    page = Page(source)
    assert all(load.startswith('data:image/') for load in page.loads)
    assert not re.search(r'url\(|@import|https?://(?!www\.w3\.org)', source)
    (script,) = re.findall(r'<script>(.*?)</script>', source, re.DOTALL)
    (digest,) = re.findall(r"script-src 'sha256-([^']+)'", source)
    assert b64decode(digest) == hashlib.sha256(script.encode()).digest()
    assert "default-src 'none'" in source


def test_hostile_text_stays_text(source):
    assert '<script>alert' not in source and '<img src=x' not in source
    assert '&lt;script&gt;alert(1)' in source
    assert not [told for _, told in Page(source).tags if any(name[:2] == 'on' for name in told)]


def test_conditions_stand_in_natural_order(source):
    table = source.split('aria-label="Rates by condition')[1].split('</table>')[0]
    told = re.findall(r'<th scope="row" data-v="[^"]*">([^<]*)</th>', table)
    assert list(dict.fromkeys(told)) == ['clean', 'low_light:2', 'low_light:10', 'blank', ALL]
    names = ['b:1', ALL, 'a:10', 'blank', 'a:2+b:1', 'clean', 'a:2', 'a:' + '9' * 400]
    expected = ['clean', 'a:2', 'a:2+b:1', 'a:10', 'b:1', 'blank', ALL]
    assert [name for name in in_order(names) if len(name) < 99] == expected


def test_every_table_has_a_caption_and_its_columns_a_scope(source):
    for table in re.findall(r'<table.*?</table>', source, re.DOTALL):
        assert '<caption><span>' in table
        assert not re.search(r'<th(?! scope)', table.replace('<thead>', ''))


def test_what_was_lost_is_told_with_its_reason(source):
    lost = source.split('aria-label="Why frames were not scored')[1].split('</table>')[0]
    assert re.search(r'>m</th><td class="name">unscorable</td><td>3</td>', lost)


def test_reasons_that_all_differ_are_summed(tmp_path):
    seen = Streamed(tmp_path)
    for k in range(DISTINCT + 50):
        entry = {'status': 'unscorable', 'problem': f'at {k}'}
        seen.add(frame_record(models={'m': entry}, segmentation={'status': 'not asked'}))
    assert len(seen.reasons) == DISTINCT + 1 and seen.reasons['m', 'unscorable', OTHER] == 50


def test_pictures_are_xml_and_hold_a_marker_a_condition(source):
    drawn = re.findall(r'<svg .*?</svg>', source, re.DOTALL)
    trees = [ElementTree.fromstring(one) for one in drawn]
    curve = next(
        tree for tree in trees if tree.get('aria-label', '').startswith('omission against the sev')
    )
    titles = [title.text for title in curve.iter('title')]
    # Two models under clean and two severities; 22 scenes of two required classes.
    assert len(titles) == 6 and 'm, low_light:10: 0.114 [' in ' '.join(titles)
    assert sum('(5/44)' in title for title in titles) == 2


def test_scales_and_texts():
    scale = Scale(0, 1, 100, 200)
    assert [scale(v) for v in (-1, 0, 0.25, 2)] == [100, 100, 125, 200]
    assert Scale(0.13, 0.52, 0, 1).ticks(4) == pytest.approx([0.2, 0.3, 0.4, 0.5])
    assert [ceiling([v]) for v in (0.0, 0.11, 0.32, 0.97)] == pytest.approx([0.1, 0.15, 0.4, 1])
    assert [tick(v) for v in (0, 0.5, -0.25, 1, 2)] == ['0', '.5', '−.25', '1', '2']
    shown = picture(10, 10, [text(1, 1, '<a&b>'), mark(5, 5, SERIES + 5, '"<x>')], '<"label">')
    assert '<a' not in shown and '<x' not in shown and '<"' not in shown
    ElementTree.fromstring(shown)


def test_series_of_one_colour_differ_in_shape():
    shapes = {}
    for series in range(2 * SERIES):
        drawn = mark(0, 0, series)
        kind = re.search(r'class="(\S+ s\d)" d="([^"]*)"', drawn).groups()
        assert kind not in shapes.values()
        shapes[series] = kind


def test_by_class_adds_up_to_the_rates():
    rng = Random(1)
    records = []
    for k in range(60):
        said = {name: 'ASSERTED' for name in ('car', 'person', 'bus') if rng.random() < 0.5}
        truth = {'car': 'REQUIRED', 'person': rng.choice(['ABSENT', 'REQUIRED'])}
        presence = {**frame_record().truth.presence, **truth}
        states = {name: getattr(state, 'value', state) for name, state in presence.items()}
        wrong = [name for name in said if states[name] == 'ABSENT']
        left = [n for n in ('car', 'person', 'bus') if states[n] == 'REQUIRED' and n not in said]
        absent = sum(state == 'ABSENT' for state in states.values())
        required = sum(state == 'REQUIRED' for state in states.values())
        counts = {'frames': 1, 'absent': absent, 'required': required}
        counts |= {'hallucinated': len(wrong), 'omitted': len(left)}
        score = {'counts': counts, 'hallucinated': sorted(wrong), 'omitted': left}
        model = {'status': 'scored', 'answer': {'mentions': said}, 'score': score}
        condition = ('clean', 'low_light:1', 'low_light:3', 'blank')[k % 4]
        entry = {'truth': {'presence': states}, 'models': {'m': model}, 'condition': condition}
        records.append(frame_record(stamp=f'{k}.000000000', key=f'k{k}', **entry))
    found = analyse_records(records)['models']['m']['classes']
    assert list(found) == ['clean', 'low_light', 'corrupted']
    assert found['low_light'] == found['corrupted']
    for group, chosen in (('clean', records[::4]), ('corrupted', records[1::4] + records[2::4])):
        counts = [record.models['m'].score.counts for record in chosen]
        for key, over, under in (
            ('hallucinated', 'hallucinated', 'absent'),
            ('omitted', 'omitted', 'required'),
        ):
            told = [entry[key] for entry in found[group].values() if key in entry]
            for part, name in (('numerator', over), ('denominator', under)):
                assert sum(e[part] for e in told) == sum(getattr(c, name) for c in counts)
    assert 'omitted' not in found['clean']['bus']


def test_what_is_kept_is_of_the_frames_that_both_have():
    records = conditions('clean', 'low_light:2')
    masks = Masks()
    # Ten degraded frames more, of scenes without a clean one.
    worse = {'cells': [[0, 0, 1], [0, 1, 99]]}
    more = frames(10, 'low_light:2', start=50, segmentation=worse)
    for record in records + more:
        masks.add(record)
    told = masks.analysis()['conditions']
    assert told['low_light:2']['kept']['value'] == pytest.approx(0.85 / 0.9)
    assert told['low_light:2']['kept']['scenes'] == 22 and 'kept' not in told['clean']
    assert told['low_light:2']['scenes'] == 32


def test_the_share_kept_is_that_of_whole_matrices():
    rng = np.random.default_rng(3)
    clean, dark = (rng.integers(1, 99, (9, 19, 20)) for _ in range(2))

    def areas(found):
        hits = np.diagonal(found, axis1=1, axis2=2)
        return hits, found.sum(axis=2) + found[:, :, :19].sum(axis=1) - hits

    found = kept(areas(clean), areas(dark))
    assert found.value == pytest.approx(miou(dark.sum(axis=0)) / miou(clean.sum(axis=0)))
    assert found.low < found.value < found.high


def test_a_sequence_is_drawn_with_what_was_degraded():
    gathering = Gathering()
    for k in range(12):
        gathering.add(
            frame_record(
                stamp=f'{k // 10}.{k % 10}00000000',
                index=None,
                key=f'k{k}',
                condition='low_light:3' if 4 <= k < 8 else 'clean',
                truth={'hazard': 'HAZARD' if k < 6 else 'CLEAR'},
                models={'m': {'status': 'scored', 'answer': {'judgement': 'SAFE'}}},
            )
        )
    (strip,) = strips.strips(gathering.times())
    assert strip['told'] == '12 frames in 1.1 s, 2 changes of condition'
    tree = ElementTree.fromstring(strip['svg'])
    kinds = [rect.get('class') for rect in tree.iter('rect')]
    assert kinds.count('band') == 1 and kinds.count('truth') == 6
    assert kinds.count('false-safe') == 6 and kinds.count('right') == 6
    assert strips.strips(None) == []


MANIFEST = {
    'configuration': {
        'seed': 1,
        'lexicon': '',
        'replay': {'dataset': '/gone', 'conditions': ['clean']},
        'monitor': {'limits': ['a'], 'pictures': 4, 'critical': ['car'], 'corridor_width': 3},
    },
    'models': {'m': {'model': 'x', 'sha256': 's', 'ask': {'text': 't'}, 'calibration': {}}},
    'dataset': {'root': 'r', 'frames': 3},
    'severities': {'measured': {'model': 'x'}, 'notes': ['n']},
    'language': {'lexicon_sha256': 'x'},
    'packages': {'numpy': '1'},
    'reference': {'model': 'x'},
    'started': 's',
}


def places(data, above=()):
    for key, value in data.items():
        yield (*above, key)
        if isinstance(value, dict):
            yield from places(value, (*above, key))


@pytest.mark.parametrize('place', places(MANIFEST), ids='.'.join)
def test_whatever_stands_in_a_manifest_there_is_a_page(tmp_path, place):
    record = frame_record(condition='low_light:3', models={'m': {'status': 'missing'}})
    for wrong in (5, 'x', [], [5], {'a': 5}, None, '\ud800', '<script>x</script>'):
        data = copy.deepcopy(MANIFEST)
        inner = data
        for key in place[:-1]:
            inner = inner[key]
        inner[place[-1]] = wrong
        (tmp_path / 'manifest.json').write_text(json.dumps(data))
        write_report(tmp_path, [record], [], Verdict(Status.PASS), {'models': {}})
        page = (tmp_path / 'report.html').read_text(encoding='utf-8')
        assert '<h1>' in page and '<script>x' not in page


def test_a_folder_whose_name_is_no_text_has_a_page(tmp_path):
    folder = tmp_path / os.fsdecode(b'run \xff')
    folder.mkdir()
    write_report(folder, [frame_record()], [], Verdict(Status.PASS), {'models': {}})
    assert '<h1>' in (folder / 'report.html').read_text(encoding='utf-8')
