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

"""`rescore`: a run folder of its own, the old one untouched, every change listed, refusals."""

import csv
import dataclasses
import json
import shutil

import pytest
import yaml

from golden import replaying
from vlm_misalign_ros.app import rescoring, rescoring_records, rescoring_settings
from vlm_misalign_ros.app.cli import main
from vlm_misalign_ros.app.workers import Workers
from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.evaluation.session import Session
from vlm_misalign_ros.core.files import sha256_of
from vlm_misalign_ros.core.labels.classes import CLASSES
from vlm_misalign_ros.core.language.lexicon import open_lexicon
from vlm_misalign_ros.core.language.prompts import find_prompt, prompts_hash
from vlm_misalign_ros.core.language.reading import read
from vlm_misalign_ros.core.models import frozen
from vlm_misalign_ros.core.models.factory import local_hash
from vlm_misalign_ros.core.models.factory import parse as parse_model
from vlm_misalign_ros.core.records.ending import Ending, read_ending, write_ending
from vlm_misalign_ros.core.records.manifest import language_of
from vlm_misalign_ros.core.records.store import difference
from vlm_misalign_ros.core.report.finalise import finalise
from vlm_misalign_ros.core.settings.configuration import parse

pytestmark = pytest.mark.timeout(300)
MODELS = ('clip', 'llava', 'paligemma')
HOSTILE = '=cmd|A1 <script>alert(1)</script> a cyclist is in our way: UNSAFE'


def calibrated(name):
    directory = parse_model(f'miniature:{name}').directory
    return json.loads((directory / 'calibration.json').read_text())


@pytest.fixture(scope='module')
def finished(tmp_path_factory):
    """Return the folder of a finished run over the golden scenes, with a hostile answer."""
    folder = tmp_path_factory.mktemp('runs') / 'base'
    folder.mkdir()
    raw = {
        'replay': {'dataset': str(replaying.SCENES)},
        'segmentation': {'model': 'miniature:segformer'},
        'vlms': {
            'clip': {'model': 'miniature:clip', 'calibration': 'own'},
            'llava': {'model': 'miniature:llava'},
            'paligemma': {'model': 'miniature:paligemma', 'prompt': 'default'},
        },
        'monitor': {'pictures': 0},
    }
    configuration = parse(raw)
    answers, frames = replaying.Answers(), replaying.dataset()
    session = Session(
        dataclasses.replace(configuration.monitor, run_folder=str(folder), deadline=1e9),
        name='base',
    )
    for position, source in replaying.plan(('clean', 'low_light:3', 'occlusion:3')):
        found = replaying.frame_parts(frames.read(position), source, answers)
        for name, value in found.items():
            if name.endswith('siglip'):
                continue
            if name.endswith('llava') and source.index == 0:
                said = read(HOSTILE, open_lexicon(), find_prompt('default').text)
                value = dataclasses.replace(
                    value,
                    text=HOSTILE,
                    mentions=said.mentions,
                    judgement=said.judgement,
                    scores={},
                )
            session.add(replaying.stamp_of(source), name, value, 0.0)
    session.end(0.0)
    models = {
        name: {
            'model': f'miniature:{name}',
            'role': 'vlm',
            'sha256': local_hash(parse_model(f'miniature:{name}')),
            'prompts_sha256': prompts_hash(),
        }
        for name in MODELS
    }
    models['clip']['calibration'] = {'file': 'own', 'sha256': calibrated('clip')['sha256']}
    models['segmentation'] = {
        'model': 'miniature:segformer',
        'role': 'segmentation',
        'label_map': {'name': 'names'},
        'classes': list(CLASSES),
    }
    manifest = {
        'configuration': json.loads(json.dumps(configuration.resolved(), default=str)),
        'models': models,
        'language': language_of(''),
        'expected_frames': 12,
    }
    (folder / 'manifest.json').write_text(json.dumps(manifest))
    (folder / 'config.yaml').write_text(yaml.safe_dump(raw))
    write_ending(folder, Ending(expected_frames=12))
    finalise(folder)
    return folder


def rescore(folder, *words):
    return main(['rescore', str(folder), *map(str, words)])


def test_the_same_settings_give_the_same_records(finished, tmp_path, capsys):
    before = {path.name: sha256_of(path) for path in finished.iterdir() if path.is_file()}
    assert rescore(finished, '--out', tmp_path, '--name', 'same') == 0
    made = tmp_path / 'same'
    assert (made / 'records.jsonl').read_bytes() == (finished / 'records.jsonl').read_bytes()
    assert difference(made / 'records.jsonl', finished / 'records.jsonl') == []
    assert (made / 'summary.csv').read_bytes() == (finished / 'summary.csv').read_bytes()
    assert {path.name: sha256_of(path) for path in finished.iterdir() if path.is_file()} == before
    assert '0 of 36 answers changed' in capsys.readouterr().out
    assert len((made / 'changed.csv').read_text().splitlines()) == 1


