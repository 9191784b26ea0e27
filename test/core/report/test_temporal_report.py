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

"""What a run says of time, from records made by hand: sequences, gaps, asks, tables and page."""

import json
import math
from contextlib import closing

import pandas as pd
import pytest

from made import frame_record
from vlm_misalign_ros.core.labels.classes import SCORED
from vlm_misalign_ros.core.records.schema import SCHEMA, RunRecord
from vlm_misalign_ros.core.records.store import RecordWriter
from vlm_misalign_ros.core.report.analysis import analyse_records
from vlm_misalign_ros.core.report.finalise import finalise
from vlm_misalign_ros.core.report.page import show_seconds, write_report
from vlm_misalign_ros.core.report.past import of_one_model
from vlm_misalign_ros.core.report.summary import summarise
from vlm_misalign_ros.core.report.temporal import (
    LENGTHS,
    NO_SEQUENCE,
    SHARES,
    temporal_analysis,
    write_temporal,
)
from vlm_misalign_ros.core.report.verdict import judge
from vlm_misalign_ros.core.truth.hazard import Doubt

HAZARDS = {'H': 'HAZARD', 'C': 'CLEAR', 'I': 'INDETERMINATE'}
SAID = {'S': 'SAFE', 'U': 'UNSAFE', 'x': 'UNPARSED'}


def frame(number, hazard, said, seconds=0.1, **given):
    """Return frame `number` of a drive; `said` by model, a letter each, `.` for no answer."""
    answers = {
        name: {'status': 'missing'}
        if letter == '.'
        else {
            'status': 'scored',
            'answer': {'judgement': SAID[letter], **given.get('answer', {}).get(name, {})},
            'score': given.get('score', {}),
        }
        for name, letter in said.items()
    }
    moment = given.get('moment', 1_000_000_000 + number * 100_000_000)
    truth = None if hazard == '?' else {'hazard': HAZARDS[hazard], **given.get('truth', {})}
    fields = {name: given[name] for name in ('epoch', 'run', 'pass', 'protocol') if name in given}
    return frame_record(
        key=given.get('key', f'{given.get("drive", "aachen_000000")}_{number:06d}'),
        sequence=given.get('drive', 'aachen_000000'),
        index=given.get('index', number),
        stamp=f'{moment // 10**9}.{moment % 10**9:09d}',
        condition=given.get('condition', 'clean'),
        truth=truth,
        models=answers,
        timing={'model_seconds': {name: seconds for name in said}},
        **fields,
    )


def drive(hazards, said, **given):
    """Return the frames of one drive, a letter a frame."""
    return [
        frame(number, hazard, {'m': letter}, **given)
        for number, (hazard, letter) in enumerate(zip(hazards, said, strict=True))
    ]


def of(records, condition='all', model='m'):
    return temporal_analysis(records)['models'][model]['conditions'][condition]


def test_a_drive_is_told_by_its_frame_numbers():
    found = temporal_analysis(drive('CCHHHC', 'SUSUUU'))
    model = found['models']['m']
    assert found['nothing'] == ''
    assert found['protocols'] == {'single frames': 6}
    assert model['pairs'] == {'whole': 5, 'unanswered': 0, 'condition_changed': 0, 'gap': 0}
    assert model['sequences'] == 1
    assert model['seconds'] == pytest.approx(0.5)
    flicker = model['conditions']['all']['judgement_flicker']
    # S>U while clear, S>U and U>U while a hazard.
    assert (flicker['numerator'], flicker['denominator']) == (2, 3)
    detected = model['conditions']['all']['time_to_hazard']
    assert detected['value'] == pytest.approx(0.1)
    assert (detected['durations'], detected['ended'], detected['censored']) == (1, 1, 0)
    # One drive of half a second is one scene, from which nothing is known of others.
    assert math.isnan(detected['low']) and detected['scenes'] == 1


