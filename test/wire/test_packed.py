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
Pictures and maps in a CompressedImage, as image_transport packs them and as strangers do.

Expected is what OpenCV's codecs and, for depth, the formula of compressed_depth_image_transport
(codec.cpp: value = a / metres + b) give.
"""

import struct
import tracemalloc
import zlib
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.wire import images, rvl
from vlm_misalign_ros.wire.packed import MOST_BYTES, MOST_PIXELS, MOST_SCANS, declared

RNG = np.random.default_rng(4)
PICTURE = cv2.GaussianBlur(RNG.integers(0, 256, (24, 32, 3), np.uint8), (0, 0), 3)


def packed(array, form='png', text=None, *options):
    good, data = cv2.imencode('.jpg' if form == 'jpeg' else f'.{form}', array, list(options))
    assert good
    return SimpleNamespace(format=form if text is None else text, data=data.tobytes())


@pytest.mark.parametrize(
    'text', ['jpeg', 'jpg', '', 'bgr8; jpeg compressed bgr8', 'rgb8; jpeg compressed bgr8']
)
def test_a_jpeg_is_the_picture_that_opencv_makes_of_it(text):
    sent = packed(PICTURE, 'jpeg', text)
    wanted = cv2.imdecode(np.frombuffer(sent.data, np.uint8), cv2.IMREAD_COLOR)
    assert np.array_equal(images.picture(sent), wanted)


@pytest.mark.parametrize(
    'text', ['png', 'bgr8; png compressed bgr8', 'rgba8; png compressed bgr8']
)
def test_a_png_is_the_picture_to_the_last_bit(text):
    assert np.array_equal(images.picture(packed(PICTURE, 'png', text)), PICTURE)


def test_one_that_was_packed_red_first_is_turned_round():
    sent = packed(PICTURE[:, :, ::-1].copy(), 'png', 'rgb8; png compressed rgb8')
    assert np.array_equal(images.picture(sent), PICTURE)


def test_grey_alpha_and_sixteen_bits_become_a_picture():
    grey = PICTURE[:, :, 0]
    for sent in (packed(grey), packed(grey, 'png', 'mono8; png compressed ')):
        assert np.array_equal(images.picture(sent), np.dstack([grey] * 3))
    alpha = np.dstack([PICTURE, grey])
    assert np.array_equal(images.picture(packed(alpha)), PICTURE)
    wide = PICTURE.astype(np.uint16) * 257
    sent = packed(wide, 'png', 'bgr16; png compressed bgr16')
    assert np.array_equal(images.picture(sent), PICTURE)


def test_a_bayer_pattern_in_a_png_becomes_a_picture():
    """compressed_image_transport packs no colours of it: `bayer_rggb8; png compressed `."""
    tile = np.tile(np.array([[200, 100], [100, 50]], np.uint8), (5, 6))
    sent = packed(tile, 'png', 'bayer_rggb8; png compressed ')
    assert (images.picture(sent) == (50, 100, 200)).all()


@given(st.sampled_from([np.uint8, np.uint16]), st.integers(0, 2**32 - 1))
def test_maps_in_a_png_come_back_to_the_last_bit(kind, seed):
    rng = np.random.default_rng(seed)
    size = tuple(rng.integers(1, 9, 2))
    array = rng.integers(0, np.iinfo(kind).max, size, kind, endpoint=True)
    found = images.label_pixels(packed(array, 'png', 'mono16; png compressed '))
    assert np.array_equal(found, array)
    assert np.array_equal(images.whole(packed(array), 'instances are'), array)
    metres = packed(array, 'png', '16UC1; png compressed ')
    assert np.array_equal(images.depth(metres), array) and images.depth(metres).dtype == np.uint16


def test_colours_of_labels_in_a_png_are_rgb():
    assert np.array_equal(images.label_pixels(packed(PICTURE)), PICTURE[:, :, ::-1])


@pytest.mark.parametrize(
    'read', [images.label_pixels, images.depth, lambda m: images.whole(m, 'x')]
)
def test_maps_that_were_packed_with_loss_are_refused_by_name(read):
    with pytest.raises(RecordError, match='came as JPEG, which blends values at every outline'):
        read(packed(PICTURE, 'jpeg'))


def compressed_depth(values, first, second, text):
    header = struct.pack('<iff', 0, first, second)
    return SimpleNamespace(format=text, data=header + cv2.imencode('.png', values)[1].tobytes())


def test_depth_of_metres_is_packed_as_its_inverse():
    """Parameters as depth_quantization 100 and depth_max 10 give them."""
    first = 100 * 101.0
    second = 1 - first / 10
    metres = np.array([[1.0, 2.5, 9.9, np.nan, 20.0]], np.float32)
    with np.errstate(invalid='ignore'):
        values = np.where(metres < 10, first / metres + second, 0).astype(np.uint16)
    sent = compressed_depth(values, first, second, '32FC1; compressedDepth png')
    found = images.depth(sent)
    # Cut off to whole values: what is read is never nearer than what was, by a step at most.
    step = metres**2 / first * 1000
    assert found[0, 3:].tolist() == [0, 0]
    assert (found[0, :3] >= 1000 * metres[0, :3] - 1).all()
    assert (found[0, :3] <= 1000 * metres[0, :3] + step[0, :3] + 1).all()


@pytest.mark.parametrize('text', ['16UC1; compressedDepth', '16UC1; compressedDepth png'])
def test_depth_of_millimetres_is_packed_as_it_is(text):
    values = np.array([[0, 1, 200], [300, 30000, 65535]], np.uint16)
    assert np.array_equal(images.depth(compressed_depth(values, 0, 0, text)), values)


@pytest.mark.parametrize('numbers', [(0.0, 0.0), (np.nan, 1.0), (1e38, 7.0), (-1.0, np.inf)])
def test_numbers_of_strangers_make_depth_unknown_and_no_error(numbers):
    values = np.array([[0, 7, 60000]], np.uint16)
    found = images.depth(compressed_depth(values, *numbers, '32FC1; compressedDepth png'))
    assert found.dtype == np.uint16 and found.shape == (1, 3)


def chunk(kind, body):
    return struct.pack('>I', len(body)) + kind + body + struct.pack('>I', zlib.crc32(kind + body))


ROWS = zlib.compress(bytes(1000))


def png_bomb(width, height, bits=8, color=2, rows=ROWS):
    head = struct.pack('>IIBBBBB', width, height, bits, color, 0, 0, 0)
    return b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', head) + chunk(b'IDAT', rows) + chunk(b'IEND', b'')


def jpeg_of(height, width, bits=8, scans=1):
    frame = b'\xff\xc0' + struct.pack('>HBHHB', 17, bits, height, width, 3) + bytes(9)
    return b'\xff\xd8\xff\xe0\x00\x04ab' + frame + b'\xff\xda\x00\x02' * scans + b'\xff\xd9'


@pytest.mark.parametrize(
    'data',
    [
        *(
            png_bomb(*size)
            for size in ((10**6, 10**6), (2**31 - 1, 1), (0, 8), (8, 0), (9000, 9000))
        ),
        png_bomb(7000, 7000, 16, 6),
        *(jpeg_of(*size) for size in ((65535, 65535), (0, 100), (100, 0))),
    ],
    ids=lambda data: data[:4].hex(),
)
def test_a_bomb_is_refused_by_what_it_declares(data, monkeypatch):
    def never(*_):
        raise AssertionError('it was decoded')

    monkeypatch.setattr(cv2, 'imdecode', never)
    with pytest.raises(RecordError, match='a packed picture of'):
        images.picture(SimpleNamespace(format='png', data=data))


def test_the_largest_that_is_unpacked_is_declared_as_it_is():
    side = int(MOST_PIXELS**0.5)
    found = declared(memoryview(png_bomb(side, side)))
    assert (found.width, found.height, found.bytes) == (side, side, 3 * side * side)


@pytest.mark.parametrize(
    'color, samples, bits', [(0, 1, 8), (0, 1, 16), (2, 3, 16), (4, 2, 8), (4, 2, 16), (6, 4, 16)]
)
def test_a_png_declares_all_bytes_that_opencv_makes_of_it(color, samples, bits):
    row = bytes(1 + 8 * samples * bits // 8)
    data = png_bomb(8, 5, bits, color, zlib.compress(row * 5))
    made = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert made.shape[:2] == (5, 8) and declared(memoryview(data)).bytes == made.nbytes


@pytest.mark.parametrize(
    'data, told',
    [
        (b'', 'begins with nothing'),
        (b'GIF89a..', 'no JPEG and no PNG'),
        (b'RIFF\x00\x00\x00\x00WEBP', 'no JPEG and no PNG'),
        (b'\x00\x00\x00\x01\x67\x42\x00\x1e', 'begins with 000000016742001e'),
        (png_bomb(8, 8)[:20], 'has no header'),
        (png_bomb(8, 8)[:-12], 'truncated'),
        (png_bomb(8, 8).replace(b'IDAT', b'IDAX'), 'wrong checksum'),
        (png_bomb(8, 8, rows=b'nothing'), 'cannot be decoded'),
        (jpeg_of(8, 8, bits=12), '12 bits'),
        (jpeg_of(8, 8, scans=MOST_SCANS + 1), 'scans'),
        (jpeg_of(8, 8)[:-2], 'cut off'),
        (b'\xff\xd8\xff\xd9', 'does not tell its size'),
        (b'\xff\xd8\xff\xe0\x00\x00' * 9 + b'\xff\xd9', 'does not tell its size'),
    ],
)
def test_bytes_that_are_no_picture_are_refused_by_name(data, told):
    with pytest.raises(RecordError, match=told):
        images.picture(SimpleNamespace(format='jpeg', data=data))


def test_what_is_cut_off_is_refused_whether_opencv_would_show_a_part_or_not():
    whole = packed(RNG.integers(0, 256, (64, 64, 3), np.uint8), 'jpeg')
    for data in (whole.data[:4000], whole.data[:-2]):
        with pytest.raises(RecordError, match='cut off'):
            images.picture(SimpleNamespace(format='jpeg', data=data))


@pytest.mark.parametrize('marker', [0x00, 0x02, 0xBF, 0xC8, 0xDA, 0xDE, 0xF0])
def test_a_jpeg_declares_no_other_size_than_the_one_that_is_decoded(marker):
    """A segment that only this walker skips: its length leads to a second, smaller frame."""
    whole = packed(np.zeros((64, 96), np.uint8), 'jpeg').data
    small = b'\xff\xc0' + struct.pack('>HBHHB3s', 11, 8, 16, 16, 1, b'\x01\x11\x00')
    comment = b'\xff\xfe' + struct.pack('>H', 2 + len(small))
    # What is skipped is the picture's own head, up to what is in a comment of it.
    scan = whole.index(b'\xff\xda')
    head = whole[2:scan] + comment
    led = bytes([0xFF, marker]) + struct.pack('>H', 2 + len(head))
    data = whole[:2] + led + head + small + whole[scan:]
    if not marker:
        shown = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        assert shown.shape[:2] == (64, 96)
    with pytest.raises(RecordError, match='does not tell its size'):
        declared(memoryview(data))


def test_segments_that_libjpeg_passes_over_are_passed_over():
    whole = packed(PICTURE, 'jpeg').data
    led = b'\xff\x01\xff\xd3\xff\xff\xfe\x00\x03a\xff\xdd\x00\x04\x00\x00\xff\xef\x00\x02'
    data = whole[:2] + led + whole[2:]
    assert (declared(memoryview(data)).width, declared(memoryview(data)).height) == (32, 24)
    found = images.picture(SimpleNamespace(format='jpeg', data=data))
    assert np.array_equal(found, images.picture(packed(PICTURE, 'jpeg')))


@pytest.mark.parametrize('form', ['jpeg', 'png'])
def test_bytes_at_random_are_a_picture_or_refused(form):
    rng = np.random.default_rng(7)
    whole = packed(PICTURE, form).data
    for _ in range(300):
        data = bytearray(whole)
        for place in rng.integers(0, len(data), 3):
            data[place] = rng.integers(0, 256)
        try:
            found = images.picture(SimpleNamespace(format=form, data=bytes(data)))
        except RecordError as error:
            assert len(str(error)) < 1000
        else:
            assert found.dtype == np.uint8 and found.ndim == 3


def test_how_a_camera_was_held_turns_no_picture():
    """An Exif orientation of 6 is a quarter turn; maps of the same camera have none."""
    data = packed(PICTURE, 'jpeg').data
    ifd = struct.pack('<HHHIII', 1, 0x0112, 3, 1, 6, 0)
    body = b'Exif\x00\x00II*\x00' + struct.pack('<I', 8) + ifd
    exif = b'\xff\xe1' + struct.pack('>H', len(body) + 2) + body
    turned = SimpleNamespace(format='jpeg', data=data[:2] + exif + data[2:])
    shown = cv2.imdecode(np.frombuffer(turned.data, np.uint8), cv2.IMREAD_COLOR)
    assert shown.shape[:2] == (32, 24)
    assert np.array_equal(images.picture(turned), images.picture(packed(PICTURE, 'jpeg')))


def rvl_of(values):
    """Pack depth as Wilson's paper has it: one nibble after the other."""
    flat, nibbles = [int(value) for value in values.ravel()], []

    def put(number):
        while True:
            number, low = number >> 3, number & 7
            nibbles.append(low | 8 if number else low)
            if not number:
                return

    place, before = 0, 0
    while place < len(flat):
        first = place
        while place < len(flat) and not flat[place]:
            place += 1
        put(place - first)
        first = place
        while place < len(flat) and flat[place]:
            place += 1
        put(place - first)
        for value in flat[first:place]:
            put(2 * (value - before) if value >= before else 2 * (before - value) - 1)
            before = value
    nibbles += [0] * (-len(nibbles) % 8)
    words = [nibbles[k : k + 8] for k in range(0, len(nibbles), 8)]
    packed = b''.join(
        struct.pack('<I', sum(n << 4 * (7 - k) for k, n in enumerate(word))) for word in words
    )
    return struct.pack('<II', *values.shape[::-1]) + packed


