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

"""Which error of the text reader the answers of a run have, and where it is taken from."""

import hashlib
import json

import numpy as np
import pytest

from made import frame_record
from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.labels.classes import SCORED
from vlm_misalign_ros.core.language.labelled import Score
from vlm_misalign_ros.core.language.lexicon import lexicon_hash
from vlm_misalign_ros.core.language.quality import QUALITY, ReaderQuality
from vlm_misalign_ros.core.metrics.extractor import carried
from vlm_misalign_ros.core.metrics.rates import BY_NAME
from vlm_misalign_ros.core.records.schema import SCHEMA, RunRecord
from vlm_misalign_ros.core.records.store import RECORDS, RecordWriter
from vlm_misalign_ros.core.report.analysis import analyse_records
from vlm_misalign_ros.core.report.finalise import finalise
from vlm_misalign_ros.core.report.reader import AUDIT, Kinds, Reader, reader_of
from vlm_misalign_ros.core.report.table import tables

CAPTION = Score(400, 4, 8, 4000, 100, 100)
LOW = Score(80, 16, 20, 800, 30, 40)
ADVICE = Score(30, 15, 5, 500, 15, 20)
QUALITIES = ReaderQuality(
    'x',
    160,
    {
        'caption': {'clear': CAPTION, 'low': LOW},
        'advice': {'clear': ADVICE, 'low': Score(2, 1, 0, 9, 3, 3)},
        'plan': {'clear': Score(5, 0, 0, 90, 40, 40)},
    },
)

CONDITIONS = ('clean', 'low_light:2', 'low_light:3', 'fog:1', 'fog:5', 'blank')


def record(number, condition='clean', style='caption', omitted=0, kind='generative'):
    counts = {'frames': 1, 'assertions': 3, 'required': 4, 'omitted': omitted, 'absent': 10}
    return frame_record(
        key=f'{number}',
        stamp=f'{20 * number + CONDITIONS.index(condition)}.000000000',
        condition=condition,
        models={
            'm': {
                'status': 'scored',
                'answer': {'style': style, 'kind': kind},
                'score': {'counts': {**counts, 'clear_judged': 1, 'false_alarms': omitted % 2}},
            }
        },
    )


RECORDED = [
    *(record(k, 'clean', 'caption', k % 2) for k in range(12)),
    *(record(k, 'low_light:2', 'caption', k % 3) for k in range(12)),
    *(record(k, 'low_light:3', 'caption', 1 + k % 3) for k in range(12)),
    *(record(k, 'fog:5', 'advice', k % 4) for k in range(12)),
    *(record(k, 'fog:1', 'plan', 1) for k in range(6)),
    *(record(k, 'fog:1', '', 2) for k in range(6, 12)),
    *(record(k, 'blank', 'plan', 4) for k in range(12)),
]


def test_answers_are_sorted_by_style_and_by_how_hard_their_pictures_are_to_see():
    told = analyse_records(RECORDED, Reader(QUALITIES))['models']['m']['reader']
    assert told == {
        'source': 'package',
        'sha256': '',
        'texts': 160,
        'kinds': {
            'all/clear': {'answers': 6, 'classes_by': 'all', 'judgements_by': 'all'},
            # Severities 1 and 2 are clear; the blank picture counts to nothing.
            'caption/clear': {
                'answers': 24,
                'classes_by': 'caption/clear',
                'judgements_by': 'caption/clear',
            },
            'caption/low': {
                'answers': 12,
                'classes_by': 'caption/low',
                'judgements_by': 'caption/low',
            },
            # Five classes are too few, forty judgements are not.
            'plan/clear': {'answers': 6, 'classes_by': 'all', 'judgements_by': 'plan/clear'},
            'advice/low': {'answers': 12, 'classes_by': 'advice', 'judgements_by': 'advice'},
        },
    }


def test_a_rate_is_corrected_for_the_errors_of_its_answers():
    """By hand: the counts of each kind by scene, with the error of its cell."""
    (table,) = tables(RECORDED)
    kinds = Kinds.of(Reader(QUALITIES), table)
    chosen = np.array([name != 'blank' for name in table.condition_names])[table.conditions]
    found = kinds.corrected(BY_NAME['critical_omission_rate'], chosen)
    scenes = np.arange(12)
    omitted = {
        'caption/clear': scenes % 2 + scenes % 3,
        'caption/low': 1 + scenes % 3,
        'all': np.where(scenes < 6, 1, 2),
        'advice': scenes % 4,
    }
    required = {name: np.full(12, 8 if name == 'caption/clear' else 4) for name in omitted}
    assert QUALITIES.named('advice') == ADVICE + Score(2, 1, 0, 9, 3, 3)
    wanted = carried(
        BY_NAME['critical_omission_rate'],
        np.stack(list(omitted.values())),
        np.stack(list(required.values())),
        10 / len(SCORED),
        [QUALITIES.named(name) for name in omitted],
    )
    assert found.value == pytest.approx(wanted.value)
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), abs=0.01)
    # One condition has one kind.
    alone = kinds.corrected(BY_NAME['critical_omission_rate'], table.of('low_light:3'))
    assert alone == carried(
        BY_NAME['critical_omission_rate'], omitted['caption/low'], np.full(12, 4), 0.5, LOW
    )


