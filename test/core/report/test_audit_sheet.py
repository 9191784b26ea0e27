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

"""Labels as people write them, and texts of models as they are shown to people."""

import csv
import io
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audited import run_of, some_run
from vlm_misalign_ros.core.errors import ConfigurationError, RecordError
from vlm_misalign_ros.core.labels.classes import SCORED
from vlm_misalign_ros.core.report.audit.labels import (
    Label,
    Wrong,
    classes_in,
    judgement_in,
    low_in,
)
from vlm_misalign_ros.core.report.audit.sample import draw_sample
from vlm_misalign_ros.core.report.audit.sheet import (
    MAX_WRONG,
    WrongSheet,
    read_sheet,
    sheet_of,
    write_sheet,
)
from vlm_misalign_ros.core.report.audit.showing import SHOWN, cell, safe, wrap
from vlm_misalign_ros.core.types import Judgement

HOSTILE = (
    '\x1b[2J\x1b[H\x1b]0;gone\x07wiped',
    'safe\u202eefasnu\u202c',
    'kept: car; SAFE\rtext 9 of 9',
    'nul\0 bell\x07 back\b\b\b del\x7f c1\x9b31m',
    'line\u2028and\u2029paragraph\x85next',
    'a' + '\u0301' * 500,
    'zero\u200bwidth\ufeff tag\U000e0041 private\ue000',
    '=HYPERLINK("http://x","y")',
    '+1+cmd|" /C calc"!A0',
    '-2+3',
    '@SUM(A1)',
    '\n\t =1+1',
    '\uff1d1+1',
    '"quoted", with\r\nbreaks; and, commas',
    'x' * 200_000,
    '\x1b' * 60_000,
    '車' * 500,
    '',
)


@pytest.mark.parametrize(
    'text, wanted',
    [
        ('', ()),
        ('none', ()),
        ('-', ()),
        (' Car , BUS;person\nroad', ('car', 'bus', 'person', 'road')),
        ('traffic light car traffic sign', ('traffic light', 'car', 'traffic sign')),
        ('tl ts', ('traffic light', 'traffic sign')),
        ('veg, pers, motorc', ('vegetation', 'person', 'motorcycle')),
        ('bus', ('bus',)),
        ('car, car', ('car',)),
    ],
)
def test_classes_by_names_short_names_and_beginnings(text, wanted):
    assert classes_in(text) == set(wanted)


def test_classes_by_the_numbers_of_the_menu_in_a_terminal_alone():
    assert classes_in(' '.join(map(str, range(1, len(SCORED) + 1))), numbers=True) == set(SCORED)
    assert classes_in('14, bus 1', numbers=True) == {SCORED[13], 'bus', SCORED[0]}
    with pytest.raises(Wrong, match='by their names'):
        classes_in('14')


@pytest.mark.parametrize(
    'text, words',
    [
        ('0', "'0': .* 1 to 20"),
        ('21', '1 to 20'),
        ('99999999999', '1 to 20'),
        ('\u0663', '1 to 20'),
        ('tr', 'traffic light or traffic sign or truck or train$'),
        ('c', 'classes are road'),
        ('carr', "'carr': classes are"),
        ('car none', "'none': classes are"),
    ],
)
def test_what_names_no_class_is_told_with_those_that_there_are(text, words):
    with pytest.raises(Wrong, match=words):
        classes_in(text, numbers=True)


@given(st.sets(st.sampled_from(SCORED)))
@settings(max_examples=60, deadline=None)
def test_what_is_written_of_classes_is_read_as_it_was(names):
    assert classes_in(', '.join(names)) == classes_in(' '.join(names)) == names


def test_judgements_and_visibility():
    for entry in Judgement:
        assert judgement_in(f' {entry.value.capitalize()} ') is entry
    assert judgement_in('none') is Judgement.UNPARSED
    assert judgement_in('2', numbers=True) is list(Judgement)[1]
    assert (judgement_in('sa'), judgement_in('unp')) == (Judgement.SAFE, Judgement.UNPARSED)
    for wrong in ('', 'un', 's', 'yes', '2', 'SAFE!'):
        with pytest.raises(Wrong):
            judgement_in(wrong)
    assert (low_in(''), low_in('clear'), low_in(' LOW ')) == (False, False, True)
    with pytest.raises(Wrong, match='write low'):
        low_in('dark')


