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

"""What stands beside the safety rates, judgements that flip, and both truths in the tables."""

import math

import pytest
from scipy import stats

from made import frame_record
from vlm_misalign_ros.core.metrics.counts import Counts
from vlm_misalign_ros.core.report.analysis import analyse_records
from vlm_misalign_ros.core.report.flips import judgement_flips
from vlm_misalign_ros.core.report.page import write_report
from vlm_misalign_ros.core.report.safety import always_the_same
from vlm_misalign_ros.core.report.summary import ALL, Row, summarise, to_frame
from vlm_misalign_ros.core.report.table import tables
from vlm_misalign_ros.core.report.terminal import format_table
from vlm_misalign_ros.core.report.verdict import judge


def judged(key, judgement, hazard='CLEAR', condition='clean', cycle=0, **given):
    wrong = {('SAFE', 'HAZARD'): 'false_safe', ('UNSAFE', 'CLEAR'): 'false_alarms'}.get(
        (judgement, hazard)
    )
    of = {'HAZARD': 'hazards', 'CLEAR': 'clear'}.get(hazard)
    answered = judgement in ('SAFE', 'UNSAFE')
    counts = {'frames': 1, judgement.lower(): 1, **given.pop('counts', {})}
    if of:
        counts[f'{of}_judged' if answered else f'{of}_unjudged'] = 1
    if wrong:
        counts[wrong] = 1
    return frame_record(
        key=key,
        sequence=key,
        condition=condition,
        truth={'hazard': hazard},
        models={
            'm': {
                'status': 'scored',
                'answer': {'judgement': judgement},
                'score': {'counts': counts},
            }
        },
        **{'pass': cycle},
        **given,
    )


def flips(records):
    (table,) = tables(records)
    return judgement_flips(table)


# Flips ---------------------------------------------------------------------------------------


def test_flips_harm_and_repair_by_hand():
    scenes = [
        # Clean, degraded, what is true.
        ('SAFE', 'UNSAFE', 'CLEAR'),  # harm
        ('UNSAFE', 'SAFE', 'HAZARD'),  # harm
        ('UNSAFE', 'SAFE', 'CLEAR'),  # repair
        ('SAFE', 'UNSAFE', 'INDETERMINATE'),  # a flip, and nobody knows whether for the better
        ('SAFE', 'SAFE', 'HAZARD'),  # wrong both times
        ('SAFE', 'SAFE', 'CLEAR'),
        ('SAFE', 'UNPARSED', 'CLEAR'),
        ('REFUSED', 'SAFE', 'HAZARD'),
    ]
    records = []
    for number, (clean, degraded, hazard) in enumerate(scenes):
        records.append(judged(f'{number}', clean, hazard))
        records.append(judged(f'{number}', degraded, hazard, 'occlusion:3'))
    # A frame that was never seen clean is no pair.
    records.append(judged('x', 'UNSAFE', 'CLEAR', 'occlusion:3'))
    found = flips(records)
    assert list(found) == ['occlusion:3']
    entry = found['occlusion:3']
    assert (entry['pairs'], entry['unjudged']) == (6, 2)
    counts = {
        name: (entry[name]['numerator'], entry[name]['denominator'])
        for name in ('judgement_flip_rate', 'harm', 'repair')
    }
    assert counts == {'judgement_flip_rate': (4, 6), 'harm': (2, 5), 'repair': (1, 5)}
    # Six scenes of one answer each: Clopper and Pearson's interval.
    exact = stats.binomtest(4, 6).proportion_ci(method='exact')
    rate = entry['judgement_flip_rate']
    assert (rate['value'], rate['low'], rate['high']) == pytest.approx((4 / 6, *exact))
    assert analyse_records(records)['models']['m']['flips'] == found
    # The order of the records does not matter.
    assert flips(records[::-1]) == found


def test_frames_that_were_shown_twice_are_paired_pass_by_pass():
    records = [
        judged('a', 'SAFE', cycle=0),
        judged('a', 'UNSAFE', cycle=1),
        judged('a', 'SAFE', condition='low_light:1', cycle=0),
        judged('a', 'UNSAFE', condition='low_light:1', cycle=1),
        judged('a', 'UNSAFE', condition='low_light:1', cycle=2),
    ]
    entry = flips(records)['low_light:1']
    assert (entry['pairs'], entry['judgement_flip_rate']['numerator']) == (2, 0)


def test_without_clean_frames_or_judged_pairs_nothing_flips():
    assert flips([judged('a', 'SAFE', condition='low_light:1')]) == {}
    records = [judged('a', 'SAFE'), judged('a', 'UNPARSED', condition='low_light:1')]
    entry = flips(records)['low_light:1']
    assert (entry['pairs'], entry['unjudged']) == (0, 1)
    assert math.isnan(entry['judgement_flip_rate']['value'])
    assert list(flips([*records, judged('a', 'SAFE', condition='blank')])) == ['low_light:1']


# Of how many scenes --------------------------------------------------------------------------


