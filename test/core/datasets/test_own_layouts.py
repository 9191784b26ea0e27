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

"""Data sets in their own folders: one scene gives the same truth in all of them."""

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import relaid

from vlm_misalign_ros.core.datasets import LAYOUTS, MEANINGS, open_dataset
from vlm_misalign_ros.core.datasets.idd import COLORS, IDD_LABELS, IDS, LEVEL3_IDS, TRAIN_IDS
from vlm_misalign_ros.core.datasets.kitti360 import OWN_LABELS
from vlm_misalign_ros.core.datasets.mapillary_labels import CITYSCAPES, V1_2, V2_0
from vlm_misalign_ros.core.datasets.order import has_sequences
from vlm_misalign_ros.core.errors import DatasetError
from vlm_misalign_ros.core.labels.classes import BY_NAME, CLASSES, to_train_ids
from vlm_misalign_ros.core.labels.telling import Telling
from vlm_misalign_ros.core.truth.read import (
    TruthMaps,
    TruthSettings,
    read_seen,
    read_truth,
    trust_of,
)
from vlm_misalign_ros.core.types import Hazard, NoCamera, Presence

PLACES = {
    'cityscapes': lambda root, out: shutil.copytree(root, out),
    'foggy_cityscapes': lambda root, out: relaid.foggy(root, out, ('0.02',)),
    'acdc': relaid.acdc,
    'bdd100k': relaid.bdd100k,
    'mapillary_1_2': lambda root, out: relaid.mapillary(root, out, 'v1.2', '.'),
    'mapillary_2_0': lambda root, out: relaid.mapillary(root, out, 'v2.0', 'v2.0'),
    'kitti360': relaid.kitti360,
    'idd': relaid.idd,
}


@pytest.fixture(scope='module')
def laid(scenes, tmp_path_factory):
    """Return a function that lays the scenes out, once; tests copy before they spoil."""
    made = {}

    def lay(name):
        if name not in made:
            made[name] = PLACES[name](scenes, tmp_path_factory.mktemp(name) / 'data')
        return f'{name.partition("_1_2")[0].partition("_2_0")[0]}:{made[name]}'

    return lay


@pytest.fixture
def copied(laid, tmp_path):
    """Return a function that gives (place, folder) of a copy that may be spoiled."""

    def copy(name):
        layout, _, folder = laid(name).partition(':')
        out = Path(shutil.copytree(folder, tmp_path / 'copy'))
        return f'{layout}:{out}', out

    return copy


def presence_of(frame):
    return read_truth(TruthMaps.of(frame), frame.camera, TruthSettings()).seen.scene


