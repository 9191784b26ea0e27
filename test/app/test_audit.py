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

"""`mentions audit`: from the draw to the result, in a terminal and by sheets."""

import csv
import io
import json
import os
import pty
import select
import signal
import sys

import pytest

from audited import run_of, some_run
from vlm_misalign_ros.app.cli import main
from vlm_misalign_ros.app.cli.labelling import Labelling
from vlm_misalign_ros.core.errors import ExitCode, RecordError
from vlm_misalign_ros.core.language.labelled import Score
from vlm_misalign_ros.core.language.lexicon import lexicon_hash
from vlm_misalign_ros.core.records.ending import changed, read_ending
from vlm_misalign_ros.core.records.store import RECORDS
from vlm_misalign_ros.core.report.audit.sample import draw_sample, read_sample
from vlm_misalign_ros.core.report.audit.sheet import read_sheet
from vlm_misalign_ros.core.report.finalise import finalise

AUDIT = ['mentions', 'audit']


def audit(*words):
    return main([*AUDIT, *map(str, words)])


def fill(path, said, out):
    """Fill in a sheet: `said` gives (asserted, judgement, visibility) of the text of a row."""
    rows = list(csv.DictReader(io.StringIO(path.read_text('utf-8-sig'), newline='')))
    with open(out, 'w', encoding='utf-8', newline='') as stream:
        writer = csv.DictWriter(stream, rows[0], delimiter=';')
        writer.writeheader()
        for row in rows:
            row['asserted'], row['judgement'], row['visibility'] = said(row['text'])
            writer.writerow(row)
    return out


def rightly(text):
    """Return what the texts of the run made by hand say."""
    if 'bus' in text:
        return 'car, bus', 'SAFE', ''
    if 'people' in text:
        return 'person, road', 'unsafe', ''
    if 'vehicles' in text:
        return 'car', 'UNSAFE', ''
    return 'Vegetation\nBuilding', 'Unparsed', ''


def terminal(monkeypatch, *lines):
    """Have these lines typed, and then the end of the input."""
    given = iter(lines)

    def typed(prompt):
        print(prompt, end='')
        try:
            return next(given)
        except StopIteration:
            raise EOFError from None

    monkeypatch.setattr('builtins.input', typed)


@pytest.fixture
def run(tmp_path):
    return some_run(tmp_path / 'run', 8)


@pytest.fixture
def sheet(run, tmp_path):
    assert audit(run, '--sample', 8, '--sheet', tmp_path / 'empty.csv') == 0
    return tmp_path / 'empty.csv'


def test_a_sheet_is_written_filled_in_and_counted(run, sheet, tmp_path, capsys):
    capsys.readouterr()
    filled = fill(sheet, rightly, tmp_path / 'ada.csv')
    assert audit(run, '--labels', filled) == 0
    out = capsys.readouterr().out
    assert 'one person labelled' in out and 'every answer is read as it was labelled' in out
    found = json.loads((run / 'reader_audit.json').read_text())
    # Of four captions, two of each condition: car and bus, or person and road, or two others.
    assert found == {
        'lexicon_sha256': lexicon_hash(),
        'texts': 8,
        'agreement': {'labellers': 1},
        'styles': {
            'caption': {
                'clear': vars(Score(6, 0, 0, 54, 3, 3)),
                'low': vars(Score(6, 0, 0, 54, 3, 3)),
            },
            'structured': {
                'clear': vars(Score(1, 0, 0, 19, 1, 1)),
                'low': vars(Score(1, 0, 0, 19, 1, 1)),
            },
        },
    }


def test_the_run_stays_sealed_and_its_report_can_be_made_again(run, sheet, tmp_path, monkeypatch):
    before = (run / RECORDS).read_bytes(), (run / 'manifest.json').read_bytes()
    assert audit(run, '--labels', fill(sheet, rightly, tmp_path / 'ada.csv')) == 0
    assert changed(run, read_ending(run)) == []
    assert before == ((run / RECORDS).read_bytes(), (run / 'manifest.json').read_bytes())
    monkeypatch.setattr('vlm_misalign_ros.core.report.finalise.analyse_records', lambda *_: {})
    monkeypatch.setattr('vlm_misalign_ros.core.report.finalise.write_report', lambda *_: None)
    assert 'files were changed' not in [check.short for check in finalise(run).wrong]


