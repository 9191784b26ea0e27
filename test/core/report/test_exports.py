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

"""A run in the formats of other tools, each read back: COCO and FiftyOne."""

import base64
import io
import json
import os
import zlib
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from made import frame_record
from vlm_misalign_ros.core.evaluation.seen import Seen
from vlm_misalign_ros.core.labels.classes import BY_NAME, CLASSES, LABELS
from vlm_misalign_ros.core.metrics.confusion import confusion
from vlm_misalign_ros.core.report.exports.coco import write_coco
from vlm_misalign_ros.core.report.exports.fiftyone import write_fiftyone
from vlm_misalign_ros.core.report.exports.rle import encode, regions, runs
from vlm_misalign_ros.core.report.exports.writing import LONGEST, bounded

SHAPE = (64, 128)
HOSTILE = '<script>alert(1)</script>\x1b[2J\u202e'
CAR, PERSON, SKY = (BY_NAME[name].id for name in ('car', 'person', 'sky'))


def counted(text):
    """Return the runs in COCO's text, from the description of maskApi.c."""
    found, place = [], 0
    while place < len(text):
        value = shift = 0
        while True:
            digit = ord(text[place]) - 48
            place += 1
            value |= (digit & 31) << shift
            shift += 5
            if not digit & 32:
                break
        if digit & 16:
            value -= 1 << shift
        found.append(value + found[-2] if len(found) > 2 else value)
    return found


def drawn(text, shape):
    """Return the mask of COCO's text."""
    flat, place, inside = np.zeros(shape[0] * shape[1], bool), 0, False
    for length in counted(text):
        flat[place : place + length] = inside
        place, inside = place + length, not inside
    assert place == flat.size
    return flat.reshape(shape[::-1]).T


MASKS = st.tuples(st.integers(1, 12), st.integers(1, 12)).flatmap(
    lambda shape: arrays(np.bool_, shape)
)


@given(MASKS)
def test_a_mask_is_what_its_runs_say(mask):
    lengths = runs(mask, 0, 0, *mask.shape)
    assert sum(lengths) == mask.size and all(length > 0 for length in lengths[1:])
    assert np.array_equal(drawn(encode(lengths), mask.shape), mask)


@given(MASKS, st.integers(0, 5), st.integers(0, 5), st.integers(0, 5), st.integers(0, 5))
def test_a_part_stands_where_it_is_in_the_whole(mask, top, left, below, right):
    whole = np.pad(mask, ((top, below), (left, right)))
    assert runs(mask, top, left, *whole.shape) == runs(whole, 0, 0, *whole.shape)


@given(st.lists(st.integers(0, 2**22), min_size=1, max_size=20))
def test_lengths_come_back_from_their_text(lengths):
    assert counted(encode(lengths)) == lengths


@settings(max_examples=50)
@given(arrays(np.uint8, (9, 11), elements=st.integers(0, 4)))
def test_regions_are_the_pixels_of_each_value(values):
    found = {region.value: region for region in regions(values, (1, 2, 3, 9))}
    assert set(found) == set(np.unique(values)) & {1, 2, 3}
    for value, region in found.items():
        rows, columns = np.nonzero(values == value)
        assert np.array_equal(drawn(region.counts, values.shape), values == value)
        assert region.area == len(rows)
        left, top, width, height = region.box
        assert (left, top) == (columns.min(), rows.min())
        assert (left + width - 1, top + height - 1) == (columns.max(), rows.max())


def made_frames(labels=None, instances=None, **said):
    """Two conditions of one frame with two cars, a group of people, road and sky."""
    if labels is None:
        labels = np.full(SHAPE, BY_NAME['road'].id, np.uint8)
        labels[:20], labels[30:50, 40:60], labels[5:9, 100:] = SKY, CAR, PERSON
        instances = labels.astype(np.uint16)
        instances[30:50, 40:50], instances[30:50, 50:60] = CAR * 1000, CAR * 1000 + 1
    generator = np.random.default_rng(0)
    answer = {'text': f'a car {HOSTILE}', 'mentions': {'car': 'ASSERTED', 'bus': 'HEDGED'}}
    models = {
        'llava': {
            'status': 'scored',
            'answer': {**answer, **said},
            'score': {'counts': {}, 'hallucinated': ['bus'], 'omitted': ['person']},
        },
        'clip': {'status': 'scored', 'answer': {**answer, 'kind': 'contrastive', 'text': ''}},
        'late': {'status': 'missing'},
    }
    return [
        Seen(
            frame_record(condition=name, key='../a/b', models=models, stamp=f'{n}.000000000'),
            generator.integers(0, 255, (*SHAPE, 3), dtype=np.uint8),
            None,
            labels,
            instances,
        )
        for n, name in enumerate(('clean', 'low_light:3'), 1)
    ]


