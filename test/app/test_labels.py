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

"""The verb `labels`, and that no run begins on labels that say nothing."""

import json
import shutil

import cv2
import numpy as np
import pytest
import recoded

from golden import replaying
from vlm_misalign_ros.app import labels as sources
from vlm_misalign_ros.app.cli import main
from vlm_misalign_ros.app.preflight import preflight
from vlm_misalign_ros.core.datasets import open_dataset
from vlm_misalign_ros.core.errors import DatasetError, RecordError
from vlm_misalign_ros.core.settings.configuration import parse


def paths(folder):
    return sorted((folder / 'gtFine').rglob('*_labelIds.png'))


def read(path):
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)


def told(capsys, *arguments):
    assert main(['labels', *map(str, arguments)]) == 0
    return capsys.readouterr().out


def plain(capsys, *arguments):
    return json.loads(told(capsys, *arguments, '--json'))


@pytest.fixture
def spoilt(scenes, tmp_path):
    """Return a data set whose labels are black."""
    folder = shutil.copytree(scenes, tmp_path / 'spoilt')
    for path in paths(folder):
        cv2.imwrite(str(path), np.zeros_like(read(path)))
    return folder


# The verb ------------------------------------------------------------------------------------


@pytest.mark.parametrize('name', list(recoded.every(np.zeros((1, 1), np.uint8))))
def test_a_picture_says_which_encoding_it_has(scenes, tmp_path, capsys, name):
    drawn = recoded.every(read(paths(scenes)[0]))[name]
    file = tmp_path / 'map.png'
    cv2.imwrite(str(file), drawn if drawn.ndim == 2 else drawn[:, :, ::-1])
    found = plain(capsys, file)
    assert name in found['fitting']
    (reading,) = [entry for entry in found['encodings'] if entry['encoding'] == name]
    assert reading['fits'] and reading['scorable'] == 1 and reading['outside'] == {}


def test_a_folder_is_looked_at_by_samples_of_its_label_maps(scenes, capsys):
    found = plain(capsys, scenes, '--samples', 3)
    assert found['fitting'] == ['cityscapes_label_ids']
    assert {entry['maps'] for entry in found['encodings']} == {3}
    chosen = [read(paths(scenes)[index]) for index in (0, 2, 5)]
    (reading,) = [e for e in found['encodings'] if e['encoding'] == 'cityscapes_label_ids']
    expected = float(np.mean([(labels == 7).mean() for labels in chosen]))
    assert reading['classes']['road'] == pytest.approx(expected)
    text = told(capsys, scenes, '--samples', 3)
    assert 'fits 3 of 3' in text and text.endswith('monitor.label_encoding=cityscapes_label_ids\n')


def test_real_frames_are_label_ids(sample, capsys):
    assert plain(capsys, sample)['fitting'] == ['cityscapes_label_ids']


def test_black_labels_fit_nothing(spoilt, capsys):
    text = told(capsys, spoilt)
    assert 'fits 0 of 6; every pixel is 0' in text and 'as they came: value 0 (100 %)' in text
    assert 'no encoding fits, and none of it can be scored' in text


def test_blended_colours_are_counted_outside_the_table(scenes, tmp_path, capsys):
    drawn = recoded.palette(recoded.tags(read(paths(scenes)[0])))[:, :, ::-1]
    cv2.imwrite(str(tmp_path / 'map.jpg'), drawn, [cv2.IMWRITE_JPEG_QUALITY, 85])
    found = plain(capsys, tmp_path / 'map.jpg')
    assert found['fitting'] == []
    (reading,) = [e for e in found['encodings'] if e['encoding'] == 'carla_palette']
    assert reading['outside'] and 'it does not have values #' in reading['reasons'][0]


def test_a_table_of_ones_own_is_tried_beside_the_others(tmp_path, capsys):
    labels = np.full((64, 128), 103, np.uint8)
    labels[:30], labels[40:, :20] = 101, 102
    cv2.imwrite(str(tmp_path / 'map.png'), labels)
    table = tmp_path / 'mine.yaml'
    table.write_text('values: {101: building, 102: car, 103: road}')
    assert plain(capsys, tmp_path / 'map.png')['fitting'] == []
    found = plain(capsys, tmp_path / 'map.png', '--encoding', table)
    assert found['fitting'] == ['mine.yaml']


