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

"""Segmentation models of every family give the masks of transformers' own path."""

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from segmenters import MAKERS, make

from vlm_misalign_ros.core.errors import ModelError
from vlm_misalign_ros.core.labels.classes import CLASSES, IGNORE
from vlm_misalign_ros.core.models.factory import load_segmentation, preprocessing_told
from vlm_misalign_ros.core.models.preprocessing import Fast, Own

pytestmark = pytest.mark.heavy

UNIVERSAL = ('mask2former', 'maskformer', 'oneformer', 'eomt', 'detr')
OWN = ('data2vec', 'dpt', 'eomt')
"""Families that take their own size alone."""


@pytest.fixture(scope='module')
def street():
    """Return smooth colours with noise, twice as wide as high, BGR uint8 (128, 256, 3)."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (16, 32, 3), np.uint8)
    smooth = cv2.resize(coarse, (256, 128), interpolation=cv2.INTER_CUBIC).astype(int)
    return np.clip(smooth + rng.integers(-40, 40, smooth.shape), 0, 255).astype(np.uint8)


def theirs(family, folder, picture, **changed):
    """Return mask and network's output of transformers' documented path: no code of ours."""
    from transformers import (
        AutoImageProcessor,
        AutoModelForSemanticSegmentation,
        AutoModelForUniversalSegmentation,
        AutoProcessor,
    )

    if family == 'oneformer':
        processor = AutoProcessor.from_pretrained(folder)
        changed['task_inputs'] = ['semantic']
    else:
        processor = AutoImageProcessor.from_pretrained(folder)
    if getattr(processor, 'do_center_crop', None):
        changed['do_center_crop'] = False
    inputs = processor(images=Image.fromarray(picture[:, :, ::-1]), return_tensors='pt', **changed)
    loader = (
        AutoModelForUniversalSegmentation
        if family in UNIVERSAL
        else AutoModelForSemanticSegmentation
    )
    offsets = inputs.pop('patch_offsets', None)
    with torch.inference_mode():
        output = loader.from_pretrained(folder).eval()(**inputs)
    if offsets is not None:
        output.patch_offsets = offsets
    size = [picture.shape[:2]]
    mask = processor.post_process_semantic_segmentation(output, target_sizes=size)[0].numpy()
    return mask, output


@pytest.mark.parametrize('family', [name for name in MAKERS if name != 'mask2former'])
def test_masks_are_those_of_transformers(family, tmp_path, street):
    folder = make(family, tmp_path)
    model = load_segmentation(f'transformers:{folder}', input_height=128)
    own = isinstance(model.preprocessing, Own)
    assert own == (family in OWN), model.preprocessing.told
    assert model.preprocessing.told in preprocessing_told(model)
    wanted, _ = theirs(family, folder, street, **({} if own else {'do_resize': False}))
    found = model.segment(street)
    assert found.labels.shape == street.shape[:2] and found.labels.dtype == np.uint8
    assert len(np.unique(wanted)) > 1
    assert (found.labels == wanted).mean() > 0.999
    assert set(found.entropies) == {CLASSES[value] for value in np.unique(found.labels)}


@pytest.mark.parametrize('family', MAKERS)
@pytest.mark.parametrize('shape', [(96, 192), (192, 96), (120, 160), (65, 131)])
def test_a_picture_of_any_shape_is_segmented(family, shape, tmp_path):
    folder = make(family, tmp_path)
    picture = np.random.default_rng(1).integers(0, 256, (*shape, 3), np.uint8)
    found = load_segmentation(f'transformers:{folder}', input_height=64).segment(picture)
    assert found.labels.shape == shape


def test_mask2former_is_equal_where_its_input_is_what_transformers_takes_it_for(tmp_path, street):
    # transformers brings masks to 384 x 384 on the way, "for all models".
    folder = make('mask2former', tmp_path, do_resize=False)
    square = cv2.resize(street, (384, 384))
    wanted, _ = theirs('mask2former', folder, square)
    model = load_segmentation(f'transformers:{folder}', input_height=384)
    assert len(np.unique(wanted)) > 1
    assert (model.segment(square).labels == wanted).mean() > 0.999


def test_masks_of_mask2former_are_brought_to_the_size_of_the_input(tmp_path, street):
    """As in Cheng et al. 2022: interpolate the masks, then sigmoid and sum over the queries."""
    folder = make('mask2former', tmp_path)
    other, output = theirs('mask2former', folder, street, do_resize=False)
    masks = torch.nn.functional.interpolate(
        output.masks_queries_logits, street.shape[:2], mode='bilinear'
    )
    chances = output.class_queries_logits.softmax(-1)[0, :, :-1]
    wanted = torch.einsum('qc,qhw->chw', chances, masks[0].sigmoid()).argmax(0).numpy()
    model = load_segmentation(f'transformers:{folder}', input_height=128)
    found = model.segment(street).labels
    assert (found == wanted).mean() > 0.999
    # The squeezed way of transformers is another one.
    assert 0.8 < (found == other).mean() < 0.99


@pytest.mark.parametrize('factor', [1 / 127.5, 1.0, 1 / 65535])
def test_the_factor_of_a_processor_counts(factor, tmp_path, street):
    folder = make('segformer', tmp_path, rescale_factor=factor)
    model = load_segmentation(f'transformers:{folder}', input_height=128)
    wanted, _ = theirs('segformer', folder, street, do_resize=False)
    assert isinstance(model.preprocessing, Fast)
    assert (model.segment(street).labels == wanted).mean() > 0.999


@pytest.mark.parametrize('flips', [True, False])
def test_channels_come_in_the_order_of_the_processor(flips, tmp_path, street):
    folder = make('mobilevit', tmp_path, do_flip_channel_order=flips)
    model = load_segmentation(f'transformers:{folder}', input_height=128)
    wanted, _ = theirs('mobilevit', folder, street, do_resize=False)
    assert (model.segment(street).labels == wanted).mean() > 0.999


def test_values_that_the_fast_way_does_not_know_are_left_to_the_processor(
    tmp_path, street, monkeypatch
):
    from transformers import SegformerImageProcessor

    plain = SegformerImageProcessor.rescale_and_normalize
    monkeypatch.setattr(
        SegformerImageProcessor,
        'rescale_and_normalize',
        lambda self, *given: plain(self, *given).tanh(),
    )
    folder = make('segformer', tmp_path)
    model = load_segmentation(f'transformers:{folder}', input_height=128)
    assert isinstance(model.preprocessing, Own) and 'values differ' in model.preprocessing.told
    wanted, _ = theirs('segformer', folder, street)
    assert (model.segment(street).labels == wanted).mean() > 0.999


def test_what_a_processor_pads_is_no_part_of_the_mask(tmp_path, street):
    # The panoptic form of EoMT: the longer side is brought to the input's, the rest is padded.
    folder = make(
        'eomt',
        tmp_path,
        do_split_image=False,
        do_pad=True,
        size={'shortest_edge': 64, 'longest_edge': 64},
    )
    model = load_segmentation(f'transformers:{folder}')
    assert model.preprocessing.prepare(street).filled == (0, 0, 32, 64)
    _, output = theirs('eomt', folder, street)
    masks = torch.nn.functional.interpolate(
        output.masks_queries_logits, (64, 64), mode='bilinear'
    )[:, :, :32]
    chances = output.class_queries_logits.softmax(-1)[0, :, :-1]
    scores = torch.einsum('qc,qhw->chw', chances, masks[0].sigmoid())
    large = torch.nn.functional.interpolate(scores[None], street.shape[:2], mode='bilinear')[0]
    assert (model.segment(street).labels == large.argmax(0).numpy()).mean() > 0.999


def test_a_processor_that_cuts_pictures_off_is_refused(tmp_path, monkeypatch):
    from transformers import BeitImageProcessor

    plain = BeitImageProcessor.resize
    # Resizes the middle, whatever it is told about cropping.
    monkeypatch.setattr(
        BeitImageProcessor,
        'resize',
        lambda self, image, *given, **named: plain(
            self, image[..., image.shape[-1] // 4 : -(image.shape[-1] // 4)], *given, **named
        ),
    )
    folder = make('data2vec', tmp_path)
    with pytest.raises(ModelError, match='cuts off the left of a picture of 512 x 256'):
        load_segmentation(f'transformers:{folder}')


def test_another_number_of_scores_than_names_is_refused(tmp_path, street):
    import json

    folder = make('segformer', tmp_path)
    config = json.loads((folder / 'config.json').read_text())
    config['id2label']['19'] = 'trailer'
    (folder / 'config.json').write_text(json.dumps(config))
    with pytest.raises(ModelError, match='classifier'):
        load_segmentation(f'transformers:{folder}')


# Label maps --------------------------------------------------------------------------------------


def test_classes_that_cityscapes_lacks_leave_the_mask_silent(tmp_path, street):
    plain = load_segmentation(
        f'transformers:{make("segformer", tmp_path / "plain")}', input_height=128
    ).segment(street)
    often = np.argsort(np.bincount(plain.labels.ravel(), minlength=19))[-2:]
    lost = tuple(CLASSES[index] for index in sorted(often))
    names = ['vehicle' if name in lost else name for name in CLASSES]
    folder = make('segformer', tmp_path / 'merged', names)
    found = load_segmentation(f'transformers:{folder}', input_height=128).segment(street)
    merged = np.isin(plain.labels, often)
    assert 0 < merged.mean() < 1
    assert (found.labels[merged] == IGNORE).all()
    assert (found.labels[~merged] == plain.labels[~merged]).all()
    assert found.lacking == lost and plain.lacking == ()
    path = tmp_path / 'map.yaml'
    path.write_text(f'vehicle: {lost[1]}\n')
    mapped = load_segmentation(
        f'transformers:{folder}', input_height=128, label_map=str(path)
    ).segment(street)
    assert (mapped.labels[merged] == CLASSES.index(lost[1])).all()
    assert mapped.lacking == lost[:1]


def test_a_model_of_ade20k_is_read_by_its_names(tmp_path, street):
    import yaml

    from vlm_misalign_ros.core.models.label_maps import DATA

    rows = yaml.safe_load((DATA / 'label_maps' / 'ade20k.yaml').read_text())
    folder = make('upernet', tmp_path, list(rows))
    wanted, _ = theirs('upernet', folder, street, do_resize=False)
    table = np.array(
        [IGNORE if to == 'ignore' else CLASSES.index(to) for to in rows.values()], np.uint8
    )
    model = load_segmentation(f'transformers:{folder}', input_height=128)
    found = model.segment(street)
    assert model.classes.source == 'ade20k'
    assert found.lacking == ('traffic sign', 'rider', 'train')
    assert len(np.unique(wanted)) > 2
    assert (found.labels == table[wanted]).mean() > 0.999
