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

"""What trackers and viewers are given of a run, each read back by its own library."""

import importlib
import json
import re
import struct
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from made import frame_record
from made_runs import a_run, frames
from vlm_misalign_ros.app.cli import main
from vlm_misalign_ros.app.cli.view import _show, command
from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.evaluation.seen import Seen
from vlm_misalign_ros.core.records.ending import Ending, write_ending
from vlm_misalign_ros.core.report.exports import tracked
from vlm_misalign_ros.core.report.exports.tracked import package, told_of
from vlm_misalign_ros.core.report.exports.writing import Exported
from vlm_misalign_ros.core.report.finalise import finalise
from vlm_misalign_ros.core.report.loading import load_run

CONFIGURATION = {
    'replay': {'dataset': 'd', 'conditions': ['clean', 'low_light:3']},
    'vlms': [{'name': 'm', 'model': 'miniature:clip'}],
}


@pytest.fixture(scope='module')
def run(tmp_path_factory):
    """A finished run: of clean frames one assertion in eight is made up, of dark ones half."""
    records = [
        *frames(40, 'clean', hallucinated=lambda k: k % 4 == 0),
        *frames(40, 'low_light:3', hallucinated=1),
        *frames(40, 'blank', hallucinated=2),
    ]
    folder = a_run(tmp_path_factory.mktemp('of') / 'run', records)
    manifest = json.loads((folder / 'manifest.json').read_text())
    manifest['configuration'] |= CONFIGURATION
    (folder / 'manifest.json').write_text(json.dumps(manifest))
    write_ending(folder, Ending())
    finalise(folder)
    return folder


def test_curves_are_over_severity_and_begin_with_clean_frames(run):
    told = told_of(run)
    points = {(point.name, point.severity): point.value for point in told.points}
    curve = 'm/hallucination_rate/low_light'
    assert (points[curve, 0], points[curve, 3]) == (0.125, 0.5)
    assert points['m/hallucination_rate/blank', 0] == 1
    assert points[f'{curve}.low', 3] < 0.5 < points[f'{curve}.high', 3]
    # 0.9 of 1 and 0 of another class.
    assert points['segmentation/miou/low_light', 3] == pytest.approx(0.45)
    assert len({(point.name, point.severity) for point in told.points}) == len(told.points)
    assert told.parameters['vlms.m.model'] == 'miniature:clip'
    assert told.parameters['replay.conditions'] == "['clean', 'low_light:3']"
    assert {path.name for path in told.files} >= {'rates.csv', 'verdict.json', 'report.html'}


def test_a_package_that_is_not_there_is_named_with_its_extra(run, monkeypatch, tmp_path, capsys):
    present = importlib.import_module

    def gone(name):
        if name.partition('.')[0] in ('mlflow', 'wandb', 'rerun'):
            raise ModuleNotFoundError(f'No module named {name!r}')
        return present(name)

    monkeypatch.setattr(tracked.importlib, 'import_module', gone)
    with pytest.raises(ConfigurationError, match=r"pip install 'vlm_misalign_ros\[mlflow\]'"):
        package('mlflow', 'mlflow')
    for words in (
        ['export', str(run), '--format', 'mlflow', '--out', str(tmp_path / 'a')],
        ['export', str(run), '--format', 'wandb', '--out', str(tmp_path / 'a')],
        ['view', str(run), '--save', str(tmp_path / 'a')],
    ):
        assert main(words) == 2
        assert 'is not installed' in capsys.readouterr().err
    assert not (tmp_path / 'a').exists()