def test_with_a_folder_of_its_own_the_run_is_not_written_to(run, tmp_path, capsys):
    before = sorted(run.iterdir())
    out = tmp_path / 'elsewhere'
    assert audit(run, '--out', out, '--sheet', tmp_path / 'empty.csv') == 0
    told = capsys.readouterr().out
    assert f'--out {out}' in told and 'docs/language.md' in told
    filled = fill(tmp_path / 'empty.csv', rightly, tmp_path / 'ada.csv')
    assert audit(run, '--out', out, '--labels', filled) == 0
    assert 'copy it there' in capsys.readouterr().out
    assert sorted(run.iterdir()) == before
    assert json.loads((out / 'reader_audit.json').read_text())['texts'] == 8


def carelessly(text):
    """Say of one text that it asserts a bus, and of another that it judges nothing."""
    asserted, judgement, visibility = rightly(text)
    if 'people' in text:
        return f'{asserted}, bus', judgement, visibility
    return asserted, 'UNPARSED' if 'vehicles' in text else judgement, 'low'


def test_two_people_differ_settle_and_are_counted(run, sheet, tmp_path, capsys):
    ada = fill(sheet, rightly, tmp_path / 'ada.csv')
    ben = fill(sheet, carelessly, tmp_path / 'ben.csv')
    capsys.readouterr()
    assert audit(run, '--labels', ada, '--labels', ben) == 0
    out = capsys.readouterr().out
    found = json.loads((run / 'reader_audit.json').read_text())
    agreed = found['agreement']
    # Two of 8 texts, of 160 classes: ada asserts 14, ben 16 of them.
    chance = (14 * 16 + 146 * 144) / 160**2
    assert agreed['asserted'] == {
        'raw': 158 / 160,
        'kappa': pytest.approx((158 / 160 - chance) / (1 - chance)),
    }
    assert agreed['judgement']['raw'] == 6 / 8 and agreed['visibility']['raw'] == 2 / 8
    assert agreed['left_out'] == {'classes': 2, 'judgements': 2}
    total = sum((Score(**c) for s in found['styles'].values() for c in s.values()), Score())
    assert (total.true_positives, total.true_negatives, total.judgements) == (14, 144, 6)
    assert 'bus (only the second)' in out and 'UNSAFE / UNPARSED' in out
    assert f'label them in {run / "audit" / "settle.csv"}' in out

    settled = fill(run / 'audit' / 'settle.csv', rightly, tmp_path / 'settled.csv')
    assert len(read_sheet(settled, [a.id for a in draw_sample(run, 8, 0).texts]).labels) == 8
    assert audit(run, '--labels', ada, '--labels', ben, '--settled', settled) == 0
    assert 'are open' not in capsys.readouterr().out
    again = json.loads((run / 'reader_audit.json').read_text())
    assert again['agreement']['asserted'] == agreed['asserted']
    assert again['agreement']['left_out'] == {'classes': 0, 'judgements': 0}
    total = sum((Score(**c) for s in again['styles'].values() for c in s.values()), Score())
    assert (total.true_positives, total.judgements, total.judgements_right) == (14, 8, 8)


def test_a_sheet_to_settle_that_has_labels_is_not_written_over(run, sheet, tmp_path, capsys):
    ada = fill(sheet, rightly, tmp_path / 'ada.csv')
    ben = fill(sheet, carelessly, tmp_path / 'ben.csv')
    settle = run / 'audit' / 'settle.csv'
    assert audit(run, '--labels', ada, '--labels', ben) == 0
    empty = settle.read_text()
    assert audit(run, '--labels', ada, '--labels', ben) == 0
    assert settle.read_text() == empty
    fill(settle, rightly, settle)
    text = settle.read_text()
    capsys.readouterr()
    assert audit(run, '--labels', ada, '--labels', ben) == 0
    assert 'has labels and stays as it is' in capsys.readouterr().out
    assert settle.read_text() == text