def read(path):
    return json.loads(path.read_text())


def test_every_picture_is_an_image_with_the_truth_of_its_frame(tmp_path):
    frames = made_frames()
    found = write_coco(tmp_path, frames, {'description': 'x'})
    assert found.pictures == 2
    data = read(tmp_path / 'annotations/instances.json')
    assert [image['condition'] for image in data['images']] == ['clean', 'low_light:3']
    for image, seen in zip(data['images'], frames, strict=True):
        path = tmp_path / 'images' / image['file_name']
        assert path.resolve().is_relative_to(tmp_path / 'images')
        assert np.array_equal(cv2.imread(str(path)), seen.picture)
        assert (image['height'], image['width']) == SHAPE
    of_first = [a for a in data['annotations'] if a['image_id'] == 1]
    told = [(a['category_id'], a['area'], a['bbox'], a['iscrowd']) for a in of_first]
    assert told == [
        (CAR, 200, [40, 30, 10, 20], 0),
        (CAR, 200, [50, 30, 10, 20], 0),
        (PERSON, 112, [100, 5, 28, 4], 1),
    ]
    ids = [annotation['id'] for annotation in data['annotations']]
    assert ids == list(range(1, 7))
    stuff = read(tmp_path / 'annotations/stuff.json')
    assert {a['category_id'] for a in stuff['annotations']} == {BY_NAME['road'].id, SKY}
    names = {category['id']: category['name'] for category in stuff['categories']}
    assert names[SKY] == 'sky' and CAR not in names


def test_without_instances_things_are_groups_and_without_labels_nothing_is_told(tmp_path):
    labels = made_frames()[0].labels
    write_coco(tmp_path / 'a', made_frames(labels, None), {})
    found = read(tmp_path / 'a/annotations/instances.json')['annotations']
    assert {(a['category_id'], a['area'], a['iscrowd']) for a in found} == {
        (CAR, 400, 1),
        (PERSON, 112, 1),
    }
    frames = [Seen(seen.record, seen.picture) for seen in made_frames()]
    write_coco(tmp_path / 'b', frames, {})
    data = read(tmp_path / 'b/annotations/instances.json')
    # No annotation is no claim that nothing is there.
    assert data['annotations'] == [] and not any(one['labelled'] for one in data['images'])
    assert all(one['labelled'] for one in read(tmp_path / 'a/annotations/stuff.json')['images'])


def test_what_was_said_stands_beside_what_it_came_to(tmp_path):
    found = write_coco(tmp_path, made_frames(), {})
    first, second = read(tmp_path / 'results/captions_llava.json')
    assert first == {
        'image_id': 1,
        'caption': f'a car {HOSTILE}',
        'status': 'scored',
        'judgement': 'SAFE',
        'asserted': ['car'],
        'hallucinated': ['bus'],
        'omitted': ['person'],
    }
    assert second['image_id'] == 2
    assert HOSTILE[-1] not in (tmp_path / 'results/captions_llava.json').read_text()
    # A model without words has no caption, and one that never answered no result.
    assert 'caption' not in read(tmp_path / 'results/said_clip.json')[0]
    assert found.notes == ['clip has no words: its classes are in results/said_clip.json']
    assert not (tmp_path / 'results/captions_late.json').exists()


def test_a_long_answer_is_bounded(tmp_path):
    write_coco(tmp_path, made_frames(text='x' * 10**6), {})
    caption = read(tmp_path / 'results/captions_llava.json')[0]['caption']
    assert len(caption) == LONGEST + 1 and bounded('short') == 'short'


