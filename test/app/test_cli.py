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

"""The command line: help, errors, lists, completion, and what it may end with."""

import argparse
import json
import subprocess
import sys

import pytest

from vlm_misalign_ros import __version__
from vlm_misalign_ros.app.cli import UNHEARD, main, parser
from vlm_misalign_ros.app.cli.list import KINDS
from vlm_misalign_ros.core.corruptions import CORRUPTIONS
from vlm_misalign_ros.core.errors import ExitCode
from vlm_misalign_ros.core.labels.classes import CLASSES
from vlm_misalign_ros.core.metrics.rates import RATES

VERBS = next(
    action.choices
    for action in parser.build()._actions
    if isinstance(action, argparse._SubParsersAction)
)


def ended(arguments):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    return caught.value.code


def test_the_version_is_the_packages(capsys):
    assert ended(['--version']) == 0
    assert capsys.readouterr().out == f'vlm-misalign {__version__}\n'


@pytest.mark.parametrize('verb', parser.VERBS)
def test_every_argument_is_explained_with_its_default(verb, capsys):
    for action in VERBS[verb]._actions:
        assert action.help, f'{verb} {action.dest}'
    assert ended([verb, '--help']) == 0
    text = capsys.readouterr().out
    assert f'vlm-misalign {verb}' in text.partition('examples:')[2] and 'exit codes:' in text
    shown = ' '.join(text.split())
    for action in VERBS[verb]._actions:
        plain = not isinstance(action.default, bool) and action.default not in (
            None,
            '',
            [],
            argparse.SUPPRESS,
        )
        if action.option_strings and plain and 'default' not in action.help:
            assert f'(default: {action.default})' in shown, action.dest


@pytest.mark.parametrize(
    'arguments, words',
    [
        (['run', 'x', '--over'], 'unrecognized arguments: --over'),
        (['scenes', 'x', '--frames', '0'], '0 is less than 1'),
        (['scenes', 'x', '--seed', '-1'], '-1 is negative'),
        (['scenes', 'x', '--frames', 'many'], "invalid positive value: 'many'"),
        (['report', 'x', 'y'], 'unrecognized arguments: y'),
        (['list', 'dragons'], 'invalid choice'),
    ],
)
def test_a_wrong_argument_shows_the_usage_of_its_verb(arguments, words, capsys):
    assert ended(arguments) == ExitCode.ERROR
    error = capsys.readouterr().err
    assert words in error and error.startswith(f'usage: vlm-misalign {arguments[0]}')


def test_overrides_may_stand_on_both_sides_of_options():
    found = parser.parse(['run', 'demo', 'a=1', '--name', 'x', 'b=2'])
    assert (found.config, found.overrides, found.name) == ('demo', ['a=1', 'b=2'], 'x')


def test_a_configuration_that_does_not_exist_is_named_with_those_that_ship(capsys):
    for given in ('nowhere', 'nowhere.yaml', '/no/where.yaml', './evaluate.yaml'):
        assert main(['run', given]) == ExitCode.ERROR
        error = capsys.readouterr().err
        assert f'configuration {given!r} does not exist' in error
        assert 'demo, evaluate, grounded, live' in error and error.count('\n') == 1