def test_limits_are_those_of_the_evaluation(scenes, tmp_path, capsys):
    labels = read(paths(scenes)[0])
    labels[: len(labels) // 4] = 0
    cv2.imwrite(str(tmp_path / 'map.png'), labels)
    assert 'cityscapes_label_ids' not in plain(capsys, tmp_path / 'map.png')['fitting']
    found = plain(capsys, tmp_path / 'map.png', 'unlabelled_share=0.4')
    assert found['fitting'] == ['cityscapes_label_ids']


def test_a_bag_has_its_labels_on_the_topic_of_that_name(tmp_path, capsys):
    bag = replaying.write_bag(tmp_path / 'bag', live=True)
    found = plain(capsys, bag, '--samples', 4)
    assert found['place'].endswith(' /ground_truth/labels')
    assert found['fitting'] == ['cityscapes_label_ids']
    masks = plain(capsys, bag, '--topic', 'segmentation/labels')
    assert masks['fitting'] == ['cityscapes_train_ids']
    with pytest.raises(RecordError, match=r'no pictures on /nothing.*/ground_truth/labels'):
        sources.from_bag(bag, '/nothing', 3)


@pytest.mark.parametrize(
    'name, words',
    [
        ('missing.png', 'does not exist'),
        ('empty', 'has no label maps'),
        ('text.png', 'is no picture'),
        ('empty.mcap', 'is empty'),
    ],
)
def test_what_is_no_label_map_is_named(tmp_path, capsys, name, words):
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'text.png').write_text('no picture')
    (tmp_path / 'empty.mcap').write_bytes(b'')
    assert main(['labels', str(tmp_path / name)]) == 2
    error = capsys.readouterr().err
    assert words in error and name in error and 'Traceback' not in error


# Runs, calibration, pictures of the truth ------------------------------------------------------


def configuration(folder, **replay):
    return parse(
        {
            'mode': 'evaluation',
            'replay': {'dataset': str(folder), **replay},
            'segmentation': False,
            'vlms': {'clip': {'model': 'miniature:clip'}},
        }
    )


def test_a_run_over_labels_that_say_nothing_does_not_begin(spoilt):
    with pytest.raises(DatasetError, match=r"split 'val' of data set .*spoilt.* 5 of 5 frames"):
        preflight(configuration(spoilt, split='val'))


def test_a_run_over_labels_that_say_enough_begins(scenes):
    assert preflight(configuration(scenes))['dataset']['frames'] == 6


def test_a_few_black_frames_do_not_hinder_a_run(spoilt, scenes):
    """They are counted in it."""
    for path in paths(scenes)[:4]:
        shutil.copy(path, spoilt / path.relative_to(scenes))
    preflight(configuration(spoilt))


def test_a_run_with_the_instances_of_other_frames_does_not_begin(scenes, tmp_path):
    folder = shutil.copytree(scenes, tmp_path / 'mixed')
    files = sorted((folder / 'gtFine').rglob('*_instanceIds.png'))
    for path in files:
        cv2.imwrite(str(path), read(path)[:, ::-1])
    with pytest.raises(DatasetError, match='the instance map contradicts the labels'):
        preflight(configuration(folder))


def test_the_pictures_of_the_truth_say_which_frames_have_none(spoilt, tmp_path, capsys):
    assert main(['truth', str(spoilt), '--out', str(tmp_path / 'out')]) == 0
    assert '6 of 6 frames are unscorable, first' in capsys.readouterr().out
    key = open_dataset(spoilt).entries[0].key
    assert cv2.imread(str(tmp_path / 'out' / f'{key}.jpg')) is not None


@pytest.mark.heavy
def test_calibration_leaves_such_frames_out_and_names_them(spoilt, capsys):
    arguments = ['calibrate', 'miniature:clip', '--dataset', str(spoilt), '--out', 'no.json']
    assert main(arguments) == 2
    assert '6 of 6 frames are unscorable' in capsys.readouterr().err