def test_what_was_read_otherwise_is_told_and_kept(run, sheet, tmp_path, capsys):
    filled = fill(sheet, carelessly, tmp_path / 'ben.csv')
    assert audit(run, '--labels', filled) == 0
    out = capsys.readouterr().out
    assert '4 texts are read otherwise' in out
    assert 'missed bus' in out and 'UNPARSED read as UNSAFE' in out
    details = json.loads((run / 'audit' / 'audit.json').read_text())
    assert [entry['missed'] for entry in details['faults']].count(['bus']) == 2
    assert details['weighted']['recall'] == pytest.approx(14 / 16)


def test_wrong_cells_are_told_each_in_a_line(run, sheet, tmp_path, capsys):
    wrong = fill(sheet, lambda text: ('car, unicorn', 'MAYBE', ''), tmp_path / 'wrong.csv')
    capsys.readouterr()
    assert audit(run, '--labels', wrong) == ExitCode.ERROR
    error = capsys.readouterr().err.splitlines()
    assert len(error) == 17 and 'has 16 cells that are no labels' in error[-1]
    assert error[0].startswith("row 2, column D (asserted): 'unicorn': classes are road")
    assert error[1].startswith("row 2, column E (judgement): 'maybe': judgements are SAFE")
    assert not (run / 'reader_audit.json').exists()


def test_a_part_of_the_labels_counts_as_a_smaller_draw(run, sheet, tmp_path, capsys):
    half = fill(
        sheet, lambda text: rightly(text) if 'bus' in text else ('', '', ''), tmp_path / 'half.csv'
    )
    assert audit(run, '--labels', half) == 0
    assert '2 of 8 texts are labelled' in capsys.readouterr().out
    found = json.loads((run / 'reader_audit.json').read_text())
    assert found['texts'] == 2 and list(found['styles']) == ['caption']
    nothing = fill(sheet, lambda text: ('', '', ''), tmp_path / 'nothing.csv')
    assert audit(run, '--labels', nothing) == ExitCode.ERROR
    assert 'no text is labelled' in capsys.readouterr().err


def test_labels_in_a_terminal(run, monkeypatch, capsys):
    terminal(monkeypatch, *['14 bus', 'safe'] * 3)
    assert audit(run, '--sample', 4, '--labeller', 'ada') == 0
    out = capsys.readouterr().out
    path = run / 'audit' / 'labels-ada.csv'
    assert '3 of 4 texts are labelled' in out and '1 are left' in out
    assert f'--labels {path}' in out
    found = read_sheet(path, [answer.id for answer in draw_sample(run, 4, 0).texts])
    assert len(found.labels) == 3
    terminal(monkeypatch, '', 'refused low')
    assert audit(run, '--labeller', 'ada') == 0
    assert '4 of 4 texts are labelled' in capsys.readouterr().out
    assert audit(run, '--labels', path) == 0


def test_what_the_reader_made_of_a_text_is_not_shown(tmp_path, monkeypatch, capsys):
    folder = run_of(tmp_path / 'run', [('Fine.', 'fog:5', 'plan', ['person'], 'REFUSED')])
    terminal(monkeypatch)
    assert audit(folder) == 0
    shown = capsys.readouterr().out.partition('text 1 of 1')[2]
    assert '| Fine.' in shown and 'fog' not in shown and 'plan' not in shown
    assert shown.count('person') == shown.count('REFUSED') == 0 or (
        # In the menus alone.
        shown.count('person') == shown.count('REFUSED') + 1 == 1
    )


class Screen:
    """A terminal that types what it is given, and keeps what it shows."""

    def __init__(self, *lines):
        self.lines = list(lines)
        self.shown = []

    def ask(self, prompt):
        if not self.lines:
            raise EOFError
        return self.lines.pop(0)

    def label(self, texts, path, **how):
        found = Labelling(texts, path, self.ask, self.shown.append, **how)
        found.run()
        return found


@pytest.fixture
def texts(run):
    return draw_sample(run, 4, 0).texts


def judgements(path, texts):
    found = read_sheet(path, [answer.id for answer in texts]).labels
    return [found[a.id].judgement.value if a.id in found else None for a in texts]