def test_pycocotools_reads_the_same(tmp_path):
    pytest.importorskip('pycocotools', reason='pycocotools is not installed: pip install it')
    from pycocotools import mask as masks
    from pycocotools.coco import COCO

    frames = made_frames()
    write_coco(tmp_path, frames, {'description': 'x'})
    instances = COCO(str(tmp_path / 'annotations/instances.json'))
    assert sorted(instances.getCatIds(['car', 'person'])) == [PERSON, CAR]
    for annotation in instances.loadAnns(instances.getAnnIds(imgIds=[2])):
        mask = instances.annToMask(annotation)
        # The second car begins at column 50.
        second = annotation['bbox'][0] == 50
        value = annotation['category_id']
        number = value if annotation['iscrowd'] else value * 1000 + second
        wanted = frames[0].instances == number
        assert np.array_equal(mask, wanted)
        assert masks.area(annotation['segmentation']) == annotation['area']
        assert list(masks.toBbox(annotation['segmentation'])) == annotation['bbox']
        peer = masks.encode(np.asfortranarray(mask))
        assert peer['counts'].decode() == annotation['segmentation']['counts']
    stuff = COCO(str(tmp_path / 'annotations/stuff.json'))
    sky = stuff.loadAnns(stuff.getAnnIds(imgIds=[1], catIds=[SKY]))[0]
    assert np.array_equal(stuff.annToMask(sky), frames[0].labels == SKY)
    said = stuff.loadRes(str(tmp_path / 'results/captions_llava.json'))
    assert said.imgToAnns[2][0]['caption'] == f'a car {HOSTILE}'


# FiftyOne ------------------------------------------------------------------------------------


def unpacked(value):
    """Return an array from FiftyOne's serialisation: numpy.save, zlib, base64 in extended JSON."""
    data = zlib.decompress(base64.b64decode(value['$binary']['base64']))
    return np.load(io.BytesIO(data), allow_pickle=False)


def test_a_sample_has_picture_truth_and_what_models_said(tmp_path):
    frames = made_frames()
    write_fiftyone(tmp_path, frames, {'description': 'x'})
    samples = read(tmp_path / 'samples.json')['samples']
    assert [sample['condition'] for sample in samples] == ['clean', 'low_light:3']
    for sample, seen in zip(samples, frames, strict=True):
        path = tmp_path / sample['filepath']
        assert path.resolve().is_relative_to(tmp_path / 'data')
        assert np.array_equal(cv2.imread(str(path)), seen.picture)
        mask = tmp_path / sample['segmentation']['mask_path']
        assert np.array_equal(cv2.imread(str(mask), cv2.IMREAD_UNCHANGED), seen.labels)
        assert sample['metadata']['size_bytes'] == path.stat().st_size
        assert (sample['metadata']['height'], sample['metadata']['width']) == SHAPE
    person, *cars = samples[0]['ground_truth']['detections']
    assert [car['label'] for car in cars] == ['car', 'car'] and person['group']
    assert cars[1]['bounding_box'] == [50 / 128, 30 / 64, 10 / 128, 20 / 64]
    assert unpacked(cars[1]['mask']).shape == (20, 10) and unpacked(cars[1]['mask']).all()
    llava = samples[0]['vlm_llava']
    assert (llava['label'], llava['status']) == ('SAFE', 'scored')
    assert llava['text'] == f'a car {HOSTILE}'
    made_up = samples[0]['vlm_llava_hallucinated']['classifications']
    assert [entry['label'] for entry in made_up] == ['bus']
    assert samples[0]['vlm_late']['label'] == 'missing'
    # The truth of a frame is one file, whatever is done to its picture.
    assert samples[0]['segmentation'] == samples[1]['segmentation']
    assert len(list((tmp_path / 'fields').rglob('*.png'))) == 1
    metadata = read(tmp_path / 'metadata.json')
    # With a version it would have to be a document of FiftyOne's data base.
    assert 'version' not in metadata
    assert metadata['info']['default_mask_targets'][str(SKY)] == 'sky'


def test_labels_that_differ_are_files_of_their_own(tmp_path):
    first, second = made_frames()
    other = np.where(first.labels == CAR, PERSON, first.labels)
    write_fiftyone(tmp_path, [first, replace(second, labels=other, instances=None)], {})
    samples = read(tmp_path / 'samples.json')['samples']
    paths = [tmp_path / sample['segmentation']['mask_path'] for sample in samples]
    masks = [cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for path in paths]
    assert np.array_equal(masks[0], first.labels) and np.array_equal(masks[1], other)


def test_every_model_has_fields_of_its_own(tmp_path):
    names = ['m', 'm_omitted', 'a.b', 'a_b', 'a b', 'M']
    frames = made_frames()
    models = {
        name: {'status': 'scored', 'answer': {'text': name, 'mentions': {}}} for name in names
    }
    frames = [replace(seen, record=frame_record(models=models)) for seen in frames]
    write_fiftyone(tmp_path, frames, {})
    told = read(tmp_path / 'metadata.json')['info']['models']
    assert sorted(told.values()) == sorted(names)
    for sample in read(tmp_path / 'samples.json')['samples']:
        assert {name: sample[field]['text'] for field, name in told.items()} == {
            name: name for name in names
        }
        assert all(isinstance(sample[f'{field}_omitted'], dict) for field in told)
        assert len([key for key in sample if key.startswith('vlm_')]) == 4 * len(names)