@pytest.mark.parametrize('kind', KINDS)
def test_everything_can_be_listed_as_text_and_json(kind, capsys):
    assert main(['list', kind]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert main(['list', kind, '--json']) == 0
    found = json.loads(capsys.readouterr().out)
    assert lines and len(found) == len(lines)
    assert all(line.startswith(entry['name']) for line, entry in zip(lines, found, strict=True))


def test_the_lists_are_those_of_the_tables(capsys):
    def names(kind):
        main(['list', kind, '--json'])
        return [entry['name'] for entry in json.loads(capsys.readouterr().out)]

    assert names('corruptions') == list(CORRUPTIONS.names())
    assert names('rates') == [row.name for row in RATES]
    assert {'miniature:clip', 'transformers:NAME_OR_DIRECTORY'} <= set(names('models'))
    assert names('configs') == ['demo', 'evaluate', 'grounded', 'live', 'served', 'temporal']
    assert 'monitor.stopping_distance' in names('parameters')


@pytest.mark.parametrize('shell', ['bash', 'zsh', 'tcsh'])
def test_shells_can_complete_the_verbs(shell, capsys):
    assert main(['completion', shell]) == 0
    script = capsys.readouterr().out
    assert all(word in script for verb in parser.VERBS for word in verb.split())


@pytest.mark.parametrize(
    'words, found',
    [
        (['men'], ['mentions']),
        (['mentions', 'au'], ['audit']),
        (['bag', 'an'], ['analyse']),
        (['bag', 'analyse', '--name'], ['--namespace']),
        (['mentions', 'audit', '--lab'], ['--labeller', '--labels']),
    ],
)
def test_bash_completes_a_verb_of_two_words(words, found, tmp_path, capsys):
    assert main(['completion', 'bash']) == 0
    (tmp_path / 'script').write_text(capsys.readouterr().out)
    code = (
        'source "$1"; shift; COMP_WORDS=(vlm-misalign "$@"); COMP_CWORD=$#\n'
        '$(complete -p vlm-misalign | sed "s/.*-F *\\([^ ]*\\).*/\\1/")\n'
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ['bash', '-c', code, 'bash', str(tmp_path / 'script'), *words],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == found


def test_a_fault_of_the_program_ends_with_two_and_never_with_one(monkeypatch, capsys):
    from vlm_misalign_ros.app.cli import doctor

    def broken(arguments):
        raise KeyError('a bug')

    monkeypatch.setattr(doctor, 'run', broken)
    assert main(['doctor']) == ExitCode.ERROR
    error = capsys.readouterr().err
    assert "KeyError: 'a bug'. This is a fault of the program" in error and 'Traceback' in error


def test_a_reader_that_goes_away_is_no_fault():
    code = 'from vlm_misalign_ros.app.cli import main; import sys; sys.exit(main(sys.argv[1:]))'
    done = subprocess.run(
        f'{sys.executable} -u -c "{code}" list parameters | head -1; exit ${{PIPESTATUS[0]}}',
        shell=True,
        executable='/bin/bash',
        capture_output=True,
        text=True,
    )
    assert done.stderr == '' and done.stdout.count('\n') == 1
    assert done.returncode in (ExitCode.PASS, UNHEARD)


def test_nothing_heavy_is_imported_to_show_the_help():
    code = (
        'import sys\n'
        'from vlm_misalign_ros.app.cli.parser import build\n'
        'build()\n'
        'print([n for n in ("torch", "transformers", "pandas", "cv2", "rclpy", "plotly") '
        'if n in sys.modules])'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.stdout.strip() == '[]', done.stdout + done.stderr


def test_a_model_can_be_asked_without_a_run(checkpoints, tmp_path, capsys):
    assert main(['ask', f'open_clip:local-dir:{checkpoints["clip"]}']) == ExitCode.PASS
    answer = json.loads(capsys.readouterr().out)
    assert answer['kind'] == 'contrastive' and set(answer['scores']) == set(CLASSES)
    text = f'transformers:{checkpoints["segformer"]}'
    assert main(['ask', text, '--segmentation']) == ExitCode.PASS
    classes = json.loads(capsys.readouterr().out)['classes']
    assert set(classes) <= set(CLASSES) and sum(classes.values()) == pytest.approx(1, abs=1e-3)
    assert main(['ask', text]) == ExitCode.ERROR
    assert 'does not answer with text' in capsys.readouterr().err
    (tmp_path / 'no.png').write_text('no picture')
    assert main(['ask', text, str(tmp_path / 'no.png'), '--segmentation']) == ExitCode.ERROR
    assert 'no.png is no picture' in capsys.readouterr().err
