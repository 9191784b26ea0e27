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

"""What a model's classes are in Cityscapes: by names, aliases, shipped maps and files."""

import pytest
import yaml

from vlm_misalign_ros.core.errors import ConfigurationError, ModelError
from vlm_misalign_ros.core.labels.classes import CLASSES, IGNORE
from vlm_misalign_ros.core.models.label_maps import DATA, ClassMap, check, class_map, shipped


def names_of(source):
    return list(yaml.safe_load((DATA / 'label_maps' / f'{source}.yaml').read_text()))


def mapped(names, label_map=''):
    found = class_map(dict(enumerate(names)), 'm', label_map)
    return [None if to == IGNORE else CLASSES[to] for to in found.train_ids]


@pytest.mark.parametrize(
    'name, wanted',
    [
        ('Traffic-Light', 'traffic light'),
        ('TrafficLight', 'traffic light'),
        ('traffic_sign', 'traffic sign'),
        ('pedestrian', 'person'),
        ('MotorBike', 'motorcycle'),
        ('road, route', 'road'),
        ('caravan', None),
        ('ego vehicle', None),
        ('vehicle', None),
        ('four-wheeler', None),
        ('', None),
    ],
)
def test_a_class_is_known_by_its_name_or_an_alias(name, wanted):
    assert mapped(['sky', name]) == ['sky', wanted]


def test_cityscapes_own_names_need_no_map():
    found = class_map(dict(enumerate(CLASSES)), 'm')
    assert found == ClassMap(tuple(range(19)), 'names')
    assert found.known == CLASSES and found.lacking == () and found.told('m') == ''


@pytest.mark.parametrize('source', shipped())
def test_a_shipped_map_is_found_by_the_names_of_its_data_set(source):
    names = names_of(source)
    found = class_map(dict(enumerate(names)), 'm')
    assert found.source == source
    # Some are lost and some are added as people's heads have them.
    assert class_map(dict(enumerate(['void', *names[: -len(names) // 20]])), 'm').source == source


@pytest.mark.parametrize(
    'source, count, lacking',
    [
        ('ade20k', 150, {'rider', 'traffic sign', 'train'}),
        ('coco_panoptic', 133, {'pole', 'rider', 'traffic sign'}),
        ('mapillary_vistas', 65, set()),
        ('camvid', 32, {'rider', 'bicycle', 'truck', 'bus', 'terrain'}),
        ('bdd100k', 41, set()),
    ],
)
def test_what_a_data_set_cannot_tell(source, count, lacking):
    names = names_of(source)
    assert len(names) == count
    assert set(class_map(dict(enumerate(names)), 'm').lacking) == lacking


def test_classes_that_are_several_in_one_are_ignored():
    assert mapped(names_of('camvid'))[names_of('camvid').index('truck bus')] is None
    few = mapped(names_of('camvid_11'))
    assert few[names_of('camvid_11').index('car')] is None
    assert few[names_of('camvid_11').index('sign symbol')] is None


def test_names_as_checkpoints_write_them():
    # facebook/mask2former-*-mapillary-vistas and *-ade: with dashes, brackets and synonyms.
    table = dict(
        zip(names_of('mapillary_vistas'), mapped(names_of('mapillary_vistas')), strict=True)
    )
    assert table['lane marking general'] == 'road'
    written = [name.title().replace('Lane Marking ', 'Lane Marking - ') for name in table]
    assert mapped(written) == list(table.values())
    ade = [f'{name}, something else' for name in names_of('ade20k')]
    assert mapped(ade) == mapped(names_of('ade20k'))


def test_a_map_is_taken_by_its_name():
    assert mapped(['sidewalk', 'pavement', 'tree'], 'camvid_11') == [
        'sidewalk',
        'sidewalk',
        'vegetation',
    ]


def test_names_that_two_maps_fit_are_refused_where_these_differ(monkeypatch):
    import vlm_misalign_ros.core.models.label_maps as module

    other = {name: IGNORE for name in module._shipped('ade20k')}
    plain = module._shipped
    monkeypatch.setattr(module, 'shipped', lambda: ('ade20k', 'twin'))
    monkeypatch.setattr(module, '_shipped', lambda name: other if name == 'twin' else plain(name))
    with pytest.raises(ModelError, match="may be those of ade20k or twin.*'label_map'"):
        class_map(dict(enumerate(names_of('ade20k'))), 'm')
    monkeypatch.setattr(module, '_shipped', lambda name: plain('ade20k'))
    assert class_map(dict(enumerate(names_of('ade20k'))), 'm').source == 'ade20k'


def test_a_model_that_knows_nothing_is_refused():
    for names in (['cat', 'dog'], [], [f'LABEL_{n}' for n in range(19)]):
        with pytest.raises(ModelError, match='does not know a single class of Cityscapes'):
            class_map(dict(enumerate(names)), 'm')


@pytest.mark.parametrize('names', [{'x': 'road'}, {-1: 'road'}, {10**9: 'road'}, ['road'], None])
def test_names_that_are_none_are_refused(names):
    with pytest.raises(ModelError, match='has (class names that are none|the class indices)'):
        class_map(names, 'm')


def test_indices_without_a_name_are_ignored():
    assert class_map({0: 'road', '3': 'sky'}, 'm').train_ids == (0, IGNORE, IGNORE, 10)


# Files -------------------------------------------------------------------------------------------


def test_a_file_maps_by_name_and_by_index(tmp_path):
    path = tmp_path / 'map.yaml'
    path.write_text('Four Wheeler: car\n1: road\nbike: bicycle\nsky: ignore\n')
    names = ['four-wheeler', 'LABEL_1', 'bike', 'sky', 'bike', 'pole', 'cat']
    wanted = ['car', 'road', 'bicycle', None, 'bicycle', 'pole', None]
    assert mapped(names, str(path)) == wanted
    assert class_map(dict(enumerate(names)), 'm', str(path)).source == str(path)


@pytest.mark.parametrize(
    'text, words',
    [
        ('unicorn: car\n', "names the class 'unicorn', which model m does not have"),
        ('7: car\n', 'names the class 7, which model m does not have'),
        ('road: rode\n', "maps 'road' to 'rode'.*did you mean 'road'"),
        ('road: vehicle\n', "maps 'road' to 'vehicle'"),
        ('road: 0\n', "maps 'road' to 0"),
        ('road: [road]\n', 'maps'),
        ('road: road\nroad: car\n', "'road' comes twice"),
        ('? [a]\n: car\n', 'cannot be read|has the key'),
        ('true: car\n', 'has the key True'),
        ('1.5: car\n', 'has the key 1.5'),
        ('', 'is no mapping'),
        ('- road\n', 'is no mapping'),
        ('{', 'cannot be read'),
        ('!!python/object/apply:os.system [ls]: car\n', 'cannot be read'),
        ('road: &a road\ncar: *b\n', 'cannot be read'),
        ('[' * 5000, 'cannot be read'),
        ('# ' + 'x' * (1 << 20), 'larger than'),
    ],
)
def test_a_file_that_will_not_do_is_refused_with_the_reason(text, words, tmp_path):
    path = tmp_path / 'map.yaml'
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=words):
        class_map({0: 'road', 1: 'sky'}, 'm', str(path))


def test_a_file_that_is_not_there_is_named_with_what_there_is():
    with pytest.raises(ConfigurationError, match="'ade' cannot be read.*ade20k, bdd100k, camvid"):
        class_map({0: 'road'}, 'm', 'ade')
    with pytest.raises(ConfigurationError, match='cannot be read'):
        check('/no/map.yaml')
    check('')
    check('ade20k')
