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

"""Records, verdicts, summaries and the report."""

import json
import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import cv2
import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from made import frame_record
from vlm_misalign_ros.core.errors import MisalignError, RecordError
from vlm_misalign_ros.core.labels.classes import SCORED
from vlm_misalign_ros.core.metrics import confusion
from vlm_misalign_ros.core.metrics.counts import Counts
from vlm_misalign_ros.core.records import store
from vlm_misalign_ros.core.records.account import LateRecord
from vlm_misalign_ros.core.records.ending import Ending, write_ending
from vlm_misalign_ros.core.records.merge import merge
from vlm_misalign_ros.core.records.pictures import Pictures, picture_name
from vlm_misalign_ros.core.records.schema import SCHEMA, RunRecord, Status
from vlm_misalign_ros.core.records.store import RecordWriter, read_records
from vlm_misalign_ros.core.report.analysis import analyse_records
from vlm_misalign_ros.core.report.finalise import finalise
from vlm_misalign_ros.core.report.limits import parse_limits
from vlm_misalign_ros.core.report.rules import Rules
from vlm_misalign_ros.core.report.summary import ALL, summarise, to_frame
from vlm_misalign_ros.core.report.terminal import format_table, number
from vlm_misalign_ros.core.report.verdict import Status as Outcome

HOSTILE = '</script><script>alert(1)</script><img src=x onerror=alert(2)> \u202e " \' & {{ 7*7 }}'


def frame(stamp, name='clean', status='scored', counts=None, text='a car', miou=(9, 1), **more):
    right, wrong = miou
    counts = counts or Counts(
        frames=1,
        assertions=2,
        hallucinated=1,
        required=1,
        omitted=1,
        false_safe=1,
        hazards_judged=1,
        safe=1,
    )
    return frame_record(
        **{
            'stamp': f'{stamp}.000000000',
            'index': stamp,
            'key': f'key_{stamp}',
            'condition': name,
            'truth': {
                'presence': {**dict.fromkeys(SCORED, 'ABSENT'), 'car': 'REQUIRED'},
                'hazard': 'HAZARD',
                'nearest': 9.5,
                'nearest_class': 'car',
            },
            'segmentation': {'cells': [[0, 0, right], [0, 1, wrong]]},
            'models': {
                'm': {
                    'status': status,
                    'answer': {'text': text, 'mentions': {'car': 'ASSERTED'}},
                    'score': {
                        'counts': msgspec.to_builtins(counts),
                        'hallucinated': ['bus'],
                        'omitted': ['person'],
                    },
                }
                if status == 'scored'
                else {'status': status}
            },
            'timing': {'model_seconds': {'m': 0.1 * stamp}},
            **more,
        }
    )


def write(folder, records):
    writer = RecordWriter(folder / 'records.jsonl')
    for record in records:
        writer.write(record)
    writer.close()
    return folder / 'records.jsonl'


# Summary -------------------------------------------------------------------------------------


def test_rows_sum_counts_and_pixels_by_condition_and_over_all():
    rows = summarise(
        [
            frame(1),
            frame(2, miou=(1, 9)),
            frame(3, 'motion_blur:3', counts=Counts(frames=1, assertions=3)),
            frame(4, 'motion_blur:3', status='missing'),
        ]
    )
    assert [
        (row.condition, row.frames, row.scored, row.by_status[Status.MISSING]) for row in rows
    ] == [('clean', 2, 2, 0), ('motion_blur:3', 2, 1, 1), (ALL, 4, 3, 1)]
    # Sums of pixels, not a mean of ratios: 10 of 20 pixels of class 0, class 1 never true.
    assert rows[0].miou == pytest.approx((10 / 20 + 0) / 2)
    assert rows[2].rates()['hallucination_rate'].value == 2 / 7
    text = format_table(rows)
    assert 'motion_blur:3: ' in text and '.29 [' in text


def test_every_picture_of_a_model_is_in_exactly_one_state():
    (row, total) = summarise(
        [
            frame(1),
            frame(2, status='missing'),
            frame(3, status='missing'),
            frame(4, status='unmatched'),
            structs.replace(frame(5, status='doubled'), pictures=3),
            frame(6, status='unscorable'),
            LateRecord('3.000000000', 'vlm:m'),
            LateRecord('2.000000000', 'vlm:other'),
        ]
    )
    for entry in (row, total):
        found = {status.value: count for status, count in entry.by_status.items() if count}
        assert found == {
            'scored': 1,
            'missing': 1,
            'late': 1,
            'unmatched': 1,
            'unscorable': 1,
            'doubled': 3,
        }
        assert sum(found.values()) == entry.frames == 8
    head, _, title, line = format_table([row]).splitlines()[:4]
    assert title == 'clean: 1 scene (1 hazard, 0 clear), mIoU .45'
    assert head.endswith('not scored')
    assert line.endswith('1 missing, 1 late, 1 unmatched, 1 unscorable, 3 doubled')
    # A column for what did not happen would only be noise.
    assert 'not scored' not in format_table(summarise([frame(1)]))