def test_records_in_any_order_say_the_same():
    records = drive('CCHHHC', 'SUSUUU') + drive('CCHH', 'SSSU', drive='bonn_000001')
    same = temporal_analysis(sorted(records, key=lambda record: record.stamp))
    assert json.dumps(temporal_analysis(records)) == json.dumps(same)
    assert json.dumps(temporal_analysis(records[::-1])) == json.dumps(same)


def test_single_frames_of_a_data_set_are_no_sequence(tmp_path):
    # As in Cityscapes: one drive, but seconds apart; and frames of different drives.
    records = [
        frame(294 * number, 'H', {'m': 'SU'[number % 2]}, moment=10**9 + number * 10**8)
        for number in range(4)
    ]
    records += [frame(19, 'H', {'m': 'U'}, drive=f'bonn_{n:06d}') for n in range(3)]
    found = temporal_analysis(records)
    assert found['nothing'] == NO_SEQUENCE
    figures = found['models']['m']['conditions']['all']
    assert all(figures[figure.name]['denominator'] == 0 for figure in SHARES)
    assert all(figures[figure.name]['durations'] == 0 for figure in LENGTHS)
    assert all(math.isnan(figures[figure.name]['value']) for figure in (*SHARES, *LENGTHS))
    write_temporal(tmp_path, found)
    assert len(pd.read_csv(tmp_path / 'temporal.csv')) == 0
    assert json.loads((tmp_path / 'temporal.json').read_text())['nothing'] == NO_SEQUENCE


def test_a_lost_frame_and_an_unanswered_one_break_pairs():
    records = drive('CCCCCC', 'SS.SSS')
    del records[4]
    model = temporal_analysis(records)['models']['m']
    # Every frame but those that begin a sequence is in a pair with the one before, or counted.
    assert sum(model['pairs'].values()) == model['frames'] - 2
    # 0-1 is whole, 1-2 and 2-3 are unanswered; frame 5 does not follow on 3.
    assert model['pairs'] == {'whole': 1, 'unanswered': 2, 'condition_changed': 0, 'gap': 0}


def test_live_frames_are_in_time_by_their_stamps():
    moments = [0, 100, 200, 300, 700, 800]
    records = [
        frame(
            number,
            'C',
            {'m': 'SUSUSU'[number]},
            index=None,
            drive='',
            key=f'{moment}',
            moment=10**9 + moment * 10**6,
        )
        for number, moment in enumerate(moments)
    ]
    found = temporal_analysis(records)
    assert found['protocols'] == {'live': 6}
    assert found['models']['m']['pairs']['whole'] == 4
    assert found['models']['m']['pairs']['gap'] == 1


@pytest.mark.parametrize('given', [{'epoch': 1}, {'run': 'other'}, {'pass': 1}])
def test_other_stretches_are_other_sequences(given):
    one, two = drive('CCC', 'SSS'), drive('CCC', 'UUU', **given)
    model = temporal_analysis([*one, *two])['models']['m']
    assert model['pairs']['whole'] == 4
    assert model['conditions']['all']['judgement_flicker']['numerator'] == 0


HELD = ('hold-frame', 'pseudo-labels, hold-frame')


@pytest.mark.parametrize('protocol', HELD)
def test_a_held_frame_is_a_sequence_until_the_next_one_is_held(protocol):
    records = [
        frame(
            number,
            'C',
            {'m': 'SUSUSU'[number]},
            key=f'aachen_000000_00001{9 + number // 3}',
            protocol=protocol,
        )
        for number in range(6)
    ]
    found = temporal_analysis(records)
    assert found['protocols'] == {protocol: 6}
    assert found['models']['m']['sequences'] == 2
    assert found['models']['m']['pairs']['whole'] == 4


@pytest.mark.parametrize('protocol', HELD)
def test_a_held_frame_is_one_scene_however_long(protocol):
    records = [
        frame(n, 'H', {'m': 'SU'[n % 2]}, key=f'aachen_000000_{n // 300:06d}', protocol=protocol)
        for n in range(900)
    ]
    # A frame for 30 s each; not three windows of ten seconds of each.
    assert of(records)['judgement_flicker']['scenes'] == 3