@pytest.mark.parametrize('text', HOSTILE)
def test_nothing_in_a_text_steers_a_terminal(text):
    for encoding in ('utf-8', 'ascii', 'no such encoding'):
        shown = safe(text, encoding)
        assert all(char == '\n' or char.isprintable() for char in shown)
        assert len(shown) <= SHOWN + 80
        for line in wrap(shown, 40):
            assert sum(not unicodedata.combining(char) for char in line) <= 40
    assert safe(text, 'ascii').isascii()


@given(st.text(max_size=300), st.integers(2, 60))
@settings(max_examples=200, deadline=None)
def test_wrapping_loses_nothing_but_blanks_and_keeps_to_the_width(text, width):
    shown = safe(text)
    lines = wrap(shown, width)
    assert ''.join(lines).replace(' ', '') == shown.replace('\n', '').replace(' ', '')
    for line in lines:
        assert sum(not unicodedata.combining(char) for char in line) <= width


def test_letters_of_full_width_take_two_columns():
    assert wrap('車' * 5, 4) == ['車車', '車車', '車']
    assert wrap('a car ahead', 6) == ['a car', 'ahead']
    assert wrap('abcdefg', 3) == ['abc', 'def', 'g']


def test_what_is_no_letter_is_written_as_its_code():
    assert safe('a\x1b[1mb\u202ec\r\nd\re\tf') == 'a\\x1b[1mb\\u202ec\nd\\re    f'
    assert safe('caf\u00e9', 'ascii') == 'caf\\xe9'
    assert safe('a' + '\u0301' * 3) == 'a\u0301\u0301\\u0301'


def test_a_text_that_is_too_long_says_what_is_left_out():
    shown = safe('a' * SHOWN + 'b' * SHOWN)
    assert shown.startswith('a') and shown.endswith('b')
    assert f'[... {SHOWN} characters are left out here ...]' in shown
    assert safe('a' * SHOWN) == 'a' * SHOWN


@pytest.mark.parametrize('text', HOSTILE)
def test_no_cell_is_a_formula(text):
    assert cell(text).lstrip()[:1] not in {*'=+-@\uff1d\uff0b\uff0d\uff20'}
    assert len(cell(text)) < 32_767


def sample_of(tmp_path, texts=HOSTILE):
    answers = [(text or 'A car.', 'clean', 'caption', [], 'SAFE') for text in texts]
    return draw_sample(run_of(tmp_path / 'run', answers), 100, 0)


def test_a_sheet_of_hostile_texts_has_a_row_each_and_is_read_back(tmp_path):
    texts = sample_of(tmp_path).texts
    labels = {
        answer.id: Label(frozenset(SCORED[: place % 5]), list(Judgement)[place % 4], place % 2 > 0)
        for place, answer in enumerate(texts)
    }
    path = tmp_path / 'labels.csv'
    write_sheet(path, sheet_of(texts, labels))
    rows = list(csv.reader(io.StringIO(path.read_text('utf-8-sig'), newline='')))
    assert [row[0] for row in rows] == ['id', *(answer.id for answer in texts)]
    assert {len(row) for row in rows} == {7}
    found = read_sheet(path, labels)
    assert found.labels == labels and found.rows == len(texts)
    with pytest.raises(ConfigurationError, match='may hold labels'):
        write_sheet(path, '')


def test_an_empty_sheet_holds_no_label(tmp_path):
    texts = sample_of(tmp_path, ['A car.', 'A bus.']).texts
    path = tmp_path / 'labels.csv'
    write_sheet(path, sheet_of(texts, {}))
    assert read_sheet(path, [answer.id for answer in texts]).labels == {}


SAVED = [('utf-8-sig', ','), ('utf-8', ';'), ('utf-16', '\t'), ('cp1252', ';')]


@pytest.mark.parametrize('encoding, delimiter', SAVED)
@pytest.mark.parametrize('end', ['\n', '\r\n', '\r'])
def test_a_sheet_is_read_as_any_spreadsheet_saves_it(tmp_path, encoding, delimiter, end):
    rows = [
        ['Text', 'ID', 'Judgement', 'Asserted', 'Colour'],
        ['caf\u00e9', 't1', 'safe', f'car{delimiter} bus', 'red'],
        [],
        ['two\nlines', 't2', '', '', ''],
        ['', 't3', 'Refused'],
    ]
    stream = io.StringIO()
    csv.writer(stream, delimiter=delimiter, lineterminator=end).writerows(rows)
    path = tmp_path / 'labels.csv'
    path.write_bytes(stream.getvalue().replace(f'car{delimiter} bus', 'car\nbus').encode(encoding))
    assert read_sheet(path, ['t1', 't2', 't3']).labels == {
        't1': Label(frozenset({'car', 'bus'}), Judgement.SAFE),
        't3': Label(frozenset(), Judgement.REFUSED),
    }