def test_another_lexicon_lists_every_change_and_says_where_it_came_from(
    finished, tmp_path, capsys
):
    words = tmp_path / 'words.yaml'
    words.write_text('things: [{classes: [truck], phrases: [cyclist]}]')
    assert rescore(finished, f'lexicon={words}', '--out', tmp_path, '--name', 'words') == 0
    made = tmp_path / 'words'
    rows = list(csv.DictReader((made / 'changed.csv').open(newline='')))
    lines = [json.loads(line) for line in (made / 'changed.jsonl').read_text().splitlines()]
    assert len(rows) == len(lines) > 0
    assert {row['model'] for row in rows} <= {'llava', 'paligemma'}
    assert {row['why'] for row in rows} == {'lexicon'}
    first = next(line for line in lines if line['text'] == HOSTILE)
    assert first['after']['truck'] == 'ASSERTED' and first['before']['truck'] is None
    shown = next(row for row in rows if 'script' in row['text'])
    assert shown['text'].startswith("'=cmd")
    manifest = json.loads((made / 'manifest.json').read_text())
    told = manifest['rescored']
    assert told['of'] == str(finished) and told['changed'] == len(rows)
    assert told['records_sha256'] == sha256_of(finished / 'records.jsonl')
    assert told['settings'] == {'lexicon': ['', str(words)]}
    assert manifest['language'] == language_of(str(words))
    assert manifest['configuration']['lexicon'] == str(words)
    assert parse(yaml.safe_load((made / 'config.yaml').read_text())).lexicon == str(words)
    assert 'scored again, from the records of base' in read_ending(made).notes
    assert f'{len(rows)} of 36 answers changed' in capsys.readouterr().out
    # Back again: another rescore of the new run, by the words of the first.
    assert rescore(made, "lexicon=''", '--out', tmp_path, '--name', 'back') == 0
    left = difference(tmp_path / 'back' / 'records.jsonl', finished / 'records.jsonl')
    assert all('.scores' in line for line in left)


