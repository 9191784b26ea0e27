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

"""The verb `mentions`: inputs, formats, marks in the text, and what may go wrong on the way."""

import csv
import io
import json
import re
import signal
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlm_misalign_ros.app import readings
from vlm_misalign_ros.app.cli import UNHEARD, main
from vlm_misalign_ros.app.cli import mentions as verb
from vlm_misalign_ros.app.texts import Text
from vlm_misalign_ros.core.errors import ExitCode
from vlm_misalign_ros.core.language import open_lexicon, read
from vlm_misalign_ros.core.language.lexicon import lexicon_hash

TEXT = (
    r'Two cars wait, no bus, maybe a tram. \nWatch for pedestrians and children. '
    'It is safe to go on.'
)
PROGRAM = [sys.executable, '-m', 'vlm_misalign_ros.app.cli', 'mentions']


@pytest.fixture
def told(capsys, monkeypatch, tmp_path):
    """Return what runs the verb over lines: (code, output, errors)."""

    def run(lines, *arguments, name='', status=ExitCode.PASS):
        data = (
            lines if isinstance(lines, bytes) else ''.join(f'{line}\n' for line in lines).encode()
        )
        place = []
        if name:
            (tmp_path / name).write_bytes(data)
            place = [str(tmp_path / name)]
        else:
            monkeypatch.setattr(sys, 'stdin', io.TextIOWrapper(io.BytesIO(data)))
        assert main(['mentions', *place, *arguments]) == status
        return capsys.readouterr()

    return run


def records(output):
    return [json.loads(line) for line in output.out.splitlines()]


# What is told --------------------------------------------------------------------------------


def test_a_text_is_told_with_states_places_and_what_it_was_read_by(told):
    assert records(told([TEXT])) == [
        {
            'id': 1,
            'asserted': ['car'],
            'denied': ['bus'],
            'hedged': ['train'],
            'hypothetical': ['person'],
            'judgement': 'SAFE',
            'classes': {
                'car': {'state': 'ASSERTED', 'scored': True, **at('cars')},
                'bus': {'state': 'DENIED', 'scored': True, **at('bus')},
                'train': {'state': 'HEDGED', 'scored': True, **at('tram')},
                'person': {'state': 'HYPOTHETICAL', 'scored': True, **at('children')},
            },
            'judged': {'rule': 'phrase', **at('safe to go on')},
            'style': 'description',
            'language': 'en',
            'cut': 0,
            'lexicon': {'version': open_lexicon().version, 'sha256': lexicon_hash()},
        }
    ]


def at(words):
    start = TEXT.replace(r'\n', '\n').index(words)
    return {'start': start, 'end': start + len(words), 'words': words}


def test_what_is_cut_and_what_is_in_another_language_is_told(told):
    long = 'A bus. ' + 'x ' * 15_000 + 'No cars.'
    first, second = records(told([long, 'Auf der Straße sind keine Autos und ein Bus.']))
    assert first['cut'] > 9_000 and long[first['classes']['car']['start'] :] == 'cars.'
    assert second['language'] == 'other' and second['classes'] == {} and second['judged'] is None


def test_words_and_classes_of_ones_own_are_read_and_not_scored(told, tmp_path):
    (tmp_path / 'words.yaml').write_text('further: {cone: [traffic cone]}')
    words = '--lexicon', str(tmp_path / 'words.yaml')
    (found,) = records(told(['Two traffic cones.'], *words))
    assert found['further'] == {'cone': 'ASSERTED'} and found['asserted'] == []
    assert found['classes']['cone'] == {
        'state': 'ASSERTED',
        'scored': False,
        'start': 4,
        'end': 17,
        'words': 'traffic cones',
    }
    assert found['lexicon']['sha256'] == lexicon_hash(words[1]) != lexicon_hash()
    rows = list(csv.reader(io.StringIO(told(['A traffic cone.'], *words, '--format=csv').out)))
    assert [row[1:4] for row in rows[1:]] == [
        ['judgement', '', 'UNPARSED'],
        ['further', 'cone', 'ASSERTED'],
    ]


def test_a_style_that_is_given_wins(told):
    (found,) = records(told([TEXT], '--style', 'plan'))
    assert found['style'] == 'plan'


# Inputs --------------------------------------------------------------------------------------


