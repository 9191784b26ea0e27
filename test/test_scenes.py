"""Synthetic scenes: the same from the same seed, and truth that is true."""

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest

from vlm_misalign_ros.datasets import open_dataset
from vlm_misalign_ros.datasets.scenes import BASELINE, generate, render_scene
from vlm_misalign_ros.errors import ConfigurationError, DatasetError
from vlm_misalign_ros.labels import BY_NAME, CLASSES, LABELS
from vlm_misalign_ros.metrics.hazard import HazardSettings, ground_distance, hazard
from vlm_misalign_ros.metrics.objects import find_things
from vlm_misalign_ros.types import Hazard

ID = {label.name: label.id for label in LABELS}
SIZE = {'width': 256, 'height': 128}


def digest(frame):
    total = hashlib.sha256()
    for array in (frame.image, frame.labels, frame.instances):
        total.update(array.tobytes())
    return total.hexdigest()


@pytest.fixture(scope='module')
def frames():
    return [render_scene(5, index, **SIZE) for index in range(40)]


def test_a_frame_is_the_same_alone_and_in_another_process(frames):
    assert digest(render_scene(5, 17, **SIZE)) == digest(frames[17])
    code = ('import sys; sys.path.insert(0, sys.argv[1]); import test_scenes as t;'
            'print(t.digest(t.render_scene(5, 17, **t.SIZE)))')
    done = subprocess.run(
        [sys.executable, '-c', code, os.path.dirname(__file__)], capture_output=True, text=True,
        check=True)
    assert done.stdout.strip() == digest(frames[17])


def test_seeds_and_frames_differ(frames):
    assert len({digest(frame) for frame in frames}) == len(frames)
    assert digest(render_scene(6, 17, **SIZE)) != digest(frames[17])


def test_labels_and_instances_agree(frames):
    things = {label.id for label in LABELS if label.has_instances}
    for frame in frames:
        numbered = frame.instances >= 1000
        assert (frame.instances[numbered] // 1000 == frame.labels[numbered]).all()
        assert (frame.instances[~numbered] == frame.labels[~numbered]).all()
        assert set(np.unique(frame.labels[numbered])) <= things


def test_all_kinds_of_things_come_up(frames):
    seen = set(np.unique(np.concatenate([frame.labels.ravel() for frame in frames])))
    rare = {'train', 'terrain', 'wall', 'fence'}
    missing = {name for name in CLASSES if ID[name] not in seen} - rare
    assert not missing


def test_sequences_move(frames):
    first, second = frames[0], frames[1]
    assert first.sequence == second.sequence
    changed = (first.labels != second.labels).mean()
    assert 0.005 < changed < 0.6


def test_about_half_of_the_scenes_are_hazards():
    verdicts = []
    for index in range(0, 240, 4):
        frame = render_scene(1, index, **SIZE)
        things = find_things(frame.labels, frame.instances)
        verdicts.append(hazard(
            things, frame.labels.shape, frame.camera, HazardSettings()).verdict)
    share = verdicts.count(Hazard.HAZARD) / len(verdicts)
    assert 0.3 < share < 0.7


def test_the_disparity_is_that_of_a_flat_road_under_the_camera(tmp_path):
    generate(tmp_path, 2, seed=8, **SIZE)
    dataset = open_dataset(tmp_path)
    frame, disparity = dataset.read(0), dataset.disparity(0)
    camera = frame.camera
    row = 120
    road = frame.labels[row] == BY_NAME['road'].id
    assert road.sum() > 20
    distance = ground_distance(camera, row + 0.5)
    depth = distance * np.cos(camera.pitch) + camera.mount_height * np.sin(camera.pitch)
    measured = np.median(BASELINE * camera.fx / disparity[row][road])
    assert measured == pytest.approx(depth, rel=0.08)


def test_the_files_are_the_frames(tmp_path, frames):
    generate(tmp_path / 'a', 3, seed=5, **SIZE)
    for frame, expected in zip(open_dataset(tmp_path / 'a'), frames, strict=False):
        assert frame.key == expected.key and digest(frame) == digest(expected)
        assert frame.camera == expected.camera


@pytest.mark.parametrize('chosen, words', [
    ({'frames': 0}, '0 frames'), ({'frames': 1, 'width': 10}, '10 x 512'),
    ({'frames': 1, 'height': 100000}, '1024 x 100000')])
def test_sizes_that_cannot_be_are_refused(tmp_path, chosen, words):
    with pytest.raises(ConfigurationError, match=words):
        generate(tmp_path, seed=0, **chosen)


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(DatasetError, match='cannot be written'):
        generate(tmp_path / 'file' / 'scenes', 1, seed=0, **SIZE)