def compressed_rvl(data, text='16UC1; compressedDepth rvl', first=0.0, second=0.0):
    return SimpleNamespace(format=text, data=struct.pack('<iff', 0, first, second) + data)


depths = arrays(
    np.uint16,
    st.tuples(st.integers(1, 6), st.integers(1, 9)),
    elements=st.sampled_from([0, 0, 0, 1, 700, 701, 30_000, 65_535]),
)


@given(depths)
def test_depth_in_rvl_comes_back_to_the_last_bit(values):
    found = images.depth(compressed_rvl(rvl_of(values)))
    assert found.dtype == np.uint16 and np.array_equal(found, values)


def test_a_word_of_rvl_by_hand():
    """No zeros, two others: 5 is 10 = 2 + 1 * 8, then 3 is -2, of which the number is 3."""
    word = 0x0 << 28 | 0x2 << 24 | 0xA << 20 | 0x1 << 16 | 0x3 << 12
    data = struct.pack('<IIII', 2, 1, word, 0)
    assert images.depth(compressed_rvl(data)).tolist() == [[5, 3]]


def test_depth_of_metres_in_rvl_is_its_inverse():
    values = np.array([[0, 1000, 2000]], np.uint16)
    sent = compressed_rvl(rvl_of(values), '32FC1; compressedDepth rvl', 4000.0, 0.0)
    assert images.depth(sent).tolist() == [[0, 4000, 2000]]