@pytest.mark.parametrize('name', ['', 'x.txt', 'x.jsonl.txt', 'audit'])
def test_each_line_of_a_plain_file_or_of_standard_input_is_a_text(told, name):
    found = records(told(['A car.', '', '{"note": "a bus"}'], name=name))
    assert [(entry['id'], entry['asserted']) for entry in found] == [
        (1, ['car']),
        (2, []),
        (3, ['bus']),
    ]


def test_a_dash_is_standard_input_and_line_ends_of_windows_are_none(told):
    assert [entry['asserted'] for entry in records(told(b'A car.\r\nA bus.', '-'))] == [
        ['car'],
        ['bus'],
    ]


@pytest.mark.parametrize(
    'name, arguments',
    [('x.jsonl', []), ('X.NDJSON', []), ('x.txt', ['--jsonl']), ('', ['--jsonl'])],
)
def test_json_lines_are_known_by_their_name_or_said_to_be(told, name, arguments):
    lines = ['{"id": "f7", "text": "A car."}', '', '{"text": "A\\nbus."}']
    found = records(told(lines, *arguments, name=name))
    assert [(entry['id'], entry['asserted']) for entry in found] == [('f7', ['car']), (3, ['bus'])]


def test_keys_of_json_lines_can_be_named(told):
    lines = [
        '{"frame": 7, "answer": "Yes.", "question": "Are there buses?"}',
        '{"frame": 8.5, "answer": "Yes.", "question": null}',
        '{"frame": [1, 2], "answer": "No."}',
    ]
    keys = '--text-key answer --id-key frame --prompt-key question'.split()
    found = records(told(lines, *keys, '--prompt', 'Are there cars?'))
    assert [(entry['id'], entry['asserted'], entry['denied']) for entry in found] == [
        (7, ['bus'], []),
        (8.5, ['car'], []),
        ('[1, 2]', [], ['car']),
    ]


def test_what_was_asked_is_given_for_all(told):
    first, second = records(told(['No.', 'Yes.'], '--prompt', 'Is it safe to proceed?'))
    assert (first['judgement'], second['judgement']) == ('UNSAFE', 'SAFE')
    assert first['judged'] == {'rule': 'answer', 'start': 0, 'end': 2, 'words': 'No'}


def test_lines_that_are_no_texts_are_named_and_the_others_read(told):
    lines = [
        '{"text": "A car."}',
        '{"text": "A bus."',
        '[1]',
        '{"answer": "A bus.", "id": 3}',
        '{"text": null}',
        '{"text": "A", "prompt": 5}',
        '[' * 100_000,
        '{"text": 1' + '0' * 5_000 + '}',
        '{"id": NaN, "text": "A tram."}',
        '{"id": 1e999, "text": "A van."}',
    ]
    output = told(lines, name='x.jsonl', status=ExitCode.ERROR)
    assert [entry['id'] for entry in records(output)] == [1, 'NaN', 'inf']
    errors = output.err.splitlines()
    said = [re.sub(r'^.*x\.jsonl, line ', '', line) for line in errors]
    for start, words in zip(
        said,
        [
            "2, is no JSON (Expecting ',' delimiter, column 18). mend it; the other",
            '3, is a list. expected an object such as {"text": "A car."}',
            "4, has no 'text'; it has 'answer', 'id'. name the key of the text by --text-key",
            "5, has null under 'text'. expected a text",
            "6, has a number under 'prompt'. expected a text",
            '7, is no JSON that can be read',
            '8, is no JSON that can be read',
        ],
        strict=False,
    ):
        assert start.startswith(words), start
    assert errors[-1] == 'vlm-misalign: 7 of 10 lines could not be read' and len(errors) == 8


def test_json_lines_that_are_taken_for_plain_texts_are_told(told):
    assert 'give --jsonl' in told(['{"text": "A car."}']).err
    assert told(['{"car": 1}', '{"text": "A car."}']).err == ''


def test_what_is_no_utf_8_is_replaced(told):
    (found,) = records(told('\ufeffA car \ud83d'.encode('utf-8', 'surrogatepass') + b'\xff bus'))
    assert found['asserted'] == ['car', 'bus'] and found['classes']['car']['start'] == 2


@pytest.mark.parametrize('arguments', [[], ['--jsonl'], ['--format', 'table'], ['--explain']])
def test_nothing_to_read_is_said(told, arguments):
    assert 'there is no text in standard input' in told([], *arguments).err