@pytest.mark.parametrize(
    'value, text',
    [(0.0, '.00'), (0.004, '.004'), (0.125, '.12'), (0.999, '.999'), (1.0, '1.0')]
    + [(float('nan'), '-'), (2.5, '2.50')],
)
def test_two_digits_never_make_nothing_or_all_of_what_is_neither(value, text):
    assert number(value) == text


def test_the_table_of_a_terminal_is_narrow():
    """All rates with their widest intervals, names of usual length, frames that were lost."""
    names = {'clean', 'motion_blur:5', 'low_light:5'}
    counts = Counts(
        frames=1, assertions=4, hallucinated=1, required=8, omitted=4, hazards_judged=1,
        false_safe=1, clear_judged=1, false_alarms=1, safe=1, unsafe=1,
    )  # fmt: skip
    rows = summarise([frame(k, name, counts=counts) for k, name in enumerate(sorted(names))])
    text = format_table(rows)
    assert max(map(len, text.splitlines())) <= 104
    assert text.count(': 1 scene') + text.count(': 3 scenes') == len(names) + 1


KINDS = ['clean', 'motion_blur:1', 'motion_blur:5', 'low_light:2']
SEVERAL = st.lists(
    st.tuples(
        st.sampled_from(KINDS),
        st.sampled_from(['scored', 'scored', 'missing', 'unmatched']),
        st.integers(0, 3),
        st.integers(0, 4),
        st.integers(0, 30),
    ),
    min_size=2,
    max_size=12,
)


def several(entries):
    """Return records of frames drawn by SEVERAL, one source frame each."""
    return [
        frame(
            number + 1,
            name,
            status=status,
            miou=(50, wrong),
            counts=Counts(
                frames=1,
                assertions=made_up + 1,
                hallucinated=made_up,
                required=omitted + 2,
                omitted=omitted,
                false_safe=1,
                hazards_judged=2,
                safe=1,
            ),
        )
        for number, (name, status, made_up, omitted, wrong) in enumerate(entries)
    ]


def numbers(rows):
    """Return rows as a table without times, in one order."""
    table = to_frame(rows)
    table = table[[name for name in table.columns if 'seconds' not in name]]
    return table.sort_values(['model', 'condition']).reset_index(drop=True)


@pytest.mark.heavy
@settings(max_examples=30)
@given(SEVERAL, st.randoms(use_true_random=False))
def test_the_order_of_frames_changes_no_number(entries, random):
    records = several(entries)
    shuffled = list(records)
    random.shuffle(shuffled)
    pd.testing.assert_frame_equal(numbers(summarise(records)), numbers(summarise(shuffled)))
    one, other = (analyse_records(each, None) for each in (records, shuffled))
    assert one.keys() == other.keys()
    assert_close(one, other)


def assert_close(one, other):
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_close(one[key], other[key])
    elif isinstance(one, list):
        assert len(one) == len(other)
        for first, second in zip(one, other, strict=True):
            assert_close(first, second)
    elif isinstance(one, float):
        assert one == pytest.approx(other, nan_ok=True, abs=1e-9)
    else:
        assert one == other


def a_run(folder, records, **changes):
    folder.mkdir()
    write(folder, records)
    manifest = {
        'models': {'m': {'model': 'transformers:m', 'role': 'vlm', 'sha256': '1'}},
        'configuration': {'corruption': {'seed': 0}, 'monitor': {'minimum_area': 1000.0}},
    }
    manifest.update(changes)
    (folder / 'manifest.json').write_text(json.dumps(manifest))
    (folder / 'config.yaml').write_text('{}')
    return folder


@settings(max_examples=10)
@given(SEVERAL, st.integers(1, 11))
def test_merged_runs_equal_one_run(tmp_path_factory, entries, cut):
    folder = tmp_path_factory.mktemp('merge')
    records = several(entries)
    cut = min(cut, len(records) - 1)
    first, second = records[:cut], records[cut:]
    # A run of its own starts its clock anew.
    again = [
        structs.replace(record, stamp=f'{number + 1}.000000000')
        for number, record in enumerate(second)
    ]
    parts = [a_run(folder / 'a', first), a_run(folder / 'b', again)]
    merge(folder / 'both', parts)
    merged = list(read_records(folder / 'both' / 'records.jsonl'))
    assert len({record.stamp for record in merged}) == len(first) + len(second)
    pd.testing.assert_frame_equal(numbers(summarise(first + second)), numbers(summarise(merged)))