def test_worse_reading_of_low_visibility_is_taken_off_where_visibility_is_low():
    (table,) = tables(RECORDED)
    kinds = Kinds.of(Reader(QUALITIES), table)
    rate = BY_NAME['critical_omission_rate']
    for condition, recall in (('clean', CAPTION.recall), ('low_light:3', LOW.recall)):
        chosen = table.of(condition)
        over, under = table.sums(rate, chosen)
        alarm = (CAPTION if condition == 'clean' else LOW).false_alarm
        seen = over.sum() / under.sum()
        assert kinds.corrected(rate, chosen).unclipped == pytest.approx(
            (seen - (1 - recall)) / (recall - alarm)
        )


def test_contrastive_models_have_no_reader():
    (entry,) = analyse_records([record(1, kind='contrastive')], Reader(QUALITIES))[
        'models'
    ].values()
    assert entry['reader'] == {}
    assert not any('with_extractor_error' in told for told in entry['overall'].values())


# Where it is taken from ------------------------------------------------------------------------


def audit(folder, lexicon):
    plain = {**QUALITIES.to_plain(), 'lexicon_sha256': lexicon}
    (folder / AUDIT).write_text(json.dumps(plain))
    return hashlib.sha256((folder / AUDIT).read_bytes()).hexdigest()


@pytest.fixture
def measured(monkeypatch, tmp_path):
    """Give the package a quality of the lexicon as it is."""
    path = tmp_path / 'measured.json'
    plain = {**ReaderQuality.load(QUALITY).to_plain(), 'lexicon_sha256': lexicon_hash()}
    path.write_text(json.dumps(plain))
    monkeypatch.setattr('vlm_misalign_ros.core.report.reader.QUALITY', path)
    return ReaderQuality.load(path)


def test_without_an_audit_it_is_what_the_package_brings(tmp_path, measured):
    assert reader_of(tmp_path) == (Reader(measured), [])
    assert reader_of(tmp_path, lexicon_hash()) == (Reader(measured), [])


def test_of_a_lexicon_that_was_never_measured_nothing_is_known(tmp_path, measured):
    assert reader_of(tmp_path, 'another') == (None, [])
    told = analyse_records([record(1)], None)['models']['m']
    assert told['reader'] == {'source': ''}
    assert not any('with_extractor_error' in entry for entry in told['overall'].values())


@pytest.mark.parametrize('lexicon', ['', 'of my own words'])
def test_the_audit_of_a_run_goes_before_the_package(tmp_path, measured, lexicon):
    sha256 = audit(tmp_path, lexicon or lexicon_hash())
    reader, notes = reader_of(tmp_path, lexicon)
    assert (reader.source, reader.sha256) == (AUDIT, sha256)
    assert reader.quality.styles == QUALITIES.styles
    assert len(notes) == 1 and '160 labelled answers of this run' in notes[0]
    assert sha256[:12] in notes[0]


def test_an_audit_of_answers_read_otherwise_is_not_used(tmp_path, measured):
    audit(tmp_path, 'a' * 64)
    reader, (note,) = reader_of(tmp_path)
    assert reader == Reader(measured)
    assert 'is not used' in note and 'a' * 12 in note and lexicon_hash()[:12] in note
    assert reader_of(tmp_path, 'b' * 64)[0] is None


def test_an_audit_that_is_none_stops_the_report(tmp_path, measured):
    (tmp_path / AUDIT).write_text('{"texts": 3}')
    with pytest.raises(ConfigurationError, match=f"{AUDIT} lacks 'styles'.*mentions audit"):
        reader_of(tmp_path)


@pytest.mark.heavy
@pytest.mark.parametrize('audited', [False, True])
def test_verdict_and_report_say_whose_error_it_is(tmp_path, measured, audited):
    writer = RecordWriter(tmp_path / RECORDS)
    writer.write(RunRecord(SCHEMA, 'run', ['m']))
    for entry in RECORDED:
        writer.write(entry)
    writer.close()
    if audited:
        audit(tmp_path, lexicon_hash())
    verdict = finalise(tmp_path)
    assert any(AUDIT in note for note in verdict.notes) == audited
    page = ' '.join((tmp_path / 'report.html').read_text().split())
    told = 'in 160 labelled answers of this run' if audited else 'labelled texts of the package'
    assert told in page
    assert ('plan/clear 6 answers (by all, judgements by plan/clear)' in page) == audited
    analysis = json.loads((tmp_path / 'analysis.json').read_text())['models']['m']
    assert analysis['reader']['source'] == (AUDIT if audited else 'package')
    assert analysis['overall']['critical_omission_rate']['with_extractor_error']['low'] >= 0