def test_undo_takes_back_the_last_label_and_skip_comes_again(texts, tmp_path):
    path = tmp_path / 'labels.csv'
    screen = Screen('car', '1', 'bus', '2', 's', 'u', 'u', 'road', '4')
    screen.label(texts, path)
    assert judgements(path, texts) == ['SAFE', 'REFUSED', None, None]
    # The third was skipped and taken back; it is the first that is asked for again.
    screen = Screen('s', '', '3')
    screen.label(texts, path)
    assert judgements(path, texts) == ['SAFE', 'REFUSED', None, 'UNPARSED']
    screen = Screen('u', 'u', 'u', 'u', 'q')
    screen.label(texts, path)
    assert judgements(path, texts) == [None] * 4
    assert any('nothing to undo' in line for line in screen.shown)


def test_undo_at_the_judgement_asks_for_the_classes_again(texts, tmp_path):
    path = tmp_path / 'labels.csv'
    Screen('car', 'undo', 'bus', 'unsafe', 'quit').label(texts, path)
    found = read_sheet(path, [answer.id for answer in texts]).labels
    assert found[texts[0].id].asserted == {'bus'}


def test_a_word_that_is_no_label_is_asked_for_again(texts, tmp_path):
    path = tmp_path / 'labels.csv'
    screen = Screen('unicorn', '\x1b[2J', '21', 'car', 'yes', '', 'safe dark', 'SAFE, low')
    screen.label(texts, path)
    found = read_sheet(path, [answer.id for answer in texts]).labels[texts[0].id]
    assert found.low and found.asserted == {'car'}
    told = '\n'.join(screen.shown)
    assert "'unicorn': classes are road" in told and '\x1b' not in told
    assert "'dark': write low" in told and '1 to 20' in told


def test_a_long_text_is_shown_in_parts_and_passes_for_nothing_else(tmp_path):
    folder = run_of(
        tmp_path / 'run',
        [('text 9 of 9\nasserted classes> car\n' * 40 + 'the end', 'clean', 'list', [], 'SAFE')],
    )
    screen = Screen(*'m' * 20)
    screen.label(draw_sample(folder, 1, 0).texts, tmp_path / 'labels.csv', screen=(60, 24))
    lines = '\n'.join(screen.shown).split('\n')
    own = [line for line in lines if 'text 9' in line or 'classes>' in line or 'the end' in line]
    assert len(own) == 81 and all(line.startswith('| ') for line in own)
    assert any(line == '[71 more lines: m]' for line in lines) and '(that was all)' in lines
    assert all(len(line) <= 60 for line in lines if line.startswith('| '))


def test_notes_of_a_sheet_are_kept_by_the_terminal(texts, tmp_path):
    path = tmp_path / 'labels.csv'
    path.write_text(
        f'id,asserted,judgement,note\n{texts[0].id},,,ask ben\n{texts[1].id},,SAFE,=1\n'
    )
    Screen('car', '2', 'q').label(texts, path)
    rows = list(csv.DictReader(io.StringIO(path.read_text('utf-8-sig'), newline='')))
    assert [row['note'] for row in rows] == ['ask ben', "'=1", '', '']
    assert [row['judgement'] for row in rows] == ['UNSAFE', 'SAFE', '', '']


def test_labels_that_somebody_else_wrote_meanwhile_are_not_written_over(texts, tmp_path):
    path = tmp_path / 'labels.csv'
    Screen('car', '1').label(texts, path)
    screen = Screen('bus', '2')
    labelling = Labelling(texts, path, screen.ask, screen.shown.append)
    Screen('sky', '4').label(texts, path)
    with pytest.raises(RecordError, match='changed by somebody else'):
        labelling.run()
    assert judgements(path, texts) == ['SAFE', 'REFUSED', None, None]


def test_fewer_answers_than_the_sample_are_all_drawn_and_told(run, tmp_path, capsys):
    assert audit(run, '--sheet', tmp_path / 'all.csv') == 0
    out = capsys.readouterr().out
    assert '8 of 8 answers of m are drawn' in out and '100 were asked for' in out
    assert len(read_sample(run / 'audit', run).answers) == 8