@pytest.mark.parametrize(
    'data, told',
    [
        (b'\x00' * 7, 'has no size'),
        (struct.pack('<II', 0, 5), 'a packed picture of 0 x 5'),
        (struct.pack('<II', 10**6, 10**6), 'not unpacked'),
        (struct.pack('<II', 2**32 - 1, 2**32 - 1), 'not unpacked'),
        (struct.pack('<II', 2, 2), 'holds no number'),
        (struct.pack('<III', 2, 2, 0xFFFFFFFF), 'holds no number'),
        (struct.pack('<IIIII', 9, 9, 0xFFFFFFFF, 0xFFFFFFFF, 0), 'more than 32 bits'),
        (struct.pack('<III', 100, 100, 0x11111111), 'ends after|more than'),
        (struct.pack('<III', 1, 2, 0x07000000), 'more than 2 pixels'),
        (struct.pack('<II', 1, 1) + bytes(1000), 'has 1008 bytes'),
        (struct.pack('<II', 1000, 1000) + bytes(400_000), 'runs is not unpacked'),
    ],
)
def test_rvl_that_is_no_picture_is_refused_by_name(data, told):
    with pytest.raises(RecordError, match=told):
        images.depth(compressed_rvl(data))


def test_the_largest_rvl_that_is_unpacked_has_the_memory_of_other_pictures():
    side = int((MOST_BYTES / rvl.EACH) ** 0.5) + 1
    data = struct.pack('<II', side, side)
    with pytest.raises(RecordError, match='a packed picture of .* is not unpacked'):
        images.depth(compressed_rvl(data))
    # Four thousand columns, which no camera of depth has more of, are not too many.
    with pytest.raises(RecordError, match='holds no number'):
        images.depth(compressed_rvl(struct.pack('<II', 3840, 2160)))