def test_several_processes_make_the_same_files(finished, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(rescoring_records, '_PIECE', 1)
    words = tmp_path / 'words.yaml'
    words.write_text('things: [{classes: [truck], phrases: [cyclist]}]')
    told = []
    for jobs in (1, 3):
        options = ('--out', tmp_path, '--name', f'by{jobs}', '--jobs', jobs)
        assert rescore(finished, f'lexicon={words}', *options) == 0
        told.append(capsys.readouterr().out.replace(f'by{jobs}', 'it'))
    assert told[0] == told[1] and ' of 36 answers changed' in told[0]
    for name in ('records.jsonl', 'changed.jsonl', 'changed.csv', 'summary.csv'):
        assert (tmp_path / 'by1' / name).read_bytes() == (tmp_path / 'by3' / name).read_bytes()


def test_what_a_process_refuses_is_one_line_and_leaves_nothing(
    finished, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(rescoring_records, '_PIECE', 1)
    folder, out = tmp_path / 'base', tmp_path / 'out'
    shutil.copytree(finished, folder)
    # As records were before roads were kept: the last frame cannot be told by another corridor.
    lines = (folder / 'records.jsonl').read_text().splitlines()
    last = max(number for number, line in enumerate(lines) if '"roads"' in line)
    frame = json.loads(lines[last])
    del frame['truth']['roads']
    lines[last] = json.dumps(frame)
    (folder / 'records.jsonl').write_text('\n'.join(lines) + '\n')
    write_ending(folder, read_ending(finished))
    words = ('monitor.corridor_width=4', '--model', 'llava', '--out', out, '--jobs', 2)
    assert rescore(folder, *words) == 2
    said = capsys.readouterr().err
    assert 'was not kept yet' in said and 'Traceback' not in said
    assert len(said.strip().splitlines()) == 1
    assert not list(out.iterdir())


def test_a_process_that_is_ended_is_named(finished, tmp_path, capsys, monkeypatch):
    heard = Workers.heard

    def killed(workers, worker):
        workers._processes[worker].kill()
        return heard(workers, worker)

    monkeypatch.setattr(Workers, 'heard', killed)
    assert rescore(finished, '--out', tmp_path, '--jobs', 2) == 2
    assert 'a process of the rescore was ended (exit code -9)' in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_nothing_is_left_where_the_results_cannot_be_made(finished, tmp_path, capsys, monkeypatch):
    def full(folder):
        raise RecordError(f'{folder / "summary.csv"} cannot be written', 'free space')

    monkeypatch.setattr(rescoring, 'finalise', full)
    assert rescore(finished, '--out', tmp_path, '--name', 'new') == 2
    assert 'summary.csv cannot be written' in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_one_model_alone_may_have_another_corridor(finished, tmp_path, capsys):
    assert rescore(finished, 'monitor.corridor_width=4', '--out', tmp_path) == 2
    said = capsys.readouterr().err
    assert 'was made with corridor_width 3.0' in said and '--model NAME' in said
    assert not list(tmp_path.iterdir())
    words = ('monitor.corridor_width=4', '--model', 'llava', '--out', tmp_path, '--name', 'wide')
    assert rescore(finished, *words) == 0
    first = json.loads((tmp_path / 'wide' / 'records.jsonl').read_text().splitlines()[0])
    assert first['models'] == ['llava']
    assert '12 answers changed' in capsys.readouterr().out


def test_a_threshold_decides_what_has_no_point(finished, tmp_path, capsys):
    """A calibration of the same slopes and other thresholds: from .0 on everything is there."""
    content = {k: v for k, v in calibrated('clip').items() if k != 'sha256'}
    for point in content['points'].values():
        point['threshold'] = 0.0
    file = tmp_path / 'points.json'
    file.write_text(json.dumps({**content, 'sha256': frozen.digest(content)}))
    words = (f'vlms.clip.calibration={file}', '--out', tmp_path, '--name', 'all')
    assert rescore(finished, *words) == 0
    for line in (tmp_path / 'all' / 'records.jsonl').read_text().splitlines():
        record = json.loads(line)
        if record['kind'] == 'frame':
            said = record['models']['clip']['answer']['mentions']
            assert set(content['points']) - {'safe'} <= set(said)
    manifest = json.loads((tmp_path / 'all' / 'manifest.json').read_text())
    assert manifest['models']['clip']['calibration']['file'] == str(file)


def test_a_model_is_decided_by_its_own_points_whatever_the_order_of_models(finished):
    raw = yaml.safe_load((finished / 'config.yaml').read_text())
    other = {**raw, 'vlms': dict(reversed(raw['vlms'].items()))}
    other['vlms']['clip'] = {**other['vlms']['clip'], 'threshold': 0.9}
    manifest = json.loads((finished / 'manifest.json').read_text())
    old, new = parse(raw), parse(other)
    assert [vlm.name for vlm in new.vlms] == ['paligemma', 'llava', 'clip']
    deciders, _ = rescoring_settings._deciders(old, new, manifest, old.monitor, ())
    assert list(deciders) == ['clip']
    before, after = deciders['clip'].before, deciders['clip'].after
    assert (before.threshold, after.threshold) == (old.vlms[0].threshold, 0.9)
    assert before.points == after.points and set(before.points) > {'car', 'person'}


def test_masks_go_by_another_label_map(finished, tmp_path, capsys):
    """Riders that are people to the masks: no truth of a rider counts, as for a model without."""
    file = tmp_path / 'map.yaml'
    file.write_text('rider: person\n')
    words = (f'segmentation.label_map={file}', '--out', tmp_path, '--name', 'map')
    assert rescore(finished, *words) == 0
    rider, cells = CLASSES.index('rider'), []
    for line in (tmp_path / 'map' / 'records.jsonl').read_text().splitlines():
        record = json.loads(line)
        if record['kind'] == 'frame':
            assert record['segmentation']['lacks'] == ['rider']
            cells += record['segmentation']['cells']
    assert cells and all(rider not in cell[:2] for cell in cells)
    facts = json.loads((tmp_path / 'map' / 'manifest.json').read_text())['models']['segmentation']
    assert facts['lacking'] == ['rider'] and facts['label_map']['name'] == str(file)
    assert '0 of 36 answers changed' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('words', 'reason'),
    [
        (['monitor.minimum_area=400'], 'sizes and distances'),
        (['seed=3'], 'with it the models, or the pictures'),
        (['segmentation.label_map=/nowhere.yaml'], 'cannot be read'),
        (['monitor.corridor_width=2.5', '--model', 'llava'], 'they have it for'),
        (['vlms.clip.threshold=2'], 'allowed: 0 to 1'),
        (['nonsense'], 'KEY=VALUE'),
        (['--model', 'nobody'], 'has no model'),
        (['lexicon=/nowhere.yaml'], 'nowhere.yaml'),
        (['--name', 'a/b'], 'no folder name'),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(finished, tmp_path, capsys, words, reason):
    assert rescore(finished, *words, '--out', tmp_path) == 2
    said = capsys.readouterr().err
    assert reason in said and 'Traceback' not in said and len(said.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_run_that_was_changed_is_refused(finished, tmp_path, capsys):
    folder = tmp_path / 'run'
    shutil.copytree(finished, folder)
    text = (folder / 'records.jsonl').read_text()
    (folder / 'records.jsonl').write_text(text.replace('UNSAFE', 'SAFE', 1))
    assert rescore(folder) == 2
    assert 'not as the run left it' in capsys.readouterr().err
    assert rescore(tmp_path) == 2
    assert 'give the folder of a run' in capsys.readouterr().err


def test_a_folder_that_is_there_is_left_alone(finished, tmp_path, capsys):
    (tmp_path / 'base_rescored').mkdir()
    (tmp_path / 'base_rescored' / 'mine.txt').write_text('mine')
    assert rescore(finished, '--out', tmp_path) == 2
    assert 'exists' in capsys.readouterr().err
    assert [path.name for path in tmp_path.rglob('*.txt')] == ['mine.txt']
    (tmp_path / 'file').write_text('mine')
    for words in (('--out', tmp_path, '--name', 'file'), ('--name', finished.name)):
        assert rescore(finished, *words) == 2
        said = capsys.readouterr().err
        assert 'exists' in said and 'Traceback' not in said
    assert (tmp_path / 'file').read_text() == 'mine'