@pytest.mark.parametrize(
    'words, told',
    [
        (['--format', 'mlflow', '--condition', 'clean'], '--condition is given for the format'),
        (['--format', 'coco', '--label-map', 'x'], '--label-map is given for the format coco'),
        (['--format', 'onnx', '--limit', '3'], '--limit is given for the format onnx'),
        (['--format', 'coco'], r"of0/run/config.yaml: section 'vlms' is empty"),
    ],
)
def test_options_of_other_formats_and_runs_without_pictures_are_refused(
    run, tmp_path, words, told, capsys
):
    out = tmp_path / 'out'
    assert main(['export', str(run), *words, '--out', str(out)]) == 2
    error = capsys.readouterr().err
    assert re.search(told, error) and error.count('\n') == 1 and not out.exists()


def test_mlflow_reads_the_curves_parameters_and_files(run, tmp_path):
    pytest.importorskip('mlflow', reason="MLflow is not installed: the extra 'mlflow'")
    pytest.importorskip('sqlalchemy', reason='this is mlflow-skinny, which has no store')
    from mlflow.tracking import MlflowClient

    out = tmp_path / 'ml'
    for _ in range(2):
        assert main(['export', str(run), '--format', 'mlflow', '--out', str(out)]) == 0
    client = MlflowClient(tracking_uri=f'sqlite:///{out / "mlflow.db"}')
    (experiment,) = (
        found for found in client.search_experiments() if found.name == tracked.PROJECT
    )
    found, again = client.search_runs([experiment.experiment_id])
    assert found.info.run_name == again.info.run_name == 'run'
    assert found.info.status == 'FINISHED' and found.data.tags['verdict'] == 'COMPLETE'
    history = client.get_metric_history(found.info.run_id, 'm/hallucination_rate/low_light')
    assert sorted((entry.step, entry.value) for entry in history) == [(0, 0.125), (3, 0.5)]
    assert found.data.params['vlms.m.model'] == 'miniature:clip'
    names = {file.path for file in client.list_artifacts(found.info.run_id)}
    assert names >= {'rates.csv', 'verdict.json', 'report.html'}


def wandb_records(path):
    """
    Yield the messages in a .wandb file, each parsed by wandb's own protocol.

    The container is LevelDB's log format (doc/log_format.md: blocks of 32 kB, entries of checksum,
    length and type, whole or in pieces) behind seven bytes; wandb has no reader in Python.
    """
    data, piece, place = path.read_bytes(), b'', 7
    assert data[:4] == b':W&B'
    while place + 7 <= len(data):
        left = 32768 - place % 32768
        if left < 7:
            place += left
            continue
        length, kind = struct.unpack_from('<HB', data, place + 4)
        piece += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):
            record = importlib.import_module('wandb.proto.wandb_internal_pb2').Record()
            record.ParseFromString(piece)
            yield record
            piece = b''


def test_wandb_reads_the_curves_and_sends_nothing(run, tmp_path, monkeypatch):
    pytest.importorskip('wandb', reason="wandb is not installed: the extra 'wandb'")
    out = tmp_path / 'wb'
    # Where anything was sent, it would fail.
    monkeypatch.setenv('WANDB_BASE_URL', 'http://127.0.0.1:9')
    assert main(['export', str(run), '--format', 'wandb', '--out', str(out)]) == 0
    (path,) = out.glob('wandb/offline-run-*/run-*.wandb')

    def values(items):
        return {
            item.key or '/'.join(item.nested_key): json.loads(item.value_json) for item in items
        }

    found = list(wandb_records(path))
    rows = [values(one.history.item) for one in found if one.HasField('history')]
    config = {}
    for one in found:
        config |= values(one.run.config.update) | values(one.config.update)
    curve = 'm/hallucination_rate/low_light'
    points = [(row['severity'], row[curve]) for row in rows if curve in row]
    assert points == [(0, 0.125), (3, 0.5)]
    assert config['vlms.m.model'] == 'miniature:clip'
    (table,) = path.parent.rglob('rates_*.table.json')
    assert len(json.loads(table.read_text())['data']) == len(load_run(run).rates)
    assert any(one.HasField('artifact') or one.request.HasField('log_artifact') for one in found)