@pytest.mark.parametrize('filled', [False, True])
def test_rvl_takes_no_more_memory_than_it_says_whatever_fills_it(filled):
    """Differences of one nibble each; filling is one number a nibble, four bytes a pixel."""
    side = 1024
    values = np.full((side, side), 7, np.uint16)
    data = bytearray(rvl_of(values))
    if filled:
        data += bytes(4 * side * side + 64 - len(data))
    sent = compressed_rvl(bytes(data))
    tracemalloc.start()
    try:
        found = images.depth(sent)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert np.array_equal(found, values)
    assert peak < rvl.EACH * values.size


@given(depths, st.integers(0, 40))
def test_filling_behind_rvl_changes_nothing(values, words):
    data = rvl_of(values)
    room = (4 * values.size + 64 - len(data)) // 4
    sent = compressed_rvl(data + b'\x11' * (4 * min(words, room)))
    assert np.array_equal(images.depth(sent), values)


def test_numbers_of_rvl_that_lie_across_blocks_are_whole():
    """Numbers of three nibbles: blocks of 2^17 nibbles end within one."""
    values = np.tile(np.array([1, 60], np.uint16), 60_000).reshape(300, 400)
    data = rvl_of(values)
    assert len(data) > 4 * rvl._BLOCK and 8 * rvl._BLOCK % 3
    assert np.array_equal(images.depth(compressed_rvl(data)), values)