def test_a_drive_with_seconds_in_its_names_has_its_own_clock():
    records = [
        frame(n, 'CHHH'[n], {'m': 'SSSU'[n]}, key=f'ride@{n / 2}', drive='ride') for n in range(4)
    ]
    assert of(records)['time_to_hazard']['value'] == pytest.approx(1.0)


def test_conditions_are_told_apart_and_durations_count_where_they_begin():
    records = [
        frame(n, 'CCHHHH'[n], {'m': 'SUSSSU'[n]}, condition='clean' if n < 4 else 'low_light:3')
        for n in range(6)
    ]
    model = temporal_analysis(records)['models']['m']
    assert model['pairs']['condition_changed'] == 1
    assert model['conditions']['clean']['judgement_flicker']['denominator'] == 2
    assert model['conditions']['low_light:3']['judgement_flicker']['denominator'] == 1
    assert model['conditions']['clean']['time_to_hazard']['value'] == pytest.approx(0.3)
    assert model['conditions']['low_light:3']['time_to_hazard']['durations'] == 0


def test_the_blank_control_is_in_no_sum():
    records = drive('CCC', 'SUS', condition='blank')
    model = temporal_analysis(records)['models']['m']
    assert 'all' not in model['conditions']
    assert model['conditions']['blank']['judgement_flicker']['numerator'] == 2


@pytest.mark.parametrize('doubt', Doubt)
def test_a_hazard_after_what_nobody_could_know_began_unseen(doubt):
    records = [
        frame(0, 'I', {'m': 'S'}, truth={'doubt': doubt.value}),
        *(frame(n, 'H', {'m': 'U'}) for n in (1, 2)),
        frame(3, 'I', {'m': 'S'}, truth={'doubt': doubt.value}),
        *(frame(n, 'H', {'m': 'S'}) for n in (4, 5)),
        *(frame(n, 'C', {'m': 'S'}) for n in (6, 7)),
        *(frame(n, 'H', {'m': 'S' if n < 10 else 'U'}) for n in (8, 9, 10)),
    ]
    for name in ('time_to_hazard', 'time_to_warning'):
        found = of(records)[name]
        # A thing that is neither near nor far is known to be there, and no hazard yet.
        told = 3 if doubt is Doubt.BETWEEN else 1
        assert (found['durations'], found['unseen']) == (told, 3 - told), name
    # Between is the first danger told at once, the second never, the third after two frames.
    assert of(records)['time_to_hazard']['ended'] == (2 if doubt is Doubt.BETWEEN else 1)
    assert of(records)['time_to_hazard']['at_once'] == (doubt is Doubt.BETWEEN)


def test_hallucinations_and_omissions_are_those_of_the_score():
    wrong = {'score': {'counts': {}, 'hallucinated': ['bus'], 'omitted': ['car']}}
    truth = {'truth': {'presence': {**dict.fromkeys(SCORED, 'ABSENT'), 'car': 'REQUIRED'}}}
    records = [
        frame(n, 'C', {'m': 'S'}, **truth, **(wrong if n in (1, 2, 3) else {})) for n in range(6)
    ]
    for n in (1, 2, 3):
        records[n].models['m'].answer.mentions['bus'] = 'ASSERTED'
    figures = of(records)
    assert figures['hallucination_persistence']['value'] == pytest.approx(2 / 3)
    assert figures['omission_persistence']['value'] == pytest.approx(2 / 3)
    assert figures['hallucination_run']['value'] == pytest.approx(0.3)
    assert figures['hallucination_run']['mean_frames'] == 3


