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

"""`check`: a run in continuous integration, and what GitHub is told of it."""

import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from made_runs import a_run, frames
from vlm_misalign_ros.app.cli import main
from vlm_misalign_ros.core.errors import ConfigurationError, RecordError
from vlm_misalign_ros.core.report.checking import FILES, check_run, read_verdict, store_baseline
from vlm_misalign_ros.core.report.finalise import finalise
from vlm_misalign_ros.core.report.github import (
    ANNOTATIONS,
    annotation,
    annotations_of,
    summary,
    uncommanded,
)
from vlm_misalign_ros.core.report.markup import MOST, code, escaped, plain
from vlm_misalign_ros.core.report.verdict import Check, Finding, Status, Verdict

markdown_it = pytest.importorskip('markdown_it', reason='markdown-it-py reads the summaries')

HOSTILE = (
    '</code></details><script>alert(1)</script>|**b**\n# h\n::error::x `y` [a](http://e.org) '
    'www.e.org a@e.org @me #12 <!-- \x1b[2J\u202e &lt; ~~s~~ ' + 'long ' * 2000
)


@pytest.fixture(autouse=True)
def outside_of_github(monkeypatch):
    for name in ('GITHUB_ACTIONS', 'GITHUB_STEP_SUMMARY'):
        monkeypatch.delenv(name, raising=False)


def a_finished(folder, wrong=(), models=('m',), number=60, **more):
    """A run with a verdict, in which judgements of the hazards in `wrong` are SAFE."""
    of = frames(number, models=models, false_safe=lambda k: k in wrong)
    finalise(a_run(folder, of, **more))
    return folder


@pytest.fixture
def base(tmp_path):
    return a_finished(tmp_path / 'base', {0, 1})


def shown(markdown):
    """Return elements and text of Markdown as GitHub has it: CommonMark, tables, HTML."""
    renderer = markdown_it.MarkdownIt('commonmark', {'html': True}).enable(
        ['table', 'strikethrough']
    )
    names, texts = [], []
    reader = HTMLParser()
    reader.handle_starttag = lambda tag, given: names.append(tag)
    reader.handle_data = texts.append
    reader.feed(renderer.render(markdown))
    return names, ''.join(texts)


# Escapes -------------------------------------------------------------------------------------


@given(st.text(max_size=300))
def test_a_text_is_shown_as_it_is_and_is_no_markup(text):
    names, told = shown(f'| a |\n|---|\n| {code(text)} |')
    assert sorted(names) == sorted('table thead tr th tbody tr td code'.split())
    # Blanks at the ends of what is shown do not matter.
    assert told.split('a', 1)[1].strip() == plain(text).strip()


def test_a_hostile_text_is_one_bounded_line():
    found = escaped(HOSTILE)
    assert '\n' not in found and len(plain(HOSTILE)) in (MOST - 1, MOST)
    assert not set('<>|*`[]@#\x1b\u202e.:/~_') & set(re.sub(r'&#\d+;(<!-- -->)?', '', found))
    # GitHub makes a link of what looks like a mail address, were it not for this.
    assert '&#64;<!-- -->' in found
    assert plain(HOSTILE).startswith('</code></details>') and '\\x1b' in plain(HOSTILE)


def runner(line):
    """
    Return command, properties and text as the runner of GitHub reads a line.

    From the rules of actions/runner, ActionCommand.cs: what stands between `::` and the next
    `::`, split at the first blank, then at commas; %0A, %0D, %3A, %2C, then %25 are undone.
    """
    line = line.strip()
    if not line.startswith('::'):
        return None
    head, _, text = line[2:].partition('::')
    name, _, rest = head.partition(' ')
    marks = {'%0D': '\r', '%0A': '\n', '%3A': ':', '%2C': ',', '%25': '%'}

    def undone(found, known):
        for mark in known:
            found = found.replace(mark, marks[mark])
        return found

    pairs = (pair.split('=', 1) for pair in rest.split(',') if '=' in pair)
    return (
        name,
        {key: undone(value, ('%0D', '%0A', '%3A', '%2C', '%25')) for key, value in pairs},
        undone(text, ('%0D', '%0A', '%25')),
    )


