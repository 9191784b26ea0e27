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

"""
Pictures and maps of every encoding of sensor_msgs/Image.

What is expected comes from the definition of the encoding, worked out in numpy, from ITU-R BT.601
and from what cv_bridge asks of OpenCV.
"""

import sys
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.wire.pixels import ENCODINGS, to_array, to_bgr, to_label_pixels

BIG = sys.byteorder == 'big'
PLAIN = {'bgr': (0, 1, 2), 'rgb': (2, 1, 0), 'bgra': (0, 1, 2), 'rgba': (2, 1, 0)}
"""Places of blue, green and red in the pixels of an encoding, without its bits."""
PATTERNS = {'rggb': 'RGGB', 'bggr': 'BGGR', 'gbrg': 'GBRG', 'grbg': 'GRBG'}
CV_BRIDGE = {
    'rggb': cv2.COLOR_BayerBG2BGR,
    'bggr': cv2.COLOR_BayerRG2BGR,
    'gbrg': cv2.COLOR_BayerGR2BGR,
    'grbg': cv2.COLOR_BayerGB2BGR,
}
"""What vision_opencv/cv_bridge/src/cv_bridge.cpp asks for."""


def message(array, encoding, height=None, width=None, padding=0, big=BIG):
    """Return an Image-like message of (rows, ...) with `padding` strange bytes behind each row."""
    array = np.ascontiguousarray(array)
    if array.dtype.itemsize > 1 and big != BIG:
        array = array.byteswap()
    rows = array.reshape(len(array), -1).view(np.uint8)
    filled = np.full((len(rows), padding), 171, np.uint8)
    return SimpleNamespace(
        encoding=encoding,
        height=len(array) if height is None else height,
        width=array.shape[1] if width is None else width,
        step=rows.shape[1] + padding,
        is_bigendian=int(big),
        data=np.hstack([rows, filled]).tobytes(),
    )


def arrays(draw, shape, kind):
    seed = draw(st.integers(0, 2**32 - 1))
    high = np.iinfo(kind).max
    return np.random.default_rng(seed).integers(0, high, shape, kind, endpoint=True)


@st.composite
def plain(draw):
    name = draw(st.sampled_from(sorted(PLAIN)))
    kind = draw(st.sampled_from([np.uint8, np.uint16]))
    size = draw(st.integers(1, 9)), draw(st.integers(1, 9)), len(name)
    return name, arrays(draw, size, kind), draw(st.integers(0, 5)), draw(st.booleans())


@given(plain())
def test_colours_come_back_whatever_order_bits_padding_and_byte_order(made):
    name, array, padding, big = made
    bits = array.dtype.itemsize * 8
    found = to_bgr(message(array, f'{name}{bits}', padding=padding, big=big))
    wanted = array[:, :, PLAIN[name]]
    if bits == 16:
        wanted = np.rint(wanted * (255 / 65535)).astype(np.uint8)
    assert found.dtype == np.uint8 and np.array_equal(found, wanted)


@given(st.data())
def test_maps_come_back_to_the_last_bit(data):
    encoding, kind = data.draw(
        st.sampled_from(
            [
                ('mono8', np.uint8),
                ('8UC1', np.uint8),
                ('mono16', np.uint16),
                ('16UC1', np.uint16),
                ('32SC1', np.int32),
            ]
        )
    )
    array = arrays(data.draw, (data.draw(st.integers(1, 9)), data.draw(st.integers(1, 9))), kind)
    big, padding = data.draw(st.booleans()), data.draw(st.integers(0, 5))
    found = to_array(message(array, encoding, padding=padding, big=big))
    assert found.dtype == kind and np.array_equal(found, array)
    metres = array.astype(np.float32)
    assert np.array_equal(to_array(message(metres, '32FC1', padding=padding, big=big)), metres)


def test_grey_is_grey_of_eight_bits_and_of_sixteen():
    eight = np.array([[0, 1, 128, 255]], np.uint8)
    for encoding in ('mono8', '8UC1'):
        assert np.array_equal(to_bgr(message(eight, encoding)), np.dstack([eight] * 3))
    # 128 / 257 is .498, 129 / 257 is .502.
    sixteen = np.array([[0, 128, 129, 257, 32896, 65535]], np.uint16)
    found = to_bgr(message(sixteen, 'mono16'))
    assert found[0].tolist() == [[value] * 3 for value in (0, 0, 1, 1, 128, 255)]