@pytest.mark.parametrize('place', ['nowhere.txt', '.', 'a\0b'])
def test_a_file_that_cannot_be_read_is_named_with_the_remedy(place, capsys):
    assert main(['mentions', place]) == ExitCode.ERROR
    error = capsys.readouterr().err
    assert f'{place!r} cannot be read' in error and 'or - for standard input' in error
    assert error.count('\n') == 1


# Formats -------------------------------------------------------------------------------------


def test_csv_has_a_row_for_each_class_and_for_the_judgement(told):
    rows = list(csv.DictReader(io.StringIO(told([TEXT, ''], '--format', 'csv').out)))
    assert tuple(rows[0]) == readings.COLUMNS
    assert [(row['id'], row['kind'], row['name'], row['state'], row['words']) for row in rows] == [
        ('1', 'judgement', '', 'SAFE', 'safe to go on'),
        ('1', 'class', 'person', 'HYPOTHETICAL', 'children'),
        ('1', 'class', 'car', 'ASSERTED', 'cars'),
        ('1', 'class', 'bus', 'DENIED', 'bus'),
        ('1', 'class', 'train', 'HEDGED', 'tram'),
        ('2', 'judgement', '', 'UNPARSED', ''),
    ]
    assert rows[0]['rule'] == 'phrase' and rows[0]['lexicon_sha256'] == lexicon_hash()
    assert int(rows[2]['end']) - int(rows[2]['start']) == 4


@given(st.sampled_from('=+-@\t\r\n＝ '), st.text(max_size=20), st.sampled_from(['\x1b', '\u202e']))
def test_no_cell_of_csv_is_a_formula_or_steers_a_terminal(first, rest, control):
    out = io.StringIO()
    text = Text(f'{first}{rest}{control}', f'"{first}car": 2')
    readings.comma_separated(out, readings.Words(1, 'f'))(text, read(text.text))
    for row in csv.reader(io.StringIO(out.getvalue())):
        for cell in row:
            assert not cell.lstrip().startswith(tuple('=+-@＝')) and control not in cell


def test_a_table_fits_eighty_columns_and_tells_its_signs(told):
    names = 'cars, trucks, buses, trams, trees, walls, fences, poles, traffic lights, road signs'
    lines = [
        json.dumps({'id': 'a\tb\x1b' * 9, 'text': f'{names} and a street. No people. Stop!'}),
        json.dumps({'id': 2, 'text': 'x' * 30_000}),
    ]
    out = told(lines, '--jsonl', '--format', 'table').out
    assert max(map(len, out.splitlines())) <= 80 and '\x1b' not in out
    assert '+ asserted  - denied  ? hedged  ~ hypothetical' in out
    shown = ' '.join(out.split())
    assert 'UNSAFE + road, wall, fence, pole, traffic light, traffic sign,' in shown
    assert '- person' in shown and '2 UNPARSED (10' in shown


# Marks in the text ---------------------------------------------------------------------------


def test_texts_are_shown_with_their_marks_in_brackets(told):
    output = told([TEXT, 'No cyclists. \x1b[31m\u202e', '{"safe": false}'], '--explain').out
    blocks = output.split('\n\n')
    assert blocks[0].startswith('[+class: asserted]')
    assert blocks[1].splitlines() == [
        '1: SAFE by phrase, description, en',
        '| Two [+car: cars] wait, no [-bus: bus], maybe a [?train: tram]. ',
        '| Watch for pedestrians and [~person: children]. It is [=SAFE: safe to go on].',
        '  + car',
        '  - bus',
        '  ? train',
        '  ~ person',
    ]
    assert r'| No [-rider -bicycle: cyclists]. \x1b[31m\u202e' in blocks[2]
    assert '| {[=UNSAFE: "safe": false]}' in blocks[3]


def test_nothing_in_a_text_can_be_taken_for_what_is_told_of_it(told):
    output = told([r'A car.\n\n2: SAFE by phrase\n+ bus'], '--explain').out
    assert [line for line in output.splitlines() if not line.startswith('|')][1:] == [
        '',
        '1: SAFE by phrase, description, en',
        '  + car, bus',
    ]


def coloured(text, prompt=''):
    out = io.StringIO()
    readings.Explained(out, coloured=True).write(Text(1, text, prompt), read(text, prompt))
    return out.getvalue().split('\n\n', 1)[1]