def test_stale_answers_need_to_know_how_long_an_answer_took():
    records = drive('HHCCC', 'UUSSS', seconds=0.15)
    stale = of(records)['stale_judgement']
    # The second is said when the hazard has gone; the last two come when nobody looks any more.
    assert (stale['numerator'], stale['denominator']) == (1, 4)
    untold = of(drive('HHCCC', 'UUSSS', seconds=0.0))['stale_judgement']
    assert untold['denominator'] == 0 and math.isnan(untold['value'])


@pytest.mark.parametrize('seconds', [1e300, 90_000.0])
def test_what_is_no_time_of_an_answer_is_not_known(seconds):
    assert of(drive('HHCCC', 'UUSSS', seconds=seconds))['stale_judgement']['denominator'] == 0


def test_seconds_in_names_that_are_none_are_no_time():
    records = [
        frame(n, 'C', {'m': 'S'}, key=f'ride@99999999999{n}', drive='ride') for n in range(3)
    ]
    found = temporal_analysis(records)['models']['m']
    assert found['pairs']['whole'] == 2 and found['seconds'] == pytest.approx(0.2)


def test_a_kept_answer_does_not_say_how_long_one_takes():
    records = [
        frame_record(
            key=f'a_000000_{n:06d}',
            sequence='a_000000',
            stamp=f'{n + 1}.000000000',
            models={'m': {'status': 'scored'}},
            timing={'model_seconds': {'m': 0.1}, 'cached': ['m']},
        )
        for n in range(3)
    ]
    assert of(records)['stale_judgement']['denominator'] == 0


def test_more_drives_give_an_interval():
    records = []
    for number in range(30):
        detected = 'CHHHH', 'S' + 'S' * (number % 4) + 'U' * (4 - number % 4)
        records += drive(*detected, drive=f'aachen_{number:06d}')
    found = of(records)['time_to_hazard']
    assert found['scenes'] == 30
    assert found['value'] == pytest.approx(0.1)
    assert 0 <= found['low'] <= 0.1 <= found['high'] <= 0.3


def test_a_scene_is_ten_seconds_of_a_sequence_the_same_in_every_pass():
    # 100 frames of .1 s are ten seconds: the number of frames alone decides nothing.
    long = drive('C' * 100, 'S' * 100)
    assert of(long)['judgement_flicker']['scenes'] == 1
    assert of(drive('C' * 102, 'S' * 102))['judgement_flicker']['scenes'] == 2
    again = drive('C' * 100, 'U' * 100, condition='low_light:3', **{'pass': 1})
    assert of(long + again)['judgement_flicker']['scenes'] == 1
    held = [
        frame(n, 'C', {'m': 'S'}, key='aachen_000000_000019', protocol='hold-frame')
        for n in range(150)
    ]
    assert of(held)['judgement_flicker']['scenes'] == 1


ONE = {'model': 'hub/v', 'sha256': 'a'}
ANOTHER = {'model': 'hub/v', 'sha256': 'b'}


def test_asks_of_one_model_are_held_against_each_other():
    records = []
    for number in range(25):
        for n in range(5):
            records.append(
                frame(
                    n,
                    'C',
                    {'v_one': 'SUSUS'[n], 'v_two': 'SSSSS'[n], 'w': 'SUUUU'[n]},
                    drive=f'aachen_{number:06d}',
                    answer={'v_two': {'shown': 2}},
                )
            )
    models = {'v_one': ONE, 'v_two': ONE, 'w': ANOTHER}
    (entry,) = temporal_analysis(records, models)['asks']
    assert (entry['past'], entry['single'], entry['shown'], entry['pairs']) == (
        'v_two',
        'v_one',
        2,
        100,
    )
    flicker = entry['judgement_flicker']
    assert (flicker['single'], flicker['past'], flicker['value']) == (1.0, 0.0, -1.0)
    assert flicker['high'] < 0
    assert flicker['scenes'] == 25
    # Names tell nothing of what answered, and what nothing tells is not compared.
    alike = {'v_one': ANOTHER, 'v_two': ONE, 'w': ONE}
    assert [e['single'] for e in temporal_analysis(records, alike)['asks']] == ['w']
    assert temporal_analysis(records)['asks'] == []