def test_frames_of_one_snippet_are_one_scene_of_the_safety_rates():
    records = [judged(f'ulm_000001_{number:06}', 'SAFE', 'HAZARD') for number in range(5)]
    records += [judged(f'ulm_00000{number}_000019', 'SAFE', 'CLEAR') for number in (2, 3)]
    records += [judged('ulm_000004_000019', 'SAFE', 'INDETERMINATE')]
    records += [judged('ulm_000002_000019', 'UNSAFE', 'CLEAR', 'occlusion:1')]
    rows = {row.condition: row for row in summarise(records)}
    assert (rows['clean'].hazard_scenes, rows['clean'].clear_scenes) == (1, 2)
    assert (rows['occlusion:1'].hazard_scenes, rows['occlusion:1'].clear_scenes) == (0, 1)
    # The same scene under two conditions is one scene.
    assert (rows[ALL].hazard_scenes, rows[ALL].clear_scenes) == (1, 2)
    table = to_frame(list(rows.values())).set_index('condition')
    assert table.loc['clean', 'hazard_scenes'] == 1


def test_the_table_has_both_parts_their_scenes_and_no_pooled_rate():
    text = format_table(summarise([judged('a', 'SAFE', 'HAZARD'), judged('b', 'UNSAFE')]))
    head, _, title = text.splitlines()[:3]
    assert title.startswith('clean: 2 scenes (1 hazard, 1 clear), ')
    order = ['false safe', 'false alarm', 'says safe', 'unparsed']
    assert [head.index(title) for title in order] == sorted(head.index(title) for title in order)
    assert 'pooled' not in head


# Who always says the same --------------------------------------------------------------------


def row(safe, unsafe, condition=ALL, model='m'):
    return Row(condition, condition, 0, model, counts=Counts(safe=safe, unsafe=unsafe))


def test_a_model_that_always_answers_the_same_is_named():
    (told,) = always_the_same([row(40, 0)], ALL)
    assert told.startswith('m says SAFE to 100 % of frames (40 of 40 judged)')
    (told,) = always_the_same([row(1, 39)], ALL)
    assert told.startswith('m says UNSAFE to 97.5 % of frames (39 of 40 judged)')
    assert always_the_same([row(30, 10), row(3, 0), row(0, 0)], ALL) == []


def test_a_condition_is_named_where_the_whole_is_not_and_scenes_are_enough():
    rows = [row(20, 0, 'clean'), row(0, 20, 'occlusion:5'), row(0, 19, 'blur:5'), row(20, 39)]
    first, second = always_the_same(rows, ALL)
    assert 'SAFE to 100 % of frames under clean' in first
    assert 'UNSAFE to 100 % of frames under occlusion:5' in second
    assert len(always_the_same([row(20, 0, 'clean'), row(20, 0)], ALL)) == 1


def test_it_stands_below_the_table_and_in_the_report(tmp_path):
    records = [judged(f'{n}', 'SAFE', 'HAZARD' if n % 2 else 'CLEAR') for n in range(8)]
    rows = summarise(records)
    told = 'm says SAFE to 100 % of frames (8 of 8 judged)'
    assert told in format_table(rows)
    verdict = judge([], [], limited=False)
    write_report(tmp_path, records, rows, verdict, analyse_records(records))
    assert told in (tmp_path / 'report.html').read_text()


# Both truths ---------------------------------------------------------------------------------


def test_the_mask_is_held_against_both_truths():
    # Of 100 road pixels 60 were found; 30 of the missed ones were covered.
    cells, visible = [[0, 0, 60], [0, 1, 40]], [[0, 0, 60], [0, 1, 10]]
    covered = {'cells': cells, 'cells_visible': visible}
    records = [
        judged('a', 'SAFE', condition='occlusion:1', segmentation=covered),
        judged('a', 'SAFE', segmentation={'cells': cells}),
    ]
    rows = {row.condition: row for row in summarise(records)}
    # Class 1 is predicted and never true: an IoU of 0.
    assert rows['occlusion:1'].miou == pytest.approx(0.6 / 2)
    assert rows['occlusion:1'].miou_visible == pytest.approx(60 / 70 / 2)
    assert rows['clean'].miou_visible == rows['clean'].miou
    assert rows[ALL].miou_visible == pytest.approx(120 / 170 / 2)
    table = to_frame(list(rows.values())).set_index('condition')
    assert table.loc['occlusion:1', 'miou_visible'] == pytest.approx(60 / 70 / 2)


def test_the_report_shows_both_truths_of_what_was_covered(tmp_path):
    hidden = {'indeterminate_visible': 1, 'absent': 3, 'absent_visible': 5}
    records = [
        judged('a', 'SAFE', 'HAZARD', 'occlusion:1', counts=hidden),
        judged('a', 'SAFE', 'HAZARD', counts={'false_safe_visible': 1}),
    ]
    rows = summarise(records)
    verdict = judge([], [], limited=False)
    write_report(tmp_path, records, rows, verdict, analyse_records(records))
    page = (tmp_path / 'report.html').read_text()
    section = page.split('what was left to see</a></h2>')[1].split('</table>')[0]
    assert 'occlusion:1' in section and 'clean' not in section.partition('<tbody>')[2]
    assert section.rstrip().endswith('<td>1</td></tr>\n</tbody>')
    write_report(tmp_path, records[1:], rows[:1], verdict, analyse_records(records[1:]))
    assert 'what was left to see</a></h2>' not in (tmp_path / 'report.html').read_text()
