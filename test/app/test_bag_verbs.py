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

"""The group `bag`: its verbs on the command line, as executables, and in a shell."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from golden import replaying
from vlm_misalign_ros.app.cli import main, parser
from vlm_misalign_ros.app.graph import build_graph
from vlm_misalign_ros.core.errors import ExitCode
from vlm_misalign_ros.core.records.store import RECORDS, comparable, read_frames
from vlm_misalign_ros.core.settings.configuration import parse

TOOLS = Path(__file__).resolve().parents[2] / 'rosbag_tools'
WORDS = parser.second_words('bag')


@pytest.fixture(scope='module')
def recorded(tmp_path_factory):
    """Return a live bag of four frames."""
    return replaying.write_bag(tmp_path_factory.mktemp('recorded') / 'bag', True, ('clean',))


def test_the_group_tells_its_verbs(capsys):
    with pytest.raises(SystemExit) as caught:
        main(['bag', '--help'])
    text = capsys.readouterr().out
    assert caught.value.code == 0
    assert all(f'  {word} ' in text for word in WORDS)


@pytest.mark.parametrize('words', [['bag'], ['bag', 'dragons'], ['bag', '--over']])
def test_what_is_no_verb_of_bags_shows_those_that_are(words, capsys):
    with pytest.raises(SystemExit) as caught:
        main(words)
    error = capsys.readouterr().err
    assert caught.value.code == ExitCode.ERROR and error.startswith('usage: vlm-misalign bag')


@pytest.mark.parametrize('word', WORDS)
def test_every_verb_is_an_executable_for_ros2_run(word):
    path = TOOLS / f'bag_{word.replace("-", "_")}'
    assert path.stat().st_mode & 0o111
    done = subprocess.run([sys.executable, path, '--help'], capture_output=True, text=True)
    assert done.returncode == 0 and f'usage: vlm-misalign bag {word}' in done.stdout


def test_every_executable_is_a_verb():
    names = {path.name for path in TOOLS.iterdir() if path.is_file()}
    assert names == {'analyse', *(f'bag_{word.replace("-", "_")}' for word in WORDS)}


@pytest.mark.heavy
def test_a_recorder_of_a_configuration_listens_as_that_of_its_run(tmp_path, monkeypatch):
    alone = pytest.importorskip('vlm_misalign_ros.nodes.alone')
    data = {
        'mode': 'live',
        'namespace': 'front',
        'remap': {'camera/image_raw': '/ego/rgb'},
        'segmentation': {'model': 'miniature:segformer'},
        'reference': {'model': 'transformers:another/one'},
        'vlms': {'clip': {'model': 'miniature:clip'}},
        'use_sim_time': True,
        'log_level': 'debug',
        'qos_overrides': {'/ego/rgb': {'subscription': {'depth': 3}}},
    }
    path = tmp_path / 'live.yaml'
    path.write_text(yaml.safe_dump(data), encoding='utf-8')
    found = []
    monkeypatch.setattr(alone, 'run_alone', lambda *given: found.append(given) or 2)
    assert main(['bag', 'record', str(tmp_path / 'out'), '--config', str(path)]) == 2
    ((spec, namespace, rules, _, arguments),) = found
    graph = build_graph(parse({**data, 'record': True}), tmp_path)
    (own,) = (entry for entry in graph.nodes if entry.name == 'recorder')
    assert {**spec['parameters'], 'path': ''} == {**own.parameters, 'path': ''}
    assert spec['parameters']['use_sim_time'] is True
    assert spec['parameters']['path'] == str(tmp_path / 'out')
    assert (namespace, arguments) == (graph.namespace, graph.arguments)
    assert graph.arguments and any('ego/rgb' in name for name in own.parameters)
    assert rules == [f'{source}:={target}' for source, target in graph.remappings]
    assert 'ground_truth/labels:=reference/labels' in rules


@pytest.mark.heavy
def test_bag_analyse_is_analyse(recorded, tmp_path, capsys):
    found = []
    for number, words in enumerate((['analyse'], ['bag', 'analyse'])):
        out = tmp_path / str(number)
        assert main([*words, str(recorded), '--out', str(out)]) == 0
        found.append([comparable(record) for record in read_frames(out / RECORDS)])
    assert len(found[0]) == 4 and found[0] == found[1]