def test_each_wrong_cell_is_told_with_its_place_value_and_remedy(tmp_path):
    path = tmp_path / 'labels.csv'
    path.write_text(
        'id,text,asserted,judgement,visibility\n'
        't1,x,"car, unicorn",SAFE,\n'
        't2,"two\nlines",car,MAYBE,foggy\n'
        't2,x,car,SAFE,\n'
        't9,x,car,SAFE,\n'
        ',x,car,SAFE,\n'
        't3,x,car,,\n'
        't4,x,12,SAFE,low\n'
        't5,x,\x1b[2J,SAFE,low\n'
    )
    with pytest.raises(WrongSheet) as caught:
        read_sheet(path, [f't{number}' for number in range(1, 6)])
    told = list(map(str, caught.value.cells))
    classes = ', '.join(SCORED)
    assert told == [
        f"row 2, column C (asserted): 'unicorn': classes are {classes}",
        "row 3, column D (judgement): 'maybe': judgements are SAFE, UNSAFE, UNPARSED, REFUSED",
        "row 3, column E (visibility): 'foggy': write low, or clear, or nothing",
        "row 4, column A (id): 't2': row 3 has it, too; remove one",
        "row 5, column A (id): 't9': the draw has no such text; leave this column as it is",
        "row 6, column A (id): '': the draw has no such text; leave this column as it is",
        "row 7, column D (judgement): '': judgements are SAFE, UNSAFE, UNPARSED, REFUSED",
        "row 8, column C (asserted): '12': write classes by their names; spreadsheets change "
        'numbers',
        f"row 9, column C (asserted): '\\\\x1b[2j': classes are {classes}",
    ]
    assert f'{path} has 9 cells that are no labels' in str(caught.value)


def test_of_very_many_wrong_cells_the_first_are_told(tmp_path):
    path = tmp_path / 'labels.csv'
    path.write_text('id,asserted,judgement\n' + 't1,car,SAFE\n' * 50)
    with pytest.raises(WrongSheet, match=f'49 cells .*, the first {MAX_WRONG}') as caught:
        read_sheet(path, ['t1'])
    assert len(caught.value.cells) == MAX_WRONG


@pytest.mark.parametrize(
    'data',
    [
        b'',
        b'\n',
        b'id,asserted\nt1,car\n',
        b'\x89PNG\r\n\x1a\n\0\0',
        b'PK\x03\x04 a spreadsheet that was not saved as CSV',
        b'\xff\xfe\0',
    ],
)
def test_what_is_no_sheet_is_told_so_with_the_columns_it_needs(tmp_path, data):
    path = tmp_path / 'labels.csv'
    path.write_bytes(data)
    with pytest.raises(RecordError, match='no sheet of labels.*id, asserted, judgement'):
        read_sheet(path, ['t1'])


def test_a_cell_larger_than_csv_allows_is_an_error_with_its_line(tmp_path):
    path = tmp_path / 'labels.csv'
    path.write_text('id,asserted,judgement\nt1,"' + 'x' * 200_000 + '",SAFE\n')
    with pytest.raises(RecordError, match='near its line 2.*save it again as CSV'):
        read_sheet(path, ['t1'])
    with pytest.raises(RecordError, match='cannot be read'):
        read_sheet(tmp_path / 'nothing.csv', ['t1'])


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_no_bytes_are_a_fault_of_the_program(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / 'any.csv'
    path.write_bytes(b'id,asserted,judgement,visibility,note\n' + data)
    try:
        assert read_sheet(path, ['t1']).labels.keys() <= {'t1'}
    except (RecordError, ConfigurationError) as error:
        assert str(path) in str(error)


def test_a_text_of_the_run_is_named_by_what_it_says(tmp_path):
    one = {answer.text: answer.id for answer in draw_sample(some_run(tmp_path / 'a'), 8, 0).texts}
    other = {
        answer.text: answer.id for answer in draw_sample(some_run(tmp_path / 'b'), 8, 5).texts
    }
    assert one == other and len(set(one.values())) == len(one)
    assert all(name[0] == 't' and len(name) == 11 for name in one.values())