@given(st.text(max_size=200), st.text(max_size=200), st.text(max_size=100))
def test_an_annotation_is_one_command_with_the_texts_that_it_was_given(title, message, file):
    line = annotation('error', title, message, file)
    assert len(line.splitlines()) == 1
    name, properties, text = runner(line)
    wanted = {'file': plain(file, 1000), 'title': plain(title, 200)}
    assert name == 'error' and text == plain(message, 1000)
    assert properties == {key: value for key, value in wanted.items() if value}


def test_what_is_printed_between_holds_no_command():
    lines = uncommanded('::error::x\n  ::add-mask::y', 'word').split('\n')
    assert runner(lines[0]) == ('stop-commands', {}, 'word')
    assert runner(lines[-1]) == ('word', {}, '')


# Summary and annotations ---------------------------------------------------------------------


def a_check(number, status=Status.FAIL, **more):
    finding = Finding('l', 'm', 'smr_false_safe', ('c',), 0.1, 0.05, 0.2, 30, 40, 39, **more)
    return Check(f'check {number}', status, f'message {number}', found=finding)


def test_of_many_the_first_are_shown_and_the_others_counted():
    verdict = Verdict(Status.FAIL, tuple(map(a_check, range(25))))
    found = [runner(line) for line in annotations_of(verdict, 'c.yaml')]
    assert len(found) == ANNOTATIONS
    assert {name for name, _, _ in found} == {'error'}
    assert {properties['file'] for _, properties, _ in found} == {'c.yaml'}
    assert found[0][2] == 'message 0' and found[-1][2].startswith('16 more checks')
    many = Verdict(Status.FAIL, tuple(map(a_check, range(5000))))
    text = summary(many, 'run')
    assert 'and 4900 more that did not pass' in text and len(text) < 1 << 20


def test_a_summary_of_nothing_but_long_names_is_less_than_github_takes():
    # A character that is written in 14 bytes, and one of four.
    for name in ('@' * 2000, '\U00020000' * 2000):
        finding = Finding(name, name, name, (name,), 0.1, 0.0, 0.2, 1, 1, 1)
        checks = [
            Check(name, status, name, found=finding) for status in Status for _ in range(400)
        ]
        checks = [check for check in checks if check.status is not Status.COMPLETE]
        text = summary(Verdict(Status.FAIL, tuple(checks), (name,) * 90), name, name)
        assert len(text.encode()) < 1 << 20
        counted = [int(n) for n in re.findall('and ([0-9]+) more that', text)]
        rows = text.count('\n| **') + text.count('\n| PASS')
        assert len(counted) == 2 and sum(counted) + rows == len(checks)


@pytest.mark.parametrize('number', ['1e999', '"x"', '[]'])
def test_a_verdict_that_is_none_is_told_in_one_line(tmp_path, capsys, number):
    run = a_finished(tmp_path / 'run', limits=['smr.high < 0.9'])
    path = run / 'verdict.json'
    told = path.read_text()
    path.write_text(re.sub('"scenes": 60', f'"scenes": {number}', told))
    assert path.read_text() != told and main(['check', str(run)]) == 2
    said = capsys.readouterr().err
    assert 'is no verdict' in said and len(said.strip().splitlines()) == 1


def test_what_passed_is_no_annotation_and_what_is_undecided_a_warning():
    checks = (a_check(0, Status.PASS), a_check(1, Status.UNDECIDED), a_check(2, Status.FAIL))
    found = [runner(line) for line in annotations_of(Verdict(Status.FAIL, checks))]
    assert [(name, text) for name, _, text in found] == [
        ('error', 'message 2'),
        ('warning', 'message 1'),
    ]


def test_hostile_names_stay_text_in_a_summary():
    finding = Finding(HOSTILE, HOSTILE, HOSTILE, (HOSTILE,), 0.1, 0.0, 0.2, 1, 1, 1)
    checks = [
        Check(HOSTILE, Status.FAIL, HOSTILE, found=finding),
        Check(HOSTILE, Status.INVALID, HOSTILE),
        Check(HOSTILE, Status.PASS, HOSTILE),
    ]
    text = summary(Verdict(Status.FAIL, tuple(checks), (HOSTILE,)), HOSTILE, HOSTILE)
    names, told = shown(text)
    known = 'h2 p code ul li table thead tbody tr th td strong details summary sub'
    assert set(names) <= set(known.split()) and 'alert(1)' in told
    assert len(text) < 100_000