def test_what_a_model_got_wrong_is_its_tag(tmp_path):
    def record(judgement, counts, corruption='low_light:3'):
        one = {
            'status': 'scored',
            'answer': {'text': '', 'mentions': {}, 'judgement': judgement},
            'score': {'counts': counts, 'hallucinated': [], 'omitted': ['person']},
        }
        models = {'llava': one, 'late': {'status': 'missing'}}
        return frame_record(models=models, condition=corruption, truth={'hazard': 'HAZARD'})

    wrong = {'hazards_judged': 1, 'false_safe': 1, 'required': 1, 'omitted': 1}
    picture = np.zeros((*SHAPE, 3), np.uint8)
    records = [record('SAFE', wrong), record('UNSAFE', {}), record('SAFE', wrong, 'blank')]
    write_fiftyone(tmp_path, [Seen(one, picture) for one in records], {})
    samples = read(tmp_path / 'samples.json')['samples']
    assert [sample['tags'] for sample in samples] == [['false safe', 'omission'], [], []]
    assert [sample['vlm_llava']['tags'] for sample in samples] == [s['tags'] for s in samples]
    assert samples[0]['vlm_late']['tags'] == []


@pytest.fixture(scope='module')
def fiftyone():
    """FiftyOne with a data base of its own, within its server."""
    pytest.importorskip('fiftyone', reason='FiftyOne is not installed: pip install fiftyone')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('FIFTYONE_DATABASE_NAME', f'vlm_misalign_test_{os.getpid()}')
        patch.setenv('FIFTYONE_DO_NOT_TRACK', 'true')
        patch.setenv('FIFTYONE_SHOW_PROGRESS_BARS', 'false')
        try:
            import fiftyone as found

            found.list_datasets()
        except Exception as error:  # of the library, of pymongo, for want of a server
            reason = f'FiftyOne has no data base ({type(error).__name__}: {str(error)[:120]})'
            pytest.skip(f'{reason}: start a mongod, and set FIFTYONE_DATABASE_URI')
        yield found
        found.core.odm.drop_database()


def opened(fiftyone, folder):
    return fiftyone.Dataset.from_dir(
        dataset_dir=str(folder), dataset_type=fiftyone.types.FiftyOneDataset
    )


def test_fiftyone_reads_the_same(fiftyone, tmp_path):
    frames = made_frames()
    (tmp_path / 'out').mkdir()
    write_fiftyone(tmp_path / 'out', frames, {'description': 'x', 'version': '1'})
    # Wherever the folder lies by now.
    (tmp_path / 'out').rename(tmp_path / 'moved')
    found = opened(fiftyone, tmp_path / 'moved')
    assert len(found) == 2 and found.description == 'x'
    sample = found.match({'condition': 'low_light:3'}).first()
    assert np.array_equal(cv2.imread(sample.filepath), frames[1].picture)
    assert (sample.metadata.width, sample.metadata.height) == (128, 64)
    assert np.array_equal(sample.segmentation.get_mask(), frames[1].labels)
    assert [entry.label for entry in sample.ground_truth.detections] == ['person', 'car', 'car']
    person, _, second = sample.ground_truth.detections
    assert second.mask.shape == (20, 10) and person.group and not second.group
    assert np.allclose(second.bounding_box, [50 / 128, 30 / 64, 10 / 128, 20 / 64])
    assert sample.vlm_llava.text == f'a car {HOSTILE}'
    assert not sample.has_field('predicted') or sample.predicted is None
    assert (sample.severity, sample.corruption) == (3, 'low_light')
    assert found.count_values('condition') == {'clean': 1, 'low_light:3': 1}
    assert found.count_values('vlm_late.label') == {'missing': 2}
    assert found.count_values('vlm_llava_omitted.classifications.label') == {'person': 2}
    assert found.default_mask_targets[SKY] == 'sky'
    assert found.info['models']['vlm_llava'] == 'llava'
    assert len(found.group_by('key')) == 1


