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

"""Under which names a run's topics are looked for in a bag, and what is said where one lacks."""

import json
from pathlib import Path

import pytest
import yaml
from mcap.writer import Writer
from recorded import START, STORE, rewritten

from golden import replaying
from vlm_misalign_ros.app.cli import main
from vlm_misalign_ros.bags.places import parse_topics, run_config, run_folder, suggestion
from vlm_misalign_ros.bags.reading import open_bag
from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.records.schema import FrameRecord
from vlm_misalign_ros.core.records.store import RECORDS, read_records
from vlm_misalign_ros.wire import topics


@pytest.mark.parametrize(
    'rule', ['', 'a', 'a:=', ':=b', 'a:b', 'a:=b c', 'a:=/b:=c', '1:=2', 'a=b']
)
def test_what_is_no_rule_is_refused(rule):
    with pytest.raises(ConfigurationError, match='TOPIC_OF_THE_RUN:=TOPIC_OF_THE_BAG'):
        parse_topics([rule])


def test_rules_are_read():
    found = parse_topics(['camera/image_raw:=/front/image', '/a:=b'])
    assert found == {'camera/image_raw': '/front/image', '/a': 'b'}


def empty(path, *names, kind='sensor_msgs/msg/Image'):
    """Write an MCAP file with topics of pictures that have none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, 'wb') as file:
        writer = Writer(file)
        writer.start(profile='ros2', library='test')
        text = STORE.generate_msgdef(kind, ros_version=2)[0].encode()
        schema = writer.register_schema(kind, 'ros2msg', text)
        for name in names:
            channel = writer.register_channel(name, 'cdr', schema)
            writer.add_message(channel, START, b'', START)
        writer.finish()
    return path


@pytest.mark.parametrize(
    'there, topic, words',
    [
        (['/sensing/camera/front'], 'camera/image_raw', 'one topic that it may be: --topic '),
        (['/x', '/ns/camera/image_raw'], 'camera/image_raw', ':=/ns/camera/image_raw; or '),
        (['/b', '/a'], 'camera/image_raw', 'may be one of /a, /b: --topic camera/image_raw:=/a'),
        (['/b', '/carla/semantic'], 'ground_truth/labels', 'labels:=/carla/semantic; or '),
        (['/b', '/carla/semantic'], 'camera/image_raw', 'camera/image_raw:=/b; or '),
        (['/b'], 'ground_truth/labels', ''),
        ([], 'camera/image_raw', ''),
    ],
)
def test_a_topic_that_lacks_is_suggested_by_its_type_and_name(there, topic, words, tmp_path):
    with open_bag(empty(tmp_path / 'x.mcap', *there)) as bag:
        assert words in suggestion(bag, topic) and bool(words) == bool(suggestion(bag, topic))


def test_compressed_pictures_are_suggested_by_the_name_of_what_they_are_made_of(tmp_path):
    kind = 'sensor_msgs/msg/CompressedImage'
    with open_bag(empty(tmp_path / 'x.mcap', '/front/compressed', kind=kind)) as bag:
        assert ':=/front; or ' in suggestion(bag, 'camera/image_raw')


def test_names_of_topics_in_an_error_steer_no_terminal(tmp_path, capsys):
    empty(tmp_path / 'x.mcap', '/a\x1b]0;b\x07', '/c\u202e')
    assert main(['analyse', str(tmp_path / 'x.mcap'), '--out', str(tmp_path / 'out')]) == 2
    (line,) = (text for text in capsys.readouterr().err.splitlines() if 'error: ' in text)
    assert 'no topic ground_truth/labels' in line and 'it has a\\x1b]0;b\\x07, c\\u202e' in line


def test_the_folder_of_a_run_is_found_by_its_bag_and_by_a_file_of_it(tmp_path, monkeypatch):
    file = empty(tmp_path / 'bag' / 'bag_0.mcap', '/a')
    (tmp_path / 'bag' / 'metadata.yaml').write_text('')
    alone = empty(tmp_path / 'alone.mcap', '/a')
    assert {run_folder(path) for path in (tmp_path / 'bag', file, alone)} == {tmp_path}
    monkeypatch.chdir(tmp_path / 'bag')
    assert run_folder(Path('.')) == run_folder(Path('../bag/.')).resolve() == tmp_path
    (tmp_path / 'bag' / 'inside').mkdir()
    monkeypatch.chdir('inside')
    assert run_folder(Path('..')) == tmp_path


def test_a_configuration_of_somebody_else_is_none(tmp_path):
    bag, config = tmp_path / 'bag', tmp_path / 'config.yaml'
    assert run_config(bag) == ''
    for text in ('robot: 7', '[', '- 1', ''):
        config.write_text(text)
        assert run_config(bag) == ''
    config.write_text('monitor: {}')
    assert run_config(bag) == str(config)
    # In the folder of a run a broken one is the run's own.
    (tmp_path / 'manifest.json').write_text('{}')
    config.write_text('[')
    with pytest.raises(ConfigurationError, match=r'config\.yaml cannot be read'):
        run_config(bag)


@pytest.mark.heavy
def test_the_runs_own_configuration_and_topics_given_lead_to_the_same_records(tmp_path, capsys):
    """A live run in a namespace, much of it under other names, recorded and scored three ways."""
    plain = replaying.write_bag(tmp_path / 'plain' / 'bag', live=True)
    said = topics.vlm_description(replaying.MODELS[0])
    names = {
        topics.TRUTH_LABELS: '/carla/tags',
        topics.CAMERA_INFO: '/carla/camera_info',
        said: '/stack/says',
        topics.DEGRADED_CONDITION: '/shown/as',
        topics.SEGMENTATION_LABELS: '/front/mask',
        topics.SEGMENTATION_CONFIDENCE: '/front/sure',
    }
    with open_bag(plain) as bag:
        others = [name.removeprefix('/') for name in bag.topics if name[1:] not in names]
    moved = {**names, **{name: f'/front/{name}' for name in others}}
    bag = rewritten(plain, tmp_path / 'run' / 'bag', {}, moved)
    config = {
        'vlms': {name: {'model': f'miniature:{name}'} for name in replaying.MODELS},
        'segmentation': {'model': 'miniature:segformer'},
        'monitor': {'pictures': 0},
        'mode': 'live',
        'namespace': 'front',
        'remap': names,
    }
    (tmp_path / 'plain' / 'config.yaml').write_text(
        yaml.safe_dump({**config, 'namespace': '', 'remap': {}})
    )
    (tmp_path / 'run' / 'config.yaml').write_text(yaml.safe_dump(config))
    bare = tmp_path / 'bare.yaml'
    bare.write_text(yaml.safe_dump({**config, 'namespace': '', 'remap': {}}))
    rules = [word for name, target in names.items() for word in ('--topic', f'{name}:={target}')]
    calls = {
        'plain': [plain],
        'own': [bag],
        'file': [next(bag.glob('*.mcap'))],
        'given': [bag, '--config', bare, '--namespace', 'front', *rules],
    }
    found = {}
    for name, words in calls.items():
        out = tmp_path / f'out_{name}'
        assert main(['analyse', *map(str, words), '--out', str(out)]) == 0, name
        found[name] = [r for r in read_records(out / RECORDS) if isinstance(r, FrameRecord)]
    assert len(found['plain']) == 12
    assert all(frames == found['plain'] for frames in found.values())
    capsys.readouterr()
    # Without the rules, the topic is missed, and what it may be is said.
    words = ['analyse', str(bag), '--config', str(bare), '--out', str(tmp_path / 'none')]
    assert main(words) == 2
    error = capsys.readouterr().err
    assert '--topic ground_truth/labels:=/carla/tags' in error, error
    assert 'Traceback' not in error
    assert not (tmp_path / 'none').exists()
    assert json.loads((tmp_path / 'out_own' / 'verdict.json').read_text())['status'] == 'COMPLETE'