def test_the_worst_stands_first_with_its_numbers(base, tmp_path):
    worse = a_finished(tmp_path / 'worse', set(range(40)))
    found = check_run(worse, base, ['smr_false_safe not worse by 0.02'])
    _, told = shown(summary(found.verdict, 'worse', 'base', found.comparison))
    # 40 of 60 less 2 of 60.
    assert 'vlm-misalign: FAIL' in told and '+.633' in told
    assert 'm: false safe at clean' in told
    assert told.index('FAIL') < told.index('checks passed')
    assert 'Judgements that turned' in told and '38 : 0 of 60' in told


# check ---------------------------------------------------------------------------------------


def test_a_run_against_its_baseline_ends_with_the_verdict(base, tmp_path, capsys):
    same = a_finished(tmp_path / 'same', {0, 1})
    worse = a_finished(tmp_path / 'worse', set(range(40)))

    def ended(run, *more):
        return main(['check', str(run), '--baseline', str(base), *more])

    assert ended(same, '--limit', 'smr_false_safe not worse by 0.3') == 0
    # Without a limit: by .02, which 60 scenes do not show.
    assert ended(same) == 4
    assert ended(same, '--allow-undecided') == 0
    assert 'UNDECIDED' in capsys.readouterr().out
    assert ended(worse) == 1
    assert ended(worse, '--allow-undecided') == 1


def test_a_limit_of_the_run_itself_fails_it_too(base, tmp_path):
    limits = ['smr_false_safe < 0.01']
    bad = a_finished(tmp_path / 'bad', {0, 1}, limits=limits)
    found = check_run(bad, base, ['smr_false_safe not worse by 0.3'])
    assert found.verdict.status is Status.FAIL
    assert [check.found.limit for check in found.verdict.wrong] == limits
    assert check_run(bad).verdict == read_verdict(bad)
    assert check_run(bad).verdict.exit_code == 1


def test_a_verdict_by_other_limits_is_not_that_of_the_run(tmp_path, capsys):
    bad = a_finished(tmp_path / 'bad', {0, 1}, limits=['smr_false_safe < 0.01'])
    assert main(['check', str(bad)]) == 1
    assert main(['report', str(bad), '--limit', 'smr_false_safe <= 1']) == 0
    capsys.readouterr()
    assert main(['check', str(bad)]) == 2
    said = capsys.readouterr().err
    assert 'by other limits than those of the run' in said and 'vlm-misalign report' in said
    assert main(['report', str(bad)]) == 1 == main(['check', str(bad)])


def test_a_run_that_was_changed_since_its_verdict_is_refused(tmp_path, capsys):
    run = a_finished(tmp_path / 'run', limits=['smr_false_safe < 0.1'])
    assert main(['check', str(run)]) == 0
    records = run / 'records.jsonl'
    left = records.read_text()
    records.write_text(left.replace('"unsafe":1', '"false_safe":1'))
    assert records.read_text() != left and main(['check', str(run)]) == 2
    assert 'not as the run left it' in capsys.readouterr().err


def test_the_verdict_that_is_read_is_the_one_that_was_made(tmp_path):
    folder = a_run(tmp_path / 'run', frames(60), limits=['smr.high < 0.2', 'smr@clean > 0.5'])
    made = finalise(folder)
    read = read_verdict(folder)
    assert read.to_plain() == made.to_plain() and read.exit_code == made.exit_code


def test_a_summary_and_annotations_are_there_in_github_alone(base, tmp_path, monkeypatch, capsys):
    worse = a_finished(tmp_path / 'worse', set(range(40)))
    words = ['check', str(worse), '--baseline', str(base), '--annotate', 'config/mine.yaml']
    step = tmp_path / 'step.md'
    step.write_text('before\n')
    assert main([*words, '--summary', str(tmp_path / 'own.md')]) == 1
    assert '::' not in capsys.readouterr().out and step.read_text() == 'before\n'
    monkeypatch.setenv('GITHUB_ACTIONS', 'true')
    monkeypatch.setenv('GITHUB_STEP_SUMMARY', str(step))
    junit = tmp_path / 'junit.xml'
    assert main([*words, '--junit', str(junit), '--out', str(tmp_path / 'out')]) == 1
    out = capsys.readouterr().out.splitlines()
    commands = [found for line in out if (found := runner(line))]
    assert commands[0][0] == 'stop-commands' and commands[1][0] == commands[0][2]
    kinds = [name for name, _, _ in commands[2:]]
    assert kinds[0] == 'error' and kinds == sorted(kinds) and set(kinds) <= {'error', 'warning'}
    assert all(p['file'] == 'config/mine.yaml' for _, p, _ in commands[2:])
    assert step.read_text() == 'before\n' + (tmp_path / 'own.md').read_text()
    suite = ElementTree.parse(junit).getroot()
    assert int(suite.get('failures')) > 0 and (tmp_path / 'out/compare.html').is_file()