def test_asks_of_other_models_prompts_or_inputs_are_not():
    served = {'model': 'openai:http://127.0.0.1:1/v1#v'}
    assert of_one_model(ONE, dict(ONE)) and of_one_model(served, dict(served))
    for other in (ANOTHER, served, {}, None, 'v'):
        assert not of_one_model(ONE, other) and not of_one_model(other, ONE)
    assert not of_one_model(None, None) and not of_one_model({}, {})

    def asks(**answer):
        more = {'shown': 2, **answer}
        both = {'m': 'S', 'n': 'S'}
        records = [frame(n, 'C', both, answer={'n': more}) for n in range(3)]
        return temporal_analysis(records, {'m': ONE, 'n': ONE})['asks']

    assert len(asks()) == 1
    assert asks(prompt_id='q') == asks(input='mask') == asks(kind='contrastive') == []


def test_the_manifest_of_a_run_tells_which_asks_are_of_one_model(tmp_path):
    more = {'n': {'shown': 2}}
    records = [frame(n, 'C', {'m': 'S', 'n': 'S'}, answer=more) for n in range(3)]
    with closing(RecordWriter(tmp_path / 'records.jsonl')) as writer:
        for record in (RunRecord(SCHEMA, 'run', ['m', 'n']), *records):
            writer.write(record)
    for models, count in (({'m': ONE, 'n': ONE}, 1), ({}, 0), ([ONE], 0)):
        manifest = {'configuration': {'monitor': {'truth': True}}, 'models': models}
        (tmp_path / 'manifest.json').write_text(json.dumps(manifest))
        finalise(tmp_path)
        assert len(json.loads((tmp_path / 'temporal.json').read_text())['asks']) == count


def test_every_figure_is_a_line_of_the_table(tmp_path):
    write_temporal(tmp_path, temporal_analysis(drive('CCHHHC', 'SUSUUU')))
    table = pd.read_csv(tmp_path / 'temporal.csv')
    assert len(table) == 2 * (len(SHARES) + len(LENGTHS))
    line = table[(table.condition == 'clean') & (table.figure == 'judgement_flicker')].iloc[0]
    assert (line.numerator, line.denominator) == (2, 3)
    assert set(table[table.unit == 's'].figure) == {figure.name for figure in LENGTHS}
    assert json.loads((tmp_path / 'temporal.json').read_text())['schema'] == 1


def page(folder, records):
    folder.mkdir(exist_ok=True)
    write_report(
        folder,
        records,
        summarise(records),
        judge([], [], limited=False),
        analyse_records(records),
        time=temporal_analysis(records),
    )
    return (folder / 'report.html').read_text()


def test_the_report_tells_of_time_or_that_there_is_none(tmp_path):
    told = page(tmp_path / 'a', drive('CCHHHC', 'SUSUUU'))
    assert 'Over time' in told and '0.10 s*' in told and '2/3' in told
    none = page(tmp_path / 'b', [frame(19, 'C', {'m': 'S'})])
    assert 'No two frames follow on each other' in none and 'Medians' not in none


@pytest.mark.parametrize(
    'entry, text',
    [
        ({'durations': 0}, '–'),
        (
            {'durations': 9, 'value': 0.4, 'low': 0.2, 'high': 1.1, 'scenes': 20},
            '0.40 s [0.20, 1.10]',
        ),
        (
            {'durations': 9, 'value': 0.4, 'low': 0.2, 'high': math.inf, 'scenes': 8},
            '0.40 s [0.20, …]*',
        ),
        ({'durations': 9, 'value': math.nan, 'longest': 3.0, 'scenes': 30}, '> 3.00 s'),
    ],
)
def test_a_duration_is_told_with_what_is_known_of_it(entry, text):
    assert show_seconds(entry) == text
