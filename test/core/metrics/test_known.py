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

"""The mIoU of a model that lacks classes: another measure, by another name, compared with none."""

from types import SimpleNamespace

import msgspec
import pytest

from made import frame_record
from vlm_misalign_ros.core.evaluation.ledger import Ledger
from vlm_misalign_ros.core.labels.classes import CLASSES
from vlm_misalign_ros.core.metrics.confusion import from_cells, miou, to_cells
from vlm_misalign_ros.core.metrics.known import Known, told_alone
from vlm_misalign_ros.core.report.analysis import analyse_records
from vlm_misalign_ros.core.report.baseline import Baselines
from vlm_misalign_ros.core.report.judging import limit_checks, tally_for
from vlm_misalign_ros.core.report.limits import parse_limits
from vlm_misalign_ros.core.report.page import write_report
from vlm_misalign_ros.core.report.rules import Rules
from vlm_misalign_ros.core.report.summary import summarise, to_frame
from vlm_misalign_ros.core.report.terminal import format_table, number
from vlm_misalign_ros.core.report.tidy import Masks
from vlm_misalign_ros.core.report.verdict import Status, judge

LACKING = ('rider', 'train')
ROAD, PERSON, RIDER, CAR = (CLASSES.index(name) for name in ('road', 'person', 'rider', 'car'))
CELLS = [[ROAD, ROAD, 90], [ROAD, CAR, 10], [PERSON, PERSON, 30], [CAR, CAR, 40], [CAR, 19, 10]]
"""IoU of road 90 / 100, person 30 / 30, car 40 / 60."""
MIOU = (0.9 + 1 + 40 / 60) / 3


def record(stamp, lacking=(), cells=CELLS):
    told = {'entropy': 0.1, 'confidence': 0.9, **({'lacking': list(lacking)} if lacking else {})}
    return frame_record(
        stamp=f'{stamp}.000000000',
        key=f'k{stamp}',
        segmentation={'cells': cells, 'confidence': told},
        models={'m': {'status': 'scored'}},
    )


def test_truth_that_a_model_cannot_tell_is_left_out():
    whole = from_cells([*CELLS, [RIDER, PERSON, 20], [RIDER, 19, 5]])
    found = told_alone(whole, LACKING)
    assert to_cells(found) == [tuple(cell) for cell in CELLS]
    assert miou(found) == pytest.approx(MIOU)
    # As a false person and a class never found it would be another one.
    assert miou(whole) == pytest.approx((0.9 + 30 / 50 + 0 + 40 / 60) / 4)
    assert told_alone(whole, ()) is whole


def test_its_name_says_of_how_many_classes_it_is():
    known = Known()
    known.add(())
    assert (known.miou, known.told, known.all, known.mixed) == ('miou', '', True, False)
    known = Known([('rider', 'train')])
    known.add(('train', 'rider'))
    assert (known.miou, known.count, known.all, known.mixed) == ('miou_of_17', 17, False, False)
    assert 'tells 17 of the 19 classes, without rider, train' in known.told
    known.add(())
    assert known.mixed and known.lacking == LACKING and 'have no mIoU' in known.told
    assert known != Known([LACKING]) and Known([LACKING]) == Known([LACKING])
    with pytest.raises(ValueError):
        known.add(('unicorn',))


def test_summary_and_terminal_have_it_under_its_name_alone():
    rows = summarise([record(n, LACKING) for n in (1, 2)])
    table = to_frame(rows)
    assert table['miou'].isna().all() and table['miou_visible'].isna().all()
    assert table['miou_of_17'].tolist() == pytest.approx([MIOU] * 2)
    assert table['miou_visible_of_17'].tolist() == pytest.approx([MIOU] * 2)
    text = format_table(rows)
    assert f'mIoU of 17 classes {number(MIOU)}' in text
    assert 'without rider, train: miou_of_17 is over these' in text
    full = summarise([record(1)])
    assert 'miou_of_17' not in to_frame(full) and to_frame(full)['miou'][0] == pytest.approx(MIOU)
    assert 'mIoU of' not in format_table(full)


def test_masks_of_different_classes_have_no_miou():
    rows = summarise([record(1, LACKING), record(2)])
    table = to_frame(rows)
    assert not [name for name in table if name.startswith('miou') and table[name].notna().any()]
    assert 'are mixed' in format_table(rows)


def test_conditions_of_different_classes_are_held_against_nothing(tmp_path):
    """Masks of one kind in each condition, and of different kinds over all."""
    dark = [
        msgspec.structs.replace(
            record(10 * n + 1, LACKING if n % 2 else ()),
            condition=frame_record(condition=f'low_light:{n}' if n else 'clean').condition,
        )
        for n in range(6)
    ]
    alike = [msgspec.structs.replace(one, segmentation=dark[1].segmentation) for one in dark]
    for records, mixed in ((dark, True), (alike, False)):
        rows, analysis = summarise(records), analyse_records(records)
        warns = analysis['models']['m']['miou_warns']
        assert (warns['rates'] == {}) is mixed and ('auroc' not in warns) is mixed
        assert ('are mixed' in ' '.join(warns['says'])) is mixed
        masks = Masks()
        for one in records:
            masks.add(one)
        analysis['segmentation'] = masks.analysis()
        (tmp_path / f'{mixed}').mkdir()
        write_report(tmp_path / f'{mixed}', records, rows, judge((), (), False), analysis)
        page = (tmp_path / f'{mixed}' / 'report.html').read_text(encoding='utf-8')
        assert ('mIoU of 17 classes' not in page) is mixed
        assert ('masks with different classes are mixed' in page) is mixed
        assert (f'<td>{MIOU:.3f}</td>' not in page) is mixed
        last = format_table(rows).rpartition('all: ')[2]
        assert ('mIoU -' in last) is mixed


def test_the_analysis_names_it_so():
    found = analyse_records([record(n, LACKING) for n in (1, 2)])['models']['m']
    assert 'miou' not in found and found['lacking'] == list(LACKING)
    assert found['miou_of_17']['clean']['value'] == pytest.approx(MIOU)
    full = analyse_records([record(1)])['models']['m']
    assert 'lacking' not in full and full['miou']['clean']['value'] == pytest.approx(MIOU)
    assert analyse_records([record(1), record(2, LACKING)])['models']['m']['miou_of_17'] == {}


@pytest.mark.parametrize('limit', ['miou > 0.1', 'miou@clean > 0.1', 'miou.low@clean > 0.1'])
def test_a_limit_on_miou_is_invalid(limit, tmp_path):
    def checks(lacking):
        limits = parse_limits((limit,))
        tally = tally_for(limits)
        for n in range(30):
            tally.add(record(100 * n + 1, lacking))
        rules = Rules(limits=limits)
        return list(limit_checks(tally, rules, Baselines(tmp_path, {}, tally)))

    (found,) = checks(LACKING)
    assert found.status is Status.INVALID and 'without rider, train' in found.message
    assert [check.status for check in checks(())] == [Status.PASS]


def test_the_rolling_one_is_named_so_too():
    ledger = Ledger(['m'], segmentation=True, window=10.0)
    matrix = from_cells(CELLS)
    made = record(1, LACKING)
    ledger.enter(
        0, 1, SimpleNamespace(record=made, counts={}, confusion=matrix, confusion_visible=matrix)
    )
    values = ledger.metrics()['rolling: segmentation']
    assert float(values['miou_of_17/metric_value']) == pytest.approx(MIOU)
    assert 'miou/metric_value' not in values