def test_fiftyone_finds_what_was_left_out_and_counts_by_kind(fiftyone, tmp_path):
    omitted = {'required': 1, 'omitted': 1}
    frames = []
    for number in range(6):
        left = number % 3 == 0
        one = {
            'status': 'scored',
            'answer': {'text': HOSTILE, 'mentions': {}},
            'score': {
                'counts': omitted if left else {},
                'hallucinated': [],
                'omitted': ['person'] if left else [],
            },
        }
        condition = 'clean' if number < 3 else 'low_light:3'
        record = frame_record(
            models={'llava': one},
            condition=condition,
            key=f'{number}',
            stamp=f'{number}.000000000',
        )
        frames.append(Seen(record, np.full((*SHAPE, 3), number, np.uint8)))
    write_fiftyone(tmp_path, frames, {})
    found = opened(fiftyone, tmp_path)
    assert found.count_sample_tags() == {'omission': 2}
    assert found.count_label_tags() == {'omission': 2}
    view = found.match_tags('omission')
    assert sorted(view.values('key')) == ['0', '3']
    assert view.count_values('condition') == {'clean': 1, 'low_light:3': 1}
    shown = found.filter_labels('vlm_llava_omitted', fiftyone.ViewField('label') == 'person')
    assert sorted(shown.values('key')) == ['0', '3']
    assert set(found.values('vlm_llava.text')) == {HOSTILE}


def test_fiftyone_counts_the_pixels_of_masks_as_we_do(fiftyone, tmp_path):
    frames = made_frames()
    generator = np.random.default_rng(1)
    masks = [generator.choice(np.array([0, 10, 11, 13, 255], np.uint8), SHAPE) for _ in frames]
    write_fiftyone(tmp_path, list(map(masked, frames, masks)), {})
    found = opened(fiftyone, tmp_path)
    results = found.evaluate_segmentations('predicted', gt_field='segmentation', method='simple')
    matrix = sum(confusion(seen.labels, mask) for seen, mask in zip(frames, masks, strict=True))
    place = {int(value): at for at, value in enumerate(results.classes)}
    assert set(place) <= {0, *(label.id for label in LABELS)}
    ids = [BY_NAME[name].id for name in CLASSES]
    peer = [
        [results.pixel_confusion_matrix[place[a], place[b]] if {a, b} <= set(place) else 0
         for b in (*ids, 0)]
        for a in ids
    ]  # fmt: skip
    assert np.array_equal(peer, matrix) and matrix.sum() == 2 * SHAPE[0] * SHAPE[1]


# Masks ---------------------------------------------------------------------------------------


def masked(seen, mask):
    return replace(seen, mask=mask)


def test_a_mask_is_written_as_label_ids_of_the_size_of_its_picture(tmp_path):
    mask = np.full((SHAPE[0] // 2, SHAPE[1] // 2), 13, np.uint8)
    mask[:10], mask[10:12] = 10, 255
    large = cv2.resize(mask, SHAPE[::-1], interpolation=cv2.INTER_NEAREST)
    first, second = made_frames()
    for kind, write in (('fiftyone', write_fiftyone), ('coco', write_coco)):
        (tmp_path / kind).mkdir()
        write(tmp_path / kind, [masked(first, mask), second], {})
    samples = read(tmp_path / 'fiftyone/samples.json')['samples']
    path = tmp_path / 'fiftyone' / samples[0]['predicted']['mask_path']
    wanted = np.select([large == 13, large == 10], [CAR, SKY], 0)
    assert np.array_equal(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), wanted)
    assert samples[1]['predicted'] is None
    # What is void is no segment, and what has no mask says so.
    segments = read(tmp_path / 'coco/results/segmentation.json')
    assert [(one['image_id'], one['category_id']) for one in segments] == [(1, SKY), (1, CAR)]
    for one in segments:
        assert np.array_equal(
            drawn(one['segmentation']['counts'], SHAPE), wanted == one['category_id']
        )
    images = read(tmp_path / 'coco/annotations/stuff.json')['images']
    assert [image['segmented'] for image in images] == [True, False]


def test_pycocotools_reads_masks_as_results(tmp_path):
    pytest.importorskip('pycocotools', reason='pycocotools is not installed: pip install it')
    from pycocotools.coco import COCO

    frames = made_frames()
    mask = np.random.default_rng(0).choice(np.array([10, 11, 13, 255], np.uint8), SHAPE)
    write_coco(tmp_path, [masked(seen, mask) for seen in frames], {})
    truth = COCO(str(tmp_path / 'annotations/stuff.json'))
    found = truth.loadRes(str(tmp_path / 'results/segmentation.json'))
    cars = found.loadAnns(found.getAnnIds(imgIds=[2], catIds=[CAR]))
    assert len(cars) == 1 and np.array_equal(found.annToMask(cars[0]), mask == 13)
    assert cars[0]['area'] == np.count_nonzero(mask == 13)