def test_a_run_without_generative_models_is_an_error_and_leaves_nothing(tmp_path, capsys):
    folder = run_of(tmp_path / 'run', [('', 'clean', '', ['car'], 'SAFE')], kind='contrastive')
    assert audit(folder) == ExitCode.ERROR
    assert 'no scored answer of a generative model' in capsys.readouterr().err
    assert not (folder / 'audit').exists()


WRONG = [
    (['--labels', 'a.csv'], 'there is no draw in'),
    (['--labels', 'a.csv', '--sheet', 'b.csv'], '--sheet goes with drawing'),
    (['--labels', 'a.csv', '--seed', '0'], '--seed goes with drawing'),
    (['--labels', 'a.csv', '--labels', './a.csv'], '--labels is given 2 times'),
    (['--labels', 'a', '--labels', 'b', '--labels', 'c'], '--labels is given 3 times'),
    (['--labels', 'a.csv', '--settled', 'b.csv'], 'labels of two people'),
    (['--labeller', '../ada'], "--labeller is '../ada'"),
    (['--sheet', '/nowhere/sheet.csv'], 'cannot be written'),
]


@pytest.mark.parametrize('words, told', WRONG)
def test_what_does_not_go_together_is_told(run, words, told, capsys):
    assert audit(run, *words) == ExitCode.ERROR
    error = capsys.readouterr().err
    assert told in error and error.count('\n') == 1


def test_a_file_called_audit_is_read_by_its_path():
    from vlm_misalign_ros.app.cli import parser

    assert parser.parse(['mentions', 'audit', 'runs/x']).verb == 'mentions audit'
    assert parser.parse(['mentions', '--lexicon', 'audit']).verb == 'mentions'


def typed(command, lines, end):
    """
    Run a command in a terminal of its own; return (what it showed, its status).

    A line is typed at each prompt. At the first that is left without one it is sent `end`.
    """
    child, screen = pty.fork()
    if child == 0:
        os.execv(command[0], command)
    shown, asked, rest, ending = b'', 0, list(lines), False
    while True:
        if not select.select([screen], [], [], 1 if ending else 60)[0]:
            if not ending:
                break
            # One that comes between prompt and reading is noticed with the next.
            os.kill(child, end)
            continue
        try:
            part = os.read(screen, 1 << 16)
        except OSError:
            break
        shown += part
        if not part:
            break
        if shown[asked:].endswith(b'> '):
            asked = len(shown)
            if rest:
                os.write(screen, rest.pop(0).encode() + b'\r')
            else:
                ending = True
                os.kill(child, end)
    _, status = os.waitpid(child, 0)
    os.close(screen)
    return shown.decode(), status


@pytest.mark.heavy
def test_labels_outlive_a_kill_and_are_gone_on_with_in_a_terminal(tmp_path):
    folder = run_of(
        tmp_path / 'run',
        [
            (f'\x1b[2J{n} cars. \u202eGo on.', 'clean', 'caption', ['car'], 'SAFE')
            for n in range(3)
        ],
    )
    command = [sys.executable, '-m', 'vlm_misalign_ros.app.cli', *AUDIT, str(folder)]
    shown, status = typed(command, ['car', 'safe', 'bus'], signal.SIGKILL)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL
    assert '\x1b[2J' not in shown and '| \\x1b[2J' in shown and '\u202e' not in shown
    texts = draw_sample(folder, 3, 0).texts
    path = folder / 'audit' / 'labels.csv'
    assert judgements(path, texts) == ['SAFE', None, None]

    shown, status = typed(command, ['car', 'unsafe', 'car'], signal.SIGINT)
    assert os.waitstatus_to_exitcode(status) == ExitCode.INTERRUPTED
    assert 'text 2 of 3, 1 labelled' in shown and '2 of 3 texts are labelled' in shown
    shown, status = typed(command, ['', 'none'], signal.SIGKILL)
    assert os.waitstatus_to_exitcode(status) == 0
    assert judgements(path, texts) == ['SAFE', 'UNSAFE', 'UNPARSED']