def test_what_a_frame_lacks_does_not_stay_from_the_one_before():
    from vlm_misalign_ros.core.report.exports.rerun import _Shown

    logged = []
    made = {
        'new_entity_path': '/'.join,
        'Clear': lambda recursive: 'cleared',
        'AnnotationContext': lambda *given: 'context',
    }
    kinds = ('SegmentationImage', 'EncodedImage', 'LineStrips2D', 'TextDocument', 'Scalars')
    made |= {kind: lambda *given, kind=kind, **more: kind for kind in kinds}
    stream = SimpleNamespace(
        log=lambda place, entity, **more: logged.append((place, entity)),
        set_time=lambda *given, **more: None,
    )
    shown = _Shown(SimpleNamespace(**made), stream, Exported())
    pixels, ids = np.zeros((64, 128, 3), np.uint8), np.full((64, 128), 7, np.uint8)
    shown.add(0, Seen(frames(1, 'clean')[0], pixels, pixels, ids, None, ids))
    first, logged[:] = dict(logged), []
    shown.add(1, Seen(frame_record(), pixels))
    lacking = {'camera/clean', 'camera/picture/truth', 'camera/picture/mask', 'models/m'}
    assert all(first[place] != 'cleared' for place in lacking)
    assert {place for place, entity in logged if entity == 'cleared'} == lacking


def test_rerun_reads_what_was_shown(tmp_path):
    pytest.importorskip('rerun', reason="rerun-sdk is not installed: the extra 'rerun'")
    from vlm_misalign_ros.core.report.exports.rerun import write_rerun

    generator = np.random.default_rng(0)
    labels = np.full((64, 128), 7, np.uint8)
    records = [*frames(3, 'clean', hallucinated=1), *frames(3, 'low_light:3')]
    shown = [
        Seen(record, generator.integers(0, 255, (64, 128, 3), dtype=np.uint8), None, labels)
        for record in records
    ]
    path = tmp_path / 'run.rrd'
    assert write_rerun(path, shown, 'run').pictures == 6

    def told(*words):
        done = subprocess.run(
            [sys.executable, '-m', 'rerun_cli', 'rrd', *words, str(path)],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        return done.stdout

    told('verify')
    text = told('print', '-vvv')
    for entity in ('camera/picture', 'camera/picture/truth', 'models/m', 'truth'):
        assert f'/{entity} ' in text.replace('\n', ' ')
    assert 'rates/hallucination_rate/m/degraded' in text and 'low_light:3' in text


def test_what_ends_the_verb_ends_the_viewer(tmp_path, monkeypatch):
    # A viewer that waits, below what starts it, and tells that it is there.
    told = tmp_path / 'pid'
    inner = f'import os, time; open({str(told)!r}, "w").write(str(os.getpid())); time.sleep(100)'
    outer = f'import subprocess, sys; subprocess.call([sys.executable, "-c", {inner!r}])'

    def interrupted(viewer, timeout=None):
        if timeout is None and not told.exists():
            while not (told.exists() and told.read_text()):
                pass
            raise KeyboardInterrupt
        return waited(viewer, timeout)

    waited = subprocess.Popen.wait
    monkeypatch.setattr(subprocess.Popen, 'wait', interrupted)
    with pytest.raises(KeyboardInterrupt):
        _show([sys.executable, '-c', outer])
    stat = Path(f'/proc/{told.read_text()}/stat')
    for _ in range(1000):
        if not stat.exists() or stat.read_text().rpartition(')')[2].split()[0] == 'Z':
            break
        threading.Event().wait(0.01)
    else:
        raise AssertionError('the viewer goes on')


def test_the_viewer_listens_on_this_machine_alone(tmp_path):
    words = command(tmp_path / 'a.rrd', True, 0)
    assert words[words.index('--bind') + 1] == '127.0.0.1' and '--web-viewer' in words
    assert 0 < int(words[words.index('--port') + 1]) < 2**16
    assert '--web-viewer' not in command(tmp_path / 'a.rrd', False, 9)