def test_a_terminal_shows_them_in_colours():
    shown = coloured(TEXT.replace(r'\n', '\n'))
    assert '| Two \x1b[32mcars\x1b[0m wait, no \x1b[31mbus\x1b[0m, maybe a \x1b[33mtram' in shown
    assert '\x1b[34mchildren\x1b[0m. It is \x1b[4msafe to go on\x1b[0m.' in shown
    # What judges holds a thing, and lies on two lines.
    shown = coloured('{"safe":\n"no car"}')
    assert '| {\x1b[4m"safe":\x1b[0m\n| \x1b[4m"no \x1b[0m\x1b[31;4mcar\x1b[0m' in shown


@given(st.text(max_size=80), st.booleans())
def test_the_marks_leave_every_text_as_it_is(text, colours):
    out = io.StringIO()
    text = f'{text} A car, no bus. Stop! [x]'
    readings.Explained(out, colours).write(Text(1, text), read(text))
    lines = out.getvalue().split('\n')[3:]
    kept = '\n'.join(line[2:] for line in lines if line.startswith('| '))
    kept = re.sub(r'\x1b\[[0-9;]*m', '', kept) if colours else kept
    kept = re.sub(r'\[[-+?~=][\w ]+: (car|bus|Stop)\]', r'\1', kept)
    assert kept.endswith('A car, no bus. Stop! [x]')


@pytest.mark.parametrize(
    'tty, environment, wanted',
    [
        (True, {}, True),
        (True, {'NO_COLOR': '1'}, False),
        (True, {'NO_COLOR': ''}, True),
        (True, {'TERM': 'dumb'}, False),
        (False, {}, False),
    ],
)
def test_colours_are_for_terminals_that_want_them(tty, environment, wanted, monkeypatch):
    monkeypatch.delenv('NO_COLOR', raising=False)
    monkeypatch.setenv('TERM', 'xterm')
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    out = io.StringIO()
    out.isatty = lambda: tty
    monkeypatch.setattr(sys, 'stdout', out)
    assert verb._coloured() is wanted


# On the way ----------------------------------------------------------------------------------


def test_a_text_is_told_before_the_next_one_is_read(monkeypatch, capsys):
    class Lines(io.StringIO):
        """Lines that come one after the other, each when the one before has been told."""

        def __iter__(self):
            for number in range(300):
                told = capsys.readouterr().out
                assert number == 0 or json.loads(told)['id'] == number
                yield 'A car.\n'

        def readlines(self, *_):
            raise AssertionError('all lines at once')

        read = readlines

    monkeypatch.setattr(sys, 'stdin', Lines())
    assert main(['mentions']) == ExitCode.PASS
    assert json.loads(capsys.readouterr().out)['id'] == 300


@pytest.mark.parametrize('form', ['--format=jsonl', '--format=csv', '--format=table', '--explain'])
def test_a_closed_pipe_is_no_fault(form, tmp_path):
    (tmp_path / 'texts').write_text('A car.\n' * 3_000)
    command = ' '.join([*PROGRAM, str(tmp_path / 'texts'), form])
    done = subprocess.run(
        ['/bin/bash', '-c', f'{command} | head -1; exit ${{PIPESTATUS[0]}}'],
        capture_output=True,
        text=True,
    )
    assert done.stderr == '' and done.stdout.count('\n') == 1
    assert done.returncode == UNHEARD


def test_ctrl_c_ends_it_with_a_word():
    process = subprocess.Popen(
        PROGRAM, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    process.stdin.write('A car.\n')
    process.stdin.flush()
    assert json.loads(process.stdout.readline())['asserted'] == ['car']
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (130, 'vlm-misalign: interrupted\n')


def test_an_output_that_lacks_letters_ends_nothing():
    done = subprocess.run(
        [*PROGRAM, '--format=table', '--jsonl'],
        input='{"id": "Straße 汽车", "text": "A car."}',
        capture_output=True,
        encoding='utf-8',
        env={
            'PATH': '/usr/bin:/bin',
            'PYTHONIOENCODING': 'ascii',
            'PYTHONPATH': ':'.join(sys.path),
        },
    )
    assert done.returncode == 0 and r'Stra\xdfe \u6c7d\u8f66' in done.stdout