def test_rvl_at_random_is_depth_or_refused():
    rng = np.random.default_rng(11)
    for _ in range(500):
        data = struct.pack('<II', 4, 4) + rng.bytes(int(rng.integers(0, 60)))
        try:
            assert images.depth(compressed_rvl(data)).shape == (4, 4)
        except RecordError as error:
            assert len(str(error)) < 300


def test_depth_is_no_picture():
    values = np.zeros((4, 4), np.uint16)
    with pytest.raises(RecordError, match="of '16UC1' is no colour picture"):
        images.picture(packed(values, 'png', '16UC1; png compressed '))
    with pytest.raises(RecordError, match='in colours'):
        images.depth(packed(PICTURE))


def test_carlas_depth_is_in_its_colours():
    """1 km is white, and nobody knows how far that is; half of it is (0, 0, 128) and a little."""
    steps = [0, 1, 16_777, 167_772, 8_388_608, 16_777_214, 16_777_215]
    rgb = np.array([[[n & 255, n >> 8 & 255, n >> 16] for n in steps]], np.uint8)
    found = images.depth(packed(rgb[:, :, ::-1].copy()), 'carla')
    assert found.tolist() == [[0, 0, 1000, 10000, 65535, 65535, 0]]
    with pytest.raises(RecordError, match="is none of CARLA's colours"):
        images.depth(packed(np.zeros((2, 2), np.uint16)), 'carla')
    with pytest.raises(RecordError, match='in colours'):
        images.depth(packed(rgb))