def test_pictures_follow_their_frames(run, tmp_path):
    a_run(tmp_path / 'first', [frame(7)])
    (run / 'manifest.json').write_text((tmp_path / 'first' / 'manifest.json').read_text())
    (run / 'config.yaml').write_text('{}')
    merge(tmp_path / 'both', [tmp_path / 'first', run])
    assert 'merged' in json.loads((tmp_path / 'both' / 'manifest.json').read_text())
    moved = {
        record.key: record.stamp for record in read_records(tmp_path / 'both' / 'records.jsonl')
    }
    seconds = int(moved[HOSTILE].partition('.')[0])
    assert seconds == 7 + 1 + 3
    assert (tmp_path / 'both' / 'pictures' / f'{picture_name(seconds * 10**9)}.jpg').is_file()
    assert close(tmp_path / 'both', expected_frames=None).status is Outcome.COMPLETE


@pytest.mark.parametrize(
    'records, changes, words',
    [
        ([frame(1)], {}, 'key_1 under clean is in'),
        (
            [frame(2)],
            {'models': {'m': {'model': 'transformers:m', 'role': 'vlm', 'sha256': '2'}}},
            'another model m',
        ),
        (
            [frame(2)],
            {
                'models': {
                    'm': {
                        'model': 'transformers:m',
                        'role': 'vlm',
                        'sha256': '1',
                        'served': {'server': {'model': 'm-2026-11-26'}},
                    }
                }
            },
            'another model m',
        ),
        ([frame(2)], {'models': {}}, 'another model m'),
        ([frame(2)], {'plugins': {'corruption fog': 'extras 2'}}, 'another plugins'),
        ([frame(2)], {'label_encoding': {'name': 'a.yaml'}}, 'another label encoding'),
        (
            [frame(2)],
            {'configuration': {'segmentation': {'input_height': 256}}},
            'another corruption seed|another setting of segmentation',
        ),
        ([frame(2)], {'language': {'lexicon_version': 9}}, 'another language'),
        ([frame(2)], {'configuration': {'monitor': {'minimum_area': 5.0}}}, 'corruption seed'),
    ],
)
def test_runs_that_do_not_belong_together_are_not_merged(tmp_path, records, changes, words):
    parts = [a_run(tmp_path / 'a', [frame(1)]), a_run(tmp_path / 'b', records, **changes)]
    with pytest.raises(MisalignError, match=words):
        merge(tmp_path / 'out', parts)
    assert not (tmp_path / 'out').exists()
    with pytest.raises(MisalignError, match='two or more'):
        merge(tmp_path / 'out', parts[:1])
    with pytest.raises(MisalignError, match='exists'):
        merge(tmp_path / 'a', parts)
    with pytest.raises(MisalignError, match='cannot be read'):
        merge(tmp_path / 'out', [tmp_path / 'a', tmp_path / 'none'])


def test_the_order_is_clean_first_then_by_severity():
    rows = summarise(
        [frame(1, 'low_light:2'), frame(2, 'low_light:1'), frame(3), frame(4, 'occlusion:1')]
    )
    assert [row.condition for row in rows] == [
        'clean',
        'low_light:1',
        'low_light:2',
        'occlusion:1',
        ALL,
    ]


# Report --------------------------------------------------------------------------------------


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found, self.text, self.refers = [], [], []

    def handle_starttag(self, tag, attrs):
        self.found.append(tag)
        self.refers += [value for name, value in attrs if name in ('src', 'href')]

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture
def run(tmp_path):
    """Return a run folder whose texts are hostile."""
    folder = tmp_path / 'run'
    folder.mkdir()
    worst = frame(3, 'motion_blur:2', text=HOSTILE, key=HOSTILE)
    write(folder, [frame(1), worst, frame(4, 'motion_blur:2', status='missing')])
    Pictures(folder / 'pictures').keep(
        3 * 10**9, np.zeros((20, 40, 3), np.uint8), np.zeros((20, 40), np.uint8)
    )
    return folder


def close(folder, limits=(), expected_frames=3, notes=(HOSTILE,)):
    write_ending(folder, Ending(expected_frames, notes=list(notes)))
    return finalise(folder, Rules(parse_limits(limits), minimum_coverage=0.5))


