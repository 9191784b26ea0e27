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

"""Pictures and label images as data sets store them, held against Pillow."""

import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from vlm_misalign_ros.core.datasets.pictures import picture_size, read_picture
from vlm_misalign_ros.core.datasets.png import decode_values
from vlm_misalign_ros.core.errors import DatasetError

RNG = np.random.default_rng(0)
PIXELS = cv2.resize(RNG.integers(0, 256, (6, 9, 3), np.uint8), (36, 24))


@pytest.mark.parametrize('options', [{}, {'progressive': True}, {'optimize': True, 'quality': 60}])
def test_a_jpeg_is_what_pillow_reads(tmp_path, options):
    path = tmp_path / 'a.jpg'
    Image.fromarray(PIXELS).save(path, **options)
    assert picture_size(path) == (36, 24)
    with Image.open(path) as image:
        wanted = np.asarray(image.convert('RGB'))[:, :, ::-1]
    # Decoders may differ by how they bring the colours to full size.
    assert np.abs(read_picture(path).astype(int) - wanted).mean() < 4


def test_the_orientation_that_exif_asks_for_is_not_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    Image.fromarray(PIXELS).save(tmp_path / 'a.jpg', exif=exif)
    assert picture_size(tmp_path / 'a.jpg') == (36, 24)
    assert read_picture(tmp_path / 'a.jpg').shape == (24, 36, 3)


def test_a_grey_jpeg_is_a_picture(tmp_path):
    Image.fromarray(PIXELS[:, :, 0]).save(tmp_path / 'a.jpg')
    assert read_picture(tmp_path / 'a.jpg').shape == (24, 36, 3)


@pytest.mark.parametrize('left', [0, 2, 3, 10, 0.3, 0.9, -2])
def test_a_cut_jpeg_is_refused_before_it_is_decoded(tmp_path, left):
    path = tmp_path / 'a.jpg'
    Image.fromarray(np.kron(PIXELS, np.ones((9, 9, 1), np.uint8))).save(path, quality=95)
    data = path.read_bytes()
    path.write_bytes(data[: int(left * len(data)) if isinstance(left, float) else left])
    for read in (picture_size, read_picture):
        with pytest.raises(DatasetError, match=r'a\.jpg'):
            read(path)


def test_what_is_no_picture_is_named(tmp_path):
    (tmp_path / 'a.jpg').write_bytes(b'GIF89a' + bytes(40))
    with pytest.raises(DatasetError, match=r'a\.jpg is neither PNG nor JPEG: .*474946'):
        read_picture(tmp_path / 'a.jpg')


@pytest.mark.parametrize('bits', [1, 2, 4, 8])
def test_of_a_palette_the_index_counts(tmp_path, bits):
    path = tmp_path / 'a.png'
    values = RNG.integers(0, 2**bits, (17, 23), np.uint8)
    image = Image.fromarray(values, mode='P')
    image.putpalette([(31 * i + 7) % 256 for i in range(3 * 2**bits)])
    image.save(path, bits=bits, transparency=0)
    with Image.open(path) as stored:
        assert stored.mode == 'P'
        np.testing.assert_array_equal(np.asarray(stored), values)
    np.testing.assert_array_equal(decode_values(path), values)


def test_grey_values_are_themselves(tmp_path):
    for dtype in (np.uint8, np.uint16):
        values = RNG.integers(0, np.iinfo(dtype).max, (5, 8)).astype(dtype)
        cv2.imwrite(str(tmp_path / 'a.png'), values)
        np.testing.assert_array_equal(decode_values(tmp_path / 'a.png'), values)
    cv2.imwrite(str(tmp_path / 'a.png'), PIXELS)
    with pytest.raises(DatasetError, match='expected 8-bit grey'):
        decode_values(tmp_path / 'a.png')


@pytest.mark.parametrize(('depth', 'color'), [(0, 3), (16, 3), (3, 0), (8, 1), (4, 2)])
def test_bits_that_no_png_has_are_refused(tmp_path, depth, color):
    path = tmp_path / 'a.png'
    Image.fromarray(RNG.integers(0, 9, (17, 23), np.uint8), mode='P').save(path)
    data = bytearray(path.read_bytes())
    data[24:26] = depth, color
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, 'big')
    path.write_bytes(bytes(data))
    for read in (decode_values, picture_size):
        with pytest.raises(
            DatasetError, match=f'a.png has {depth} bits of PNG colour type {color}'
        ):
            read(path)


def test_a_damaged_palette_is_named(tmp_path):
    path = tmp_path / 'a.png'
    Image.fromarray(RNG.integers(0, 9, (17, 23), np.uint8), mode='P').save(path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(DatasetError, match='wrong checksum'):
        decode_values(path)