def by_601(y, u, v):
    """Return RGB of video's Y'CbCr, ITU-R BT.601: luma 16 to 235, colours about 128."""
    y, u, v = 1.164383 * (y - 16.0), u - 128.0, v - 128.0
    found = np.stack([y + 1.596027 * v, y - 0.391762 * u - 0.812968 * v, y + 2.017232 * u], -1)
    return found.clip(0, 255)


def yuv(seed=0, height=6, width=8):
    rng = np.random.default_rng(seed)
    return rng.integers(16, 241, (3, height, width)).astype(np.float64)


def close(found, wanted):
    assert found.dtype == np.uint8 and found.shape == wanted.shape
    assert np.abs(found[:, :, ::-1] - wanted).max() <= 1.5


@pytest.mark.parametrize('padding', [0, 5])
@pytest.mark.parametrize(
    'names, order', [(('uyvy', 'yuv422'), 'UYVY'), (('yuyv', 'yuv422_yuy2'), 'YUYV')]
)
def test_two_pixels_of_video_share_a_colour(names, order, padding):
    y, u, v = yuv()
    u, v = (np.repeat(plane[:, ::2], 2, axis=1) for plane in (u, v))
    pairs = {'Y': y, 'U': u, 'V': v}
    packed = np.empty((6, 16))
    lumas = iter((0, 1))
    for place, letter in enumerate(order):
        first = next(lumas) if letter == 'Y' else 0
        packed[:, place::4] = pairs[letter][:, first::2]
    for name in names:
        sent = message(packed.astype(np.uint8), name, width=8, padding=padding)
        close(to_bgr(sent), by_601(y, u, v))


@pytest.mark.parametrize('padding', [0, 5])
@pytest.mark.parametrize('name', ['nv12', 'nv21', 'nv24'])
def test_luma_and_colour_may_come_in_two_planes(name, padding):
    y, u, v = yuv()
    if name == 'nv24':
        full = u, v
        colours = np.stack([u, v], -1).reshape(12, 8)
    else:
        full = tuple(np.kron(plane[::2, ::2], np.ones((2, 2))) for plane in (u, v))
        planes = (u, v) if name == 'nv12' else (v, u)
        colours = np.stack([plane[::2, ::2] for plane in planes], -1).reshape(3, 8)
    rows = np.vstack([y, colours]).astype(np.uint8)
    if name == 'nv24' and padding:
        # Its rows of colour are twice as long, and so is what is behind them.
        wide = np.hstack([colours.reshape(6, 16), np.full((6, 2 * padding), 171)])
        rows = np.vstack([np.hstack([y, np.full((6, padding), 171)]), wide.reshape(12, -1)])
        sent = message(rows.astype(np.uint8), name, height=6, width=8)
    else:
        sent = message(rows, name, height=6, padding=padding)
    close(to_bgr(sent), by_601(y, *full))


@pytest.mark.parametrize('bits', [8, 16])
@pytest.mark.parametrize('pattern', PATTERNS)
def test_a_pattern_of_one_colour_is_that_colour(pattern, bits):
    kind, whole = (np.uint8, 1) if bits == 8 else (np.uint16, 257)
    levels = {'R': 200, 'G': 100, 'B': 50}
    tile = np.array([levels[letter] for letter in PATTERNS[pattern]]).reshape(2, 2) * whole
    array = np.tile(tile, (4, 5)).astype(kind)
    found = to_bgr(message(array, f'bayer_{pattern}{bits}', padding=2))
    assert (found == (50, 100, 200)).all()


@pytest.mark.parametrize('big', [False, True])
@pytest.mark.parametrize('pattern', PATTERNS)
def test_a_pattern_becomes_what_cv_bridge_makes_of_it(pattern, big):
    rng = np.random.default_rng(3)
    eight = rng.integers(0, 256, (7, 9), np.uint8)
    found = to_bgr(message(eight, f'bayer_{pattern}8'))
    assert np.array_equal(found, cv2.cvtColor(eight, CV_BRIDGE[pattern]))
    sixteen = rng.integers(0, 65536, (7, 9), np.uint16)
    found = to_bgr(message(sixteen, f'bayer_{pattern}16', big=big))
    wanted = np.rint(cv2.cvtColor(sixteen, CV_BRIDGE[pattern]) * (255 / 65535))
    assert np.array_equal(found, wanted.astype(np.uint8))