def test_every_result_is_written_and_reads_back(run):
    verdict = close(run)
    assert verdict.status is Outcome.COMPLETE
    table = pd.read_csv(run / 'summary.csv')
    assert list(table.condition) == ['clean', 'motion_blur:2', ALL]
    assert table.hallucination_rate_numerator.tolist() == [1, 1, 2]
    lines = pd.read_parquet(run / 'records.parquet')
    assert lines.status.tolist() == ['scored', 'scored', 'missing'] and lines.text[1] == HOSTILE
    assert json.loads((run / 'verdict.json').read_text())['status'] == 'COMPLETE'
    suite = ElementTree.parse(run / 'junit.xml').getroot()
    assert suite.attrib['failures'] == '0'
    # From what is on disk it can be done again.
    assert close(run).status is Outcome.COMPLETE


def test_records_are_read_three_times_whatever_is_checked(run, monkeypatch):
    """Once for all that gathers, then by the flat table and the analysis."""
    decoded = []
    plain = store.decode
    monkeypatch.setattr(
        store, 'decode', lambda line, place: decoded.append(place) or plain(line, place)
    )
    close(run, ['smr < 0.5', 'miou > 0.1'])
    assert len(decoded) == 3 * 3


def test_the_report_escapes_every_text_and_stands_alone(run):
    close(run)
    page = (run / 'report.html').read_text()
    tags = Tags()
    tags.feed(page)
    assert '<img src=x' not in page and '<script>alert' not in page
    assert any(HOSTILE in ' '.join(text.split()) or 'alert(2)' in text for text in tags.text)
    assert not any(value and value.startswith(('http', '//')) for value in tags.refers)
    assert tags.found.count('table') >= 1 and 'data:image/webp;base64' in page


def test_junit_holds_failures_and_only_legal_characters(run):
    close(run, limits=['smr@clean < 0.1', 'smr < 0.1'], notes=['bell \x07'])
    suite = ElementTree.parse(run / 'junit.xml').getroot()
    # A scene each: too few for a failure, and each check is told once.
    assert (suite.attrib['failures'], suite.attrib['errors']) == ('0', '2') and '\x07' not in (
        run / 'junit.xml'
    ).read_text()


def test_the_report_lists_what_was_checked(run):
    close(run)
    page = (run / 'report.html').read_text()
    assert 'badge COMPLETE' in page and 'No limit was set' in page
    assert 'm: 2 of 3 frames scored (66.7%), 50.0% needed' in page
    close(run, limits=['smr@clean < 0.1', 'llava/smr < 0.1'])
    page = (run / 'report.html').read_text()
    assert 'badge INVALID' in page and 'INVALID (and 1 limit undecided)' in page
    assert 'llava/smr &lt; 0.1: the run has no model &#39;llava&#39;; it has m' in page
    rows = re.findall(r'<tr><th scope="row" class="([A-Z]+)-check">', page)
    assert rows == ['UNDECIDED', 'INVALID', *['PASS'] * 5]


def test_a_run_without_frames_still_gets_its_results(tmp_path):
    write(tmp_path, [RunRecord(SCHEMA, 'x', ['m'])])
    assert close(tmp_path, expected_frames=5).status is Outcome.INVALID
    assert (tmp_path / 'report.html').is_file() and (tmp_path / 'summary.csv').is_file()


def test_results_that_cannot_be_written_are_named(run):
    (run / 'verdict.json.part').mkdir()
    with pytest.raises(RecordError, match=r'verdict.json cannot be written'):
        close(run)


# Pictures ------------------------------------------------------------------------------------


def test_pictures_are_kept_small(tmp_path):
    Pictures(tmp_path).keep(7, np.zeros((10, 1300, 3), np.uint8), None)
    assert cv2.imread(str(tmp_path / f'{picture_name(7)}.jpg')).shape == (5, 640, 3)


def test_cells_of_a_record_give_its_matrix_back():
    matrix = confusion.from_cells(frame(1).segmentation.cells)
    assert matrix[0, 0] == 9 and matrix.sum() == 10


def test_answers_of_which_a_part_was_not_read_are_counted():
    records = [
        frame_record(
            stamp=f'{second}.000000000',
            models={
                'm': {'status': 'scored', 'answer': {'text': 'a', 'cut': cut, 'style': 'caption'}}
            },
        )
        for second, cut in ((1, 0), (2, 17), (3, 2))
    ]
    (row,) = (row for row in summarise(records) if row.condition == ALL)
    assert row.cut == 2 and list(to_frame([row])['cut']) == [2]