def test_what_cannot_be_compared_is_an_error_that_github_shows(
    base, tmp_path, monkeypatch, capsys
):
    other = a_run(tmp_path / 'other', frames(60, 'low_light:3'))
    finalise(other)
    step = tmp_path / 'step.md'
    monkeypatch.setenv('GITHUB_ACTIONS', 'true')
    monkeypatch.setenv('GITHUB_STEP_SUMMARY', str(step))
    assert main(['check', str(other), '--baseline', str(base)]) == 2
    told = capsys.readouterr()
    name, properties, text = runner(told.out)
    assert (name, properties) == ('error', {'title': 'not checked'})
    assert 'other conditions' in text and 'other conditions' in told.err
    assert 'other conditions' in shown(step.read_text())[1]


@pytest.mark.parametrize(
    'words', [['--update'], ['--limit', 'smr not worse by 0.1'], ['--out', 'x'], ['--model', 'm']]
)
def test_what_needs_a_baseline_is_refused_without(base, words, capsys):
    assert main(['check', str(base), *words]) == 2
    assert 'without a baseline. name it: --baseline RUN' in capsys.readouterr().err


def test_a_folder_without_a_run_or_verdict_is_refused(base, tmp_path):
    with pytest.raises(RecordError, match=r'has no records\.jsonl'):
        check_run(tmp_path)
    (base / 'verdict.json').unlink()
    with pytest.raises(RecordError, match='report RUN'):
        check_run(base)
    (base / 'verdict.json').write_text('{"status": "PASS", "checks": [{}], "notes": []}')
    with pytest.raises(RecordError, match='is no verdict'):
        check_run(base)


# The stored baseline -------------------------------------------------------------------------


def test_a_stored_baseline_is_three_files_and_compares_as_the_run(base, tmp_path, capsys):
    stored, run = tmp_path / 'stored', a_finished(tmp_path / 'run', set(range(9)))
    assert main(['check', str(base), '--baseline', str(stored), '--update']) == 0
    assert sorted(path.name for path in stored.iterdir()) == sorted(FILES)
    one, other = check_run(run, base), check_run(run, stored)
    assert [d.value for d in one.comparison.differences if d.rate != 'miou'] == pytest.approx(
        [d.value for d in other.comparison.differences if d.rate != 'miou'], nan_ok=True
    )
    # Again, by another run; nothing is left beside it.
    store_baseline(run, stored)
    assert (stored / FILES[0]).read_bytes() == (run / FILES[0]).read_bytes()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith('.')]


def test_nothing_else_is_replaced_by_a_baseline(base, tmp_path):
    other = a_finished(tmp_path / 'other')
    with pytest.raises(ConfigurationError, match='is no part of a baseline'):
        store_baseline(base, other)
    with pytest.raises(ConfigurationError, match='is the run itself'):
        store_baseline(base, base)
    killed = a_run(tmp_path / 'killed', frames(3), killed=True)
    with pytest.raises(ConfigurationError, match='is no baseline: it did not end by itself'):
        store_baseline(killed, tmp_path / 'new')
    assert not (tmp_path / 'new').exists() and (other / 'verdict.json').is_file()


def test_a_baseline_whose_files_were_changed_is_refused(base, tmp_path):
    stored = tmp_path / 'stored'
    store_baseline(base, stored)
    path = stored / FILES[0]
    path.write_bytes(path.read_bytes().replace(b'"key_7"', b'"key_x"'))
    with pytest.raises(ConfigurationError, match='not as it left it: changed or damaged'):
        check_run(a_finished(tmp_path / 'run'), stored)