@pytest.mark.parametrize('name', PLACES)
def test_one_scene_has_the_same_truth_everywhere(name, scenes, laid):
    original, dataset = open_dataset(scenes), open_dataset(laid(name))
    found = {frame.image.tobytes(): frame for frame in dataset}
    jpeg = name.startswith(('bdd', 'mapillary', 'idd'))
    assert len(found) == (6 if 'cityscapes' in name else 2)
    for place, expected in enumerate(original):
        frame = found.get(expected.image.tobytes())
        if jpeg and place < 2:
            frame = dataset.read(place)
            assert np.abs(frame.image.astype(int) - expected.image).mean() < 6
        elif name == 'foggy_cityscapes':
            frame = dataset.read(place)
        if frame is None:
            assert place >= 2
            continue
        # What is evaluated is the same to the last pixel; what is not may be called otherwise.
        np.testing.assert_array_equal(
            to_train_ids(frame.labels), to_train_ids(expected.labels), err_msg=name
        )
        assert {int(i) for i in np.unique(frame.instances // 1000)} - {0} == {
            int(i) for i in np.unique(expected.instances // 1000)
        } - {0} - ({30} if name == 'acdc' else set())
        wanted, seen = presence_of(expected), presence_of(frame)
        for label in CLASSES:
            # A layout may know less of what is absent, and never more.
            if wanted[label] is Presence.ABSENT:
                assert seen[label] is not Presence.REQUIRED
            else:
                assert seen[label] is wanted[label], (name, label)
        assert trust_of(frame, TruthSettings()).scorable


@pytest.mark.parametrize('name', PLACES)
def test_instances_are_those_of_the_scene(name, scenes, laid):
    first = open_dataset(laid(name)).read(0)
    expected = open_dataset(scenes).read(0)
    apart = expected.instances >= 1000
    pairs = np.unique(np.stack([first.instances[apart], expected.instances[apart]]), axis=1)
    assert len(set(pairs[0])) == len(set(pairs[1])) == pairs.shape[1] > 1
    assert (pairs[0] // 1000 == pairs[1] // 1000).all()
    if not name.startswith('mapillary'):  # has no groups but those of labels of their own
        assert (first.instances[expected.instances < 1000] < 1000).all()


@pytest.mark.parametrize('name', PLACES)
def test_where_nothing_tells_of_a_camera_nobody_judges_the_road(name, laid):
    frame = open_dataset(laid(name)).read(0)
    truth = read_truth(TruthMaps.of(frame), frame.camera, TruthSettings())
    if name in ('cityscapes', 'foggy_cityscapes', 'kitti360'):
        assert frame.known_camera is not None
    else:
        assert isinstance(frame.camera, NoCamera)
        assert truth.hazard.verdict is Hazard.INDETERMINATE


def test_the_camera_of_kitti360_is_that_of_its_files(laid):
    camera = open_dataset(laid('kitti360')).read(0).camera
    assert (camera.width, camera.height) == (1408, 376)
    assert (camera.fx, camera.cx, camera.cy) == (552.554261, 682.049453, 238.769549)
    assert math.isclose(camera.pitch, 0.1, abs_tol=1e-9)
    assert math.isclose(camera.baseline, 0.594184, abs_tol=1e-5)


def test_splits_and_times_of_kitti360(laid, copied):
    dataset = open_dataset(laid('kitti360'), split='val')
    assert [entry.key for entry in dataset.entries] == [
        '2013_05_28_drive_0001_sync_0000000387@38.7'
    ]
    place, folder = copied('kitti360')
    label = dataset.entries[0].labels
    (folder / label.relative_to(dataset.root)).with_name('\u00b2.png').write_bytes(b'')
    assert len(open_dataset(place)) == 2
    (folder / 'calibration' / 'perspective.txt').unlink()
    assert 'perspective.txt' in open_dataset(place).read(0).camera.reason
    (folder / 'calibration' / 'perspective.txt').write_text('P_rect_00: 1 2 x\n')
    with pytest.raises(DatasetError, match='perspective.txt has 0 numbers for P_rect_00'):
        open_dataset(place)


def test_fog_is_chosen_told_and_pairs_with_the_clean_picture(scenes, tmp_path):
    folder = relaid.foggy(scenes, tmp_path / 'scenes')
    with pytest.raises(DatasetError, match=r'has 3 pictures of the frame.*beta_0.005.*#beta_0'):
        open_dataset(f'foggy_cityscapes:{folder}')
    with pytest.raises(DatasetError, match=r"no pictures 'beta_0.5'.*there is beta_0.005"):
        open_dataset(f'foggy_cityscapes:{folder}#beta_0.5')
    fog = open_dataset(f'foggy_cityscapes:{folder}#beta_0.020')
    clean = open_dataset(scenes)
    assert [e.key for e in fog.entries] == [e.key for e in clean.entries]
    assert [e.sequence for e in fog.entries] == [e.sequence for e in clean.entries]
    assert fog.name == clean.name == 'scenes'
    told = dict(fog.read(0).about.recorded)
    assert told == {'weather': 'fog', 'rendering': 'foggy', 'beta': '0.02'}
    assert fog.read(0).image.mean() > clean.read(0).image.mean()
    # A folder whose name has a # is that folder.
    shutil.move(folder, tmp_path / 'a#b')
    assert len(open_dataset(f'foggy_cityscapes:{tmp_path}/a#b#beta_0.01')) == 6


def test_rain_is_chosen_by_as_much_as_tells_it(scenes, tmp_path):
    folder = relaid.rainy(scenes, tmp_path / 'rain')
    place = f'rainy_cityscapes:{folder}'
    with pytest.raises(DatasetError, match=r'has 4 pictures'):
        open_dataset(place)
    with pytest.raises(DatasetError, match=r'has 2 pictures.*pattern_12'):
        open_dataset(f'{place}#alpha_0.02')
    told = dict(open_dataset(f'{place}#alpha_0.02_pattern_12').read(0).about.recorded)
    assert told == {
        'weather': 'rain', 'rendering': 'rain', 'alpha': '0.02', 'beta': '0.01',
        'dropsize': '0.005', 'pattern': '12',
    }  # fmt: skip


def test_what_coarse_labels_leave_open_is_not_absent(scenes, tmp_path):
    folder = relaid.coarse(scenes, tmp_path / 'coarse')
    fine, frame = open_dataset(scenes).read(0), open_dataset(f'cityscapes_coarse:{folder}').read(0)
    absent = {name for name, state in presence_of(fine).items() if state is Presence.ABSENT}
    seen = presence_of(frame)
    assert absent and all(seen[name] is Presence.TOLERATED for name in absent)
    # Half of it is not labelled: too little to score, unless the settings say otherwise.
    assert not trust_of(frame, TruthSettings()).scorable
    with pytest.raises(DatasetError, match=r'but no gtFine.*cityscapes_coarse:'):
        open_dataset(folder)


def test_conditions_of_acdc_are_cities_and_its_references_a_split(laid):
    place = laid('acdc')
    night = open_dataset(place, cities=('night',)).read(0)
    assert (night.key, night.about.recorded) == (
        'GOPR0351_frame_000159',
        (('condition', 'night'),),
    )
    with pytest.raises(DatasetError, match="no city 'hail'.*fog, night"):
        open_dataset(place, cities=('hail',))
    fog = open_dataset(place, split='val', cities=('fog',)).read(0)
    clear = open_dataset(place, split='val_ref')
    # Of two reference pictures one is labelled; it has the key of its adverse one.
    assert [frame.key for frame in clear] == [fog.key]
    assert clear.read(0).about.recorded == (('reference_of', 'fog'),)


def test_what_is_invalid_in_acdc_is_neither_required_nor_absent(copied):
    place, folder = copied('acdc')
    before = open_dataset(place, split='val', cities=('fog',)).read(0)
    wanted = presence_of(before)
    name = next(n for n in CLASSES if wanted[n] is Presence.REQUIRED)
    here = before.labels == BY_NAME[name].id
    path = next((folder / 'gt' / 'fog').rglob('*_gt_labelIds.png'))
    relaid.write(path.with_name(path.name.replace('labelIds', 'invIds')), here.astype(np.uint8))
    frame = open_dataset(place, split='val', cities=('fog',)).read(0)
    assert not (frame.labels[here]).any() and not (frame.instances[here]).any()
    assert presence_of(frame)[name] is Presence.TOLERATED
    whole = open_dataset(f'{place}#invalid', split='val', cities=('fog',)).read(0)
    assert (whole.labels == before.labels).all() and presence_of(whole)[name] is Presence.REQUIRED
    with pytest.raises(DatasetError, match="no variant 'fog' of acdc"):
        open_dataset(f'{place}#fog')


def test_groups_of_acdc_are_no_things(copied):
    place, folder = copied('acdc')
    before = open_dataset(place, split='val', cities=('fog',)).read(0)
    number = int(np.unique(before.instances[before.instances >= 1000])[0])
    image = next((folder / 'gt_panoptic' / 'fog').rglob('*.png'))
    pixel = np.argwhere(before.instances == number)[0]
    blue, green, red = (int(v) for v in cv2.imread(str(image))[tuple(pixel)])
    told = folder / 'gt_panoptic' / 'fog' / 'fog_val_gt_panoptic.json'
    data = json.loads(told.read_text())
    data['annotations'][0]['segments_info'] = [
        {'id': red + 256 * green + 65536 * blue, 'iscrowd': 1, 'category_id': 26}
    ]
    told.write_text(json.dumps(data))
    after = open_dataset(place, split='val', cities=('fog',)).read(0).instances
    assert (after[before.instances == number] == number // 1000).all()
    told.write_text(json.dumps({'annotations': []}))
    with pytest.raises(DatasetError, match='says nothing of GOPR0475_frame_000041_gt_panoptic'):
        open_dataset(place, split='val')
    told.unlink()
    with pytest.raises(DatasetError, match='panoptic images but no .*fog_val_gt_panoptic.json'):
        open_dataset(place, split='val')


def test_bit_masks_of_bdd100k_tell_crowds_and_weather(copied):
    place, folder = copied('bdd100k')
    dataset = open_dataset(place)
    assert not has_sequences(dataset.entries)
    first = dataset.read(0)
    assert first.about.recorded == (('timeofday', 'night'), ('weather', 'rainy'))
    assert dataset.read(1).about.recorded == ()
    path = sorted((folder / 'labels/pan_seg/bitmasks/val').glob('*.png'))[0]
    bits = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    bits[..., 1] = 1 << 1
    cv2.imwrite(str(path), bits)
    assert (open_dataset(place).read(0).instances < 1000).all()
    # Without panoptic bit masks train ids are read, in which the hood is not told.
    shutil.rmtree(folder / 'labels' / 'pan_seg')
    plain = open_dataset(place).read(0)
    np.testing.assert_array_equal(to_train_ids(plain.labels), to_train_ids(first.labels))
    assert plain.instances is None and not plain.tells_hood
    shutil.rmtree(folder / 'labels' / 'sem_seg')
    with pytest.raises(
        DatasetError, match='found images/10k under .*, but none of labels/pan_seg'
    ):
        open_dataset(place)


def test_the_folders_of_bdd100k_of_2018(scenes, tmp_path):
    scene = relaid.scenes_of(scenes)[0]
    relaid.write(tmp_path / 'seg/images/val/0a.jpg', scene.image)
    relaid.write(tmp_path / 'seg/labels/val/0a_train_id.png', relaid.train_ids(scene.labels))
    labels = open_dataset(f'bdd100k:{tmp_path}').read(0).labels
    np.testing.assert_array_equal(to_train_ids(labels), relaid.train_ids(scene.labels))


def test_both_versions_of_mapillary_in_one_folder_are_chosen_between(scenes, tmp_path):
    relaid.mapillary(scenes, tmp_path, 'v1.2', 'v1.2')
    relaid.mapillary(scenes, tmp_path, 'v2.0', 'v2.0')
    with pytest.raises(DatasetError, match=r'labels v2.0 and v1.2.*#v2.0 or .*#v1.2'):
        open_dataset(f'mapillary:{tmp_path}')
    one, two = (open_dataset(f'mapillary:{tmp_path}#v{n}').read(0) for n in ('1.2', '2.0'))
    np.testing.assert_array_equal(to_train_ids(one.labels), to_train_ids(two.labels))
    # The configuration in the folder says what a value is.
    turned = [{'name': name} for name in V2_0]
    turned[21], turned[24] = turned[24], turned[21]
    (tmp_path / 'config_v2.0.json').write_text(json.dumps({'labels': turned}))
    other = open_dataset(f'mapillary:{tmp_path}#v2.0').read(0).labels
    assert (other[two.labels == 7] == 8).all() and (two.labels == 7).any()
    (tmp_path / 'config_v2.0.json').write_text('{"labels": [{"name": "void--dragon"}]}')
    with pytest.raises(DatasetError, match='not known: void--dragon'):
        open_dataset(f'mapillary:{tmp_path}#v2.0')
    (tmp_path / 'config_v2.0.json').write_text(json.dumps({'labels': [turned[0]] * 257}))
    with pytest.raises(DatasetError, match=r'config_v2\.0\.json has 257 labels'):
        open_dataset(f'mapillary:{tmp_path}#v2.0')


def test_groups_of_mapillary_are_no_things(scenes, tmp_path):
    relaid.mapillary(scenes, tmp_path, 'v2.0', 'v2.0')
    for folder, factor in (('labels', 1), ('instances', 256)):
        for path in (tmp_path / 'validation' / 'v2.0' / folder).glob('*.png'):
            values = np.array(relaid.Image.open(path)).astype(np.uint16)
            values[values // factor == 30] += factor
            cv2.imwrite(str(path), values if factor > 1 else values.astype(np.uint8))
    for frame in open_dataset(f'mapillary:{tmp_path}'):
        people = frame.labels == BY_NAME['person'].id
        assert (frame.instances[people] == BY_NAME['person'].id).all()


def test_an_autorickshaw_is_a_vehicle_of_which_nobody_knows_what_it_is_called(copied):
    place, folder = copied('idd')
    for path in folder.glob('gtFine/*/*/*_labelids.png'):
        values = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        values[np.isin(values, [9, 10, 12, 13, 14, 15, 16, 17])] = 11
        cv2.imwrite(str(path), values)
    for frame in open_dataset(place):
        assert (frame.labels == BY_NAME['dynamic'].id).any()
        seen = presence_of(frame)
        assert {seen[n] for n in ('car', 'motorcycle', 'vehicle')} == {Presence.TOLERATED}
        assert frame.instances.max() < 26000


def test_idd_without_label_images_is_told_how_to_make_them(copied):
    place, folder = copied('idd')
    for path in folder.glob('gtFine/*/*/*ids.png'):
        path.unlink()
    with pytest.raises(DatasetError, match='there are polygons.*createLabels.py --id-type id'):
        open_dataset(place)


@pytest.mark.parametrize('kind', ['labellevel3Ids', 'labelcsTrainIds', 'labelColors'])
def test_other_label_images_of_idd_say_no_more_than_they_know(kind, scenes, copied):
    place, folder = copied('idd')
    full = open_dataset(place).read(0)
    by_id = {entry.id: entry for entry in IDD_LABELS.values()}
    for path in folder.glob('gtFine/*/*/*_labelids.png'):
        values = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        made = np.zeros((*values.shape, 3) if kind == 'labelColors' else values.shape, np.uint8)
        for value in np.unique(values):
            entry = by_id[int(value)]
            train = BY_NAME[entry.cityscapes].train_id
            told = {'labellevel3Ids': entry.level3, 'labelcsTrainIds': train}
            made[values == value] = told.get(kind, entry.color[::-1])
        path.unlink()
        cv2.imwrite(str(path).replace('labelids', kind), made)
    frame = open_dataset(place).read(0)
    assert frame.instances is None
    seen, wanted = presence_of(frame), presence_of(replace(full, instances=None))
    for name in CLASSES:
        assert {seen[name], wanted[name]} != {Presence.REQUIRED, Presence.ABSENT}, name
        assert seen[name] is not Presence.REQUIRED or wanted[name] is Presence.REQUIRED


@pytest.mark.parametrize('entry', IDD_LABELS.values(), ids=IDD_LABELS)
def test_what_ids_of_idd_leave_open_is_not_absent_by_train_ids(entry):
    def absent(table, value):
        labels = table.translate(Path('a.png'), np.full((64, 128), value, np.uint8))
        maps = TruthMaps(labels, telling=Telling.of(table.about))
        seen = read_seen(maps, TruthSettings()).scene
        return {name for name, state in seen.items() if state is Presence.ABSENT}

    # A guard rail may be called a fence, a group of poles a pole, a bridge a building.
    assert absent(TRAIN_IDS, BY_NAME[entry.cityscapes].train_id) <= absent(IDS, entry.id)


@pytest.mark.parametrize(
    ('table', 'value'), [(IDS, 34), (LEVEL3_IDS, 25), (TRAIN_IDS, 255), (COLORS, (169, 187, 214))]
)
def test_what_stands_where_idd_says_fallback_background_is_unknown(table, value, tmp_path):
    """
    By AutoNUE/public-code, helpers/anue_labels.py: id 34, csId and csTrainId 255, level3Id 25.

    Its group is that of the sky, and its colour that of obs-str-bar-fallback, too.
    """
    path = tmp_path / 'a.png'
    if table is COLORS:
        cv2.imwrite(str(path), np.full((64, 128, 3), value[::-1], np.uint8))
    else:
        cv2.imwrite(str(path), np.full((64, 128), value, np.uint8))
    maps = TruthMaps(table.read(path), telling=Telling.of(table.about))
    seen = read_seen(maps, TruthSettings()).scene
    assert {seen[name] for name in ('building', 'vegetation', 'sky')} == {Presence.TOLERATED}
    assert Presence.REQUIRED not in seen.values()
    # A thing on the road would have had a label, a fallback of its own at the least.
    assert seen['person'] is Presence.ABSENT


@pytest.mark.parametrize('name', PLACES)
def test_who_points_too_high_or_too_low_is_told_where_it_lies(name, laid):
    layout, _, folder = laid(name).partition(':')
    below = next(p for p in sorted(Path(folder).iterdir()) if p.is_dir())
    for wrong in (Path(folder).parent, below):
        with pytest.raises(DatasetError) as caught:
            open_dataset(f'{layout}:{wrong}')
        assert f'give {layout}:{folder}, which has it' in str(caught.value)
    with pytest.raises(DatasetError, match='does not exist.*looked for'):
        open_dataset(f'{layout}:{folder}/nowhere')


@pytest.mark.parametrize('folder', ['x' * 5000, '~nobody-of-that-name/data'])
@pytest.mark.parametrize('layout', ['', 'acdc:', 'bag:'])
def test_a_place_that_cannot_be_looked_up_is_refused_in_a_short_line(layout, folder):
    with pytest.raises(DatasetError, match=folder[:20]) as caught:
        open_dataset(f'{layout}{folder}')
    assert len(str(caught.value)) < 600


def test_another_layout_is_recognised(laid):
    folder = laid('kitti360').partition(':')[2]
    for layout in set(LAYOUTS.builtin()) - {'kitti360', 'bag'}:
        with pytest.raises(DatasetError, match=f'it looks like kitti360:{folder}'):
            open_dataset(f'{layout}:{folder}')


@pytest.mark.parametrize('name', ['acdc', 'bdd100k', 'mapillary_2_0', 'kitti360', 'idd'])
def test_what_a_layout_does_not_have_is_refused(name, laid):
    with pytest.raises(DatasetError, match='no sequences'):
        open_dataset(laid(name), sequences=True)
    with pytest.raises(DatasetError, match="no split 'dusk'.*there is"):
        open_dataset(laid(name), split='dusk')
    with pytest.raises(DatasetError, match='limit -1'):
        open_dataset(laid(name), limit=-1)
    assert len(open_dataset(laid(name), limit=1)) == 1


@pytest.mark.parametrize('name', ['acdc', 'bdd100k', 'mapillary_2_0', 'kitti360', 'idd'])
def test_files_that_are_damaged_are_named(name, copied):
    place, folder = copied(name)
    pictures = [p for p in folder.rglob('*') if p.suffix in ('.png', '.jpg')]
    entry = open_dataset(place).entries[0]
    for path in (entry.image, entry.labels, entry.instances):
        assert path in pictures
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 2])
        with pytest.raises(DatasetError, match=path.name.replace('.', r'\.')):
            open_dataset(place)
        path.write_bytes(data)
    size = cv2.imread(str(entry.image)).shape
    for path in {entry.image, entry.instances}:
        data = path.read_bytes()
        cv2.imwrite(str(path), np.zeros((size[0], size[1] - 8, 3), np.uint8))
        with pytest.raises(DatasetError, match='resize both alike'):
            open_dataset(place)
        path.write_bytes(data)


@pytest.mark.parametrize('name', ['acdc', 'mapillary_2_0', 'kitti360', 'idd'])
def test_a_value_that_does_not_exist_is_named(name, copied):
    place, _ = copied(name)
    path = open_dataset(place).entries[0].labels
    values = np.array(relaid.Image.open(path))
    values[3, 5] = 199
    relaid.write(path, values)
    with pytest.raises(DatasetError, match='value 199 at row 3, column 5'):
        open_dataset(place).read(0)


def test_the_tables_have_every_value_that_was_published():
    assert sorted(entry.id for entry in IDD_LABELS.values()) == list(range(40))
    assert (len(V1_2), len(set(V1_2)), len(V2_0), len(set(V2_0))) == (66, 66, 124, 124)
    assert set(CITYSCAPES) == set(V1_2) | set(V2_0)
    assert sorted(OWN_LABELS) == list(range(34, 45))
    named = {*CITYSCAPES.values(), *OWN_LABELS.values()}
    named |= {entry.cityscapes for entry in IDD_LABELS.values()}
    assert named <= set(BY_NAME)
    assert set(MEANINGS) == set(LAYOUTS.builtin())