@pytest.mark.parametrize(
    'encoding, height, width, told',
    [
        *((name, 4, 5, 'width') for name in ('uyvy', 'yuyv', 'yuv422', 'yuv422_yuy2', 'nv12')),
        ('nv21', 3, 4, 'height'),
        ('nv12', 3, 4, 'height'),
    ],
)
def test_a_size_that_a_format_cannot_have_is_refused_by_name(encoding, height, width, told):
    sent = message(np.zeros((height * 3, width * 4), np.uint8), encoding, height, width)
    with pytest.raises(RecordError, match=f'{width} x {height} {encoding}.* its {told} is odd'):
        to_bgr(sent)


@pytest.mark.parametrize('size', [(1, 1), (2, 2), (2, 9), (9, 2)])
def test_a_pattern_too_small_for_a_picture_is_refused(size):
    with pytest.raises(RecordError, match='no picture'):
        to_bgr(message(np.zeros(size, np.uint8), 'bayer_rggb8'))


@pytest.mark.parametrize('encoding', ENCODINGS)
@pytest.mark.parametrize(
    'lie',
    [
        {'height': 10**6, 'width': 10**6, 'step': 3 * 10**6},
        {'height': 2**32 - 1, 'width': 2**32 - 1, 'step': 2**32 - 1},
        {'height': 10**6},
        {'width': 10**6},
        {'step': 10**6},
        {'step': 1},
        {'data': bytes(31)},
    ],
)
def test_sizes_that_lie_are_refused_before_anything_is_made(encoding, lie):
    sent = message(np.zeros((12, 64), np.uint8), encoding, height=4, width=4)
    vars(sent).update(lie)
    for read in (to_array, to_bgr):
        with pytest.raises(RecordError):
            read(sent)


@pytest.mark.parametrize('encoding', ['16UC1', '32SC1', '32FC1'])
def test_what_is_no_picture_is_refused_by_name(encoding):
    sent = message(np.zeros((4, 16), np.uint8), encoding, width=4)
    with pytest.raises(RecordError, match=f"'{encoding}' is no colour picture"):
        to_bgr(sent)


@pytest.mark.parametrize('encoding', ['uyvy', 'nv12', 'nv24', 'bayer_gbrg8', 'bayer_gbrg16'])
def test_no_map_comes_as_video_or_as_a_pattern(encoding):
    sent = message(np.zeros((12, 16), np.uint8), encoding, height=4, width=4)
    with pytest.raises(RecordError, match='what a pixel holds is blended'):
        to_label_pixels(sent)


def test_a_picture_that_is_bgr_already_is_not_copied():
    data = np.zeros(4 * 6 * 3, np.uint8)
    sent = SimpleNamespace(
        encoding='bgr8', height=4, width=6, step=18, is_bigendian=0, data=memoryview(data)
    )
    assert np.shares_memory(to_bgr(sent), data)


def test_labels_of_more_bits_than_they_need_are_read():
    tags = np.array([[0, 7], [26, 33]])
    for encoding, kind in (('mono16', np.uint16), ('16UC1', np.uint16), ('32SC1', np.int32)):
        found = to_label_pixels(message(tags.astype(kind), encoding))
        assert found.dtype == np.uint8 and np.array_equal(found, tags)
    wide = np.array([[-1, 7], [70000, 300]], np.int32)
    assert to_label_pixels(message(wide, '32SC1')).tolist() == [[65535, 7], [65535, 300]]


@pytest.mark.parametrize('encoding', ['rgb8', 'bgr8', 'rgba8', 'bgra8', '8UC3', '8UC4'])
def test_labels_in_colours_are_rgb_whatever_their_order(encoding):
    channels = 4 if encoding in ('rgba8', 'bgra8', '8UC4') else 3
    array = np.arange(2 * 3 * channels, dtype=np.uint8).reshape(2, 3, channels)
    wanted = array[:, :, :3] if encoding.startswith('rgb') else array[:, :, 2::-1]
    assert np.array_equal(to_label_pixels(message(array, encoding, padding=3)), wanted)
