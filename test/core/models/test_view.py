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

"""What of a frame reaches a model is measured, for processors of every kind."""

import json
import shutil

import numpy as np
import pytest
import transformers as tf
from PIL import Image

from vlm_misalign_ros.core.errors import ModelError
from vlm_misalign_ros.core.models.factory import load_vlm
from vlm_misalign_ros.core.models.view import Shown, measure
from vlm_misalign_ros.core.types import WHOLE


def cropping(shortest, crop, resample=Image.Resampling.BICUBIC):
    """Return a processor that scales until (width, height) is covered, and crops the centre."""

    def encode(bgr):
        height, width = bgr.shape[:2]
        scale = max(shortest[0] / width, shortest[1] / height)
        size = round(width * scale), round(height * scale)
        picture = Image.fromarray(bgr).resize(size, resample)
        left, top = (size[0] - crop[0]) // 2, (size[1] - crop[1]) // 2
        cut = picture.crop((left, top, left + crop[0], top + crop[1]))
        return [(np.asarray(cut, np.float32) / 255 - 0.45) / 0.27]

    return encode


@pytest.mark.parametrize(
    'width, height, shortest, crop, expected',
    [
        # By hand: 2048 x 1024 covers 224 x 224 as 448 x 224, of which the middle 224 are kept.
        (2048, 1024, (224, 224), (224, 224), (0.25, 0.0, 0.75, 1.0)),
        (512, 512, (224, 224), (224, 224), WHOLE),
        # 512 x 512 as 256 x 256, of which 16 go on every side.
        (512, 512, (256, 256), (224, 224), (0.0625, 0.0625, 0.9375, 0.9375)),
        # 300 x 900 as 100 x 300, of which 100 go above and below.
        (300, 900, (100, 100), (100, 100), (0.0, 1 / 3, 1.0, 2 / 3)),
        (640, 480, (336, 336), (336, 336), (0.125, 0.0, 0.875, 1.0)),
    ],
)
@pytest.mark.parametrize('resample', ['BICUBIC', 'BILINEAR', 'NEAREST'])
def test_a_centre_crop_is_found_to_half_a_percent(
    width, height, shortest, crop, expected, resample
):
    encode = cropping(shortest, crop, Image.Resampling[resample])
    found = measure(encode, height, width)
    assert found == pytest.approx(expected, abs=0.005)
    assert (found == WHOLE) is (expected == WHOLE)


PINPOINTS = [[336, 672], [672, 336], [672, 672]]


@pytest.mark.parametrize(
    'processor, expected',
    [
        (tf.CLIPImageProcessor(), (0.25, 0.0, 0.75, 1.0)),
        # The flag says that it crops; the tiles have shown everything before.
        (tf.LlavaNextImageProcessor(image_grid_pinpoints=PINPOINTS), WHOLE),
        (tf.SiglipImageProcessor(), WHOLE),
        (tf.Qwen2VLImageProcessor(), WHOLE),
        (tf.Idefics3ImageProcessor(), WHOLE),
        (tf.PixtralImageProcessor(), WHOLE),
        # ALIGN resizes to 346 x 346 and keeps 289 x 289.
        (
            tf.EfficientNetImageProcessor(
                size={'height': 346, 'width': 346},
                do_center_crop=True,
                crop_size={'height': 289, 'width': 289},
            ),
            (57 / 692, 57 / 692, 635 / 692, 635 / 692),
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_processors_of_transformers(processor, expected):
    def encode(bgr):
        made = processor(images=Image.fromarray(bgr), return_tensors='pt')
        return [value.numpy() for _, value in sorted(made.items()) if value.is_floating_point()]

    assert measure(encode, 256, 512) == pytest.approx(expected, abs=0.005)


def test_a_frame_is_padded_only_where_it_would_be_cropped():
    frame = np.random.default_rng(0).integers(0, 256, (64, 128, 3), np.uint8)
    squashes = Shown('m', lambda bgr: [np.asarray(Image.fromarray(bgr).resize((32, 32)), float)],
                     False, (1, 2, 3))  # fmt: skip
    assert squashes.fit(frame)[0] is frame and squashes.fit(frame)[1] == WHOLE
    crops = cropping((32, 32), (32, 32))
    native, view = Shown('m', crops, True, (1, 2, 3)).fit(frame)
    assert native is frame and view == pytest.approx((0.25, 0, 0.75, 1), abs=0.01)
    padded, view = Shown('m', crops, False, (1, 2, 3)).fit(frame)
    assert padded.shape == (128, 128, 3) and view == WHOLE
    assert (padded[32:96] == frame).all()
    assert (padded[:32] == (1, 2, 3)).all() and (padded[96:] == (1, 2, 3)).all()


def test_what_crops_on_every_side_is_padded_on_every_side():
    crops = cropping((256, 256), (192, 192))
    shown, view = Shown('m', crops, False, (0, 0, 0)).fit(np.full((256, 256, 3), 255, np.uint8))
    assert view == WHOLE and shown.shape == pytest.approx((341, 341, 3), abs=3)
    rows = np.flatnonzero(shown[:, 170, 0])
    assert len(rows) == 256 and abs(rows[0] - (shown.shape[0] - 256) / 2) <= 1


def test_a_processor_that_crops_whatever_is_padded_is_named():
    def corner(bgr):
        return [bgr[:10, :10].astype(float)]

    with pytest.raises(ModelError, match="'m' leaves 50% of the width.*use field_of_view: native"):
        Shown('m', corner, False, (0, 0, 0)).fit(np.zeros((20, 20, 3), np.uint8))
    with pytest.raises(ModelError, match='are the same to the processor'):
        measure(lambda bgr: [np.zeros(4)], 8, 8)


@pytest.mark.parametrize('name', ['clip', 'llava'])
def test_with_the_native_field_of_view_the_model_sees_no_more_than_it_says(
    checkpoints, tmp_path, name
):
    if name == 'clip':
        folder = shutil.copytree(checkpoints['clip'], tmp_path / 'clip')
        config = json.loads((folder / 'open_clip_config.json').read_text())
        config['preprocess_cfg'].pop('resize_mode')
        (folder / 'open_clip_config.json').write_text(json.dumps(config))
        model = load_vlm(f'open_clip:local-dir:{folder}', field_of_view='native')
    else:
        model = load_vlm(
            f'transformers:{checkpoints["llava"]}', field_of_view='native', max_new_tokens=6
        )
    picture = np.random.default_rng(0).integers(0, 256, (256, 512, 3), np.uint8)
    answer = model.describe(picture)
    assert answer.view == (0.25, 0.0, 0.75, 1.0)
    outside = picture.copy()
    # Resampling reaches a few pixels over the edge.
    outside[:, :120] = 0
    outside[:, -120:] = 0
    inside = picture.copy()
    inside[:, 200:300] = 0

    def same(other):
        found = model.describe(other)
        return (found.scores, found.judgement_score) == (answer.scores, answer.judgement_score)

    assert same(outside) and not same(inside)
