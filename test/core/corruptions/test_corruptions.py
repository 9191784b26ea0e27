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

"""Corruptions: repeatable, centred, physically scaled, nested over severities."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from hashlib import blake2b
from math import cos, log, radians, sin
from pathlib import Path
from statistics import NormalDist

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from vlm_misalign_ros.core.corruptions import (
    CORRUPTIONS,
    SEVERITIES,
    Manner,
    degrade,
    low_light,
    motion_blur,
    occluders,
    occlusion,
    parse_conditions,
)
from vlm_misalign_ros.core.corruptions.conditions import BLANK
from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.types import Condition

ROOT = Path(__file__).resolve().parents[3]
EVERY = [Condition(name, severity) for name in CORRUPTIONS.builtin() for severity in SEVERITIES]


def natural(height: int = 256, width: int = 512, seed: int = 0) -> np.ndarray:
    """Return a picture with the 1 / f amplitude spectrum of natural scenes."""
    rng = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :])
    frequency[0, 0] = 1
    planes = []
    for _ in range(3):
        spectrum = np.fft.rfft2(rng.standard_normal((height, width))) / frequency
        spectrum[0, 0] = 0
        plane = np.fft.irfft2(spectrum, s=(height, width))
        planes.append(120 + 45 * plane / plane.std())
    return np.clip(np.stack(planes, -1), 0, 255).astype(np.uint8)


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    return float(cv2.PSNR(one, other))


# Repeatable

DIGEST_SCRIPT = """
import hashlib, sys
import numpy as np
from vlm_misalign_ros.core.corruptions import CORRUPTIONS, degrade
from vlm_misalign_ros.core.types import Condition
values = np.arange(64 * 1024 * 3, dtype=np.int64)
image = (values * values // 977 % 256).astype(np.uint8).reshape(64, 1024, 3)
names = sorted(CORRUPTIONS.builtin(), reverse=sys.argv[1] == 'backwards')
for name in names:
    for severity in (1, 4):
        for key in ('frame_a', 'frame_b'):
            done = degrade(image, Condition(name, severity), 7, key)
            digest = hashlib.sha256(done.image.tobytes())
            if done.occluder is not None:
                digest.update(done.occluder.tobytes())
            print(name, severity, key, done.applied.seed, digest.hexdigest())
"""


def test_same_result_in_another_process_and_order() -> None:
    def lines(order: str, hash_seed: str) -> list[str]:
        environment = {**os.environ, 'PYTHONPATH': str(ROOT), 'PYTHONHASHSEED': hash_seed}
        done = subprocess.run(
            [sys.executable, '-c', DIGEST_SCRIPT, order],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return sorted(done.stdout.splitlines())

    first = lines('forwards', '1')
    assert len(first) == 12
    assert first == lines('backwards', '2')
    assert len({line.split()[-1] for line in first}) == 12


def test_result_does_not_depend_on_the_number_of_threads() -> None:
    image = natural()
    threads = cv2.getNumThreads()
    try:
        cv2.setNumThreads(1)
        alone = [degrade(image, condition, 3, 'k').image for condition in EVERY]
    finally:
        cv2.setNumThreads(threads)
    for condition, expected in zip(EVERY, alone, strict=True):
        np.testing.assert_array_equal(degrade(image, condition, 3, 'k').image, expected)


@pytest.mark.parametrize('name', CORRUPTIONS.builtin())
def test_seed_is_the_documented_digest_without_the_severity(name: str) -> None:
    image = natural(32, 64)
    expected = int.from_bytes(blake2b(f'5|key|{name}'.encode()).digest()[:8], 'big') % 2**63
    seeds = {degrade(image, Condition(name, k), 5, 'key').applied.seed for k in SEVERITIES}
    assert seeds == {expected}


@pytest.mark.parametrize('name', CORRUPTIONS.builtin())
def test_other_frames_and_other_runs_degrade_differently(name: str) -> None:
    image = natural(64, 1024)
    results = [
        degrade(image, Condition(name, 3), seed, key).image.tobytes()
        for seed, key in ((0, 'a'), (0, 'b'), (1, 'a'))
    ]
    assert len(set(results)) == 3


@pytest.mark.parametrize('condition', EVERY, ids=lambda condition: condition.name)
def test_input_is_never_written_to(condition: Condition) -> None:
    image = natural(64, 128)
    before = hashlib.sha256(image.tobytes()).digest()
    image.flags.writeable = False
    done = degrade(image, condition, 0, 'k')
    assert hashlib.sha256(image.tobytes()).digest() == before
    assert not np.shares_memory(done.image, image)
    assert done.image.shape == image.shape and done.image.dtype == np.uint8
    assert (done.occluder is not None) == (condition.corruption == 'occlusion')
    assert done.applied.condition == condition
    assert all(type(value) is float for value in done.applied.parameters.values())


def test_clean_returns_the_image_itself() -> None:
    image = natural(32, 32)
    done = degrade(image, Condition(), 0, 'k')
    assert done.image is image and done.occluder is None and done.applied.parameters == {}


@pytest.mark.parametrize('size', [(16, 16), (17, 333), (301, 19), (16, 4096), (2100, 16)])
def test_any_size_from_16_pixels(size: tuple[int, int]) -> None:
    image = natural(*size)
    for condition in EVERY:
        for key in ('a', 'b', 'c', 'd'):
            assert degrade(image, condition, 0, key).image.shape == image.shape


@pytest.mark.parametrize('name', CORRUPTIONS.builtin())
@pytest.mark.parametrize('key', ['a', 'b', 'c', 'd', 'e', 'f'])
def test_psnr_falls_with_severity(name: str, key: str) -> None:
    image = natural(512, 1024)
    ratios = [psnr(image, degrade(image, Condition(name, k), 0, key).image) for k in SEVERITIES]
    assert all(mild > severe for mild, severe in zip(ratios, ratios[1:], strict=False)), ratios


# Motion blur

ANGLES = [0.0, 13.0, 26.6, 45.0, 61.0, 90.0, 117.0, 135.0, 151.0, 179.9]


@pytest.mark.parametrize('angle', ANGLES)
@pytest.mark.parametrize('length', [3.0, 6.0, 9.0, 24.0, 34.0, 48.0, 91.0])
def test_blur_of_a_point_is_a_centred_line_that_keeps_its_energy(
    angle: float, length: float
) -> None:
    size, middle = 161, 80
    image = np.zeros((size, size, 3), np.uint8)
    image[middle, middle] = 255
    total = motion_blur.blur(image, motion_blur.line(angle, length))[..., 0].astype(float)
    rows, columns = np.nonzero(total)
    weights = total[rows, columns]
    assert abs(np.average(columns, weights=weights) - middle) < 1e-9
    assert abs(np.average(rows, weights=weights) - middle) < 1e-9
    # Rounding changes each of n pixels by half a grey level at most.
    assert abs(total.sum() - 255) <= 0.5 * len(weights)
    # Every point lies near the ideal line, through the centre at the angle (y points down).
    x, y = columns - middle, rows - middle
    away = np.abs(x * sin(radians(angle)) + y * cos(radians(angle)))
    assert away.max() <= 2.0
    along = np.abs(x * cos(radians(angle)) - y * sin(radians(angle))).max()
    # The two ends count for less: they add a pixel on either side of the line at most.
    assert -1 <= 2 * along + 1 - length <= 3


@pytest.mark.parametrize('angle', ANGLES)
@pytest.mark.parametrize('length', [1.5, 6.0, 9.0, 24.0, 27.0, 91.0])
def test_blur_equals_a_dense_convolution(angle: float, length: float) -> None:
    image = natural(190, 230)
    kernel = motion_blur.line(angle, length).kernel()
    assert kernel.sum() == pytest.approx(1)
    np.testing.assert_array_equal(kernel, kernel[::-1, ::-1])
    expected = np.stack(
        [ndimage.convolve(image[..., c].astype(float), kernel, mode='mirror') for c in range(3)],
        -1,
    )
    blurred = motion_blur.blur(image, motion_blur.line(angle, length))
    assert np.abs(blurred - expected).max() <= 0.5 + 1e-6


@pytest.mark.parametrize('severity', SEVERITIES)
def test_blur_keeps_a_flat_picture_and_the_mean_brightness(severity: int) -> None:
    flat = np.full((200, 400, 3), 255, np.uint8)
    np.testing.assert_array_equal(
        degrade(flat, Condition('motion_blur', severity), 0, 'k').image, flat
    )
    image = natural()
    blurred = degrade(image, Condition('motion_blur', severity), 0, 'k').image
    assert abs(blurred.mean() - image.mean()) < 0.5


def test_blur_keeps_its_angle_over_severities_and_scales_with_the_width() -> None:
    def drawn(width: int, severity: int) -> dict[str, float]:
        image = np.zeros((64, width, 3), np.uint8)
        return degrade(image, Condition('motion_blur', severity), 0, 'k').applied.parameters

    assert len({drawn(2048, k)['angle_deg'] for k in SEVERITIES}) == 1
    assert [drawn(2048, k)['length_px'] for k in SEVERITIES] == [6, 9, 15, 24, 34]
    assert drawn(1024, 4)['length_px'] == drawn(2048, 4)['length_px'] / 2


@given(st.floats(0, 180), st.floats(0, 200))
def test_a_line_is_as_long_as_asked_and_never_ends_half_way_between_grey_levels(angle, length):
    found = motion_blur.line(angle, length)
    major = max(abs(cos(radians(angle))), abs(sin(radians(angle))))
    # Steps along the major axis, from one point on; a unit is split into `unit` parts.
    assert found.points == pytest.approx(max(length * major, 1), abs=1 / found.unit + 1e-9)
    assert found.points == pytest.approx(max(length * major, 1), rel=0.015)
    kernel = found.kernel()
    np.testing.assert_array_equal(kernel, kernel[::-1, ::-1])
    # An odd sum of weights: k / weight is never n + 1/2; sums fit into 16 bits.
    assert found.weight % 2 == 1 and 255 * found.weight < 2**16
    whole = kernel * found.weight
    np.testing.assert_allclose(whole, np.rint(whole), atol=1e-9)


def test_blur_grows_with_the_severity_at_any_width() -> None:
    for width in (512, 1024, 2048):
        for angle in ANGLES:
            spreads = []
            for severity in (0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5, 6, 8):
                length = motion_blur.LENGTHS.at(severity) * width / 2048
                kernel = motion_blur.line(angle, length).kernel()
                y, x = np.indices(kernel.shape)
                y, x = y - kernel.shape[0] // 2, x - kernel.shape[1] // 2
                spreads.append((kernel * (x * x + y * y)).sum())
            # Nothing up to a single point, then more with every step.
            assert all(a < b or a == b == 0 for a, b in zip(spreads, spreads[1:], strict=False))


# Low light


@pytest.mark.parametrize('severity', SEVERITIES)
@pytest.mark.parametrize('value', [150, 200, 250])
def test_noise_has_the_mean_and_variance_of_the_formula(severity: int, value: int) -> None:
    image = np.full((96, 2048, 3), value, np.uint8)
    done = degrade(image, Condition('low_light', severity), 0, 'k')
    drawn = done.applied.parameters
    light = drawn['exposure'] * (value / 255) ** 2.2
    sigma = (drawn['shot'] * light + drawn['read']) ** 0.5
    # Moments of a normal variable that is cut off at black.
    below, density = NormalDist().cdf(light / sigma), NormalDist().pdf(light / sigma)
    mean = light * below + sigma * density
    variance = (light**2 + sigma**2) * below + light * sigma * density - mean**2
    measured = (done.image / 255) ** 2.2
    # Rounding to 8 bits adds a uniform error of one step in gamma space (exact to first order).
    step = 2.2 * light ** (1 - 1 / 2.2) / 255
    # Five standard errors, and 1 or 2 % for the finite table and the curvature of gamma.
    assert abs(measured.mean() - mean) < sigma * (5 / image.size**0.5 + 0.01)
    assert measured.var() == pytest.approx(
        variance + step**2 / 12, rel=5 * (2 / image.size) ** 0.5 + 0.02
    )


def test_shot_noise_doubles_its_variance_where_the_light_doubles() -> None:
    table = low_light.noise_table(1.0, 1e-3, 0.0)
    light = (table.astype(float) / 255) ** 2.2
    bright = 220
    dim = round(bright * 0.5 ** (1 / 2.2))
    expected = (bright / dim) ** 2.2
    assert light[bright].var() / light[dim].var() == pytest.approx(expected, rel=0.05)


def test_read_noise_follows_brooks() -> None:
    image = np.zeros((16, 2048, 3), np.uint8)
    deviations = []
    for key in range(300):
        drawn = degrade(image, Condition('low_light', 4), 0, str(key)).applied.parameters
        deviations.append(log(drawn['read']) - 2.18 * log(drawn['shot']) - 1.20)
    # Standard errors of 300 draws of N(0, 0.26): 0.015 for the mean, 0.011 for the deviation.
    assert abs(np.mean(deviations)) < 0.06
    assert abs(np.std(deviations) - 0.26) < 0.045


def test_every_severity_has_shot_noise_within_the_range_of_brooks_at_the_reference_width() -> None:
    image = np.zeros((16, 2048, 3), np.uint8)
    for severity in range(11):
        rng = np.random.default_rng(0)
        shot = low_light.apply(image, severity, rng).parameters['shot']
        assert 1e-4 <= shot <= 1.2e-2


@pytest.mark.parametrize('severity', [1, 3, 5])
@given(value=st.integers(120, 250), key=st.text(max_size=3))
@settings(max_examples=8, deadline=None)
def test_one_scene_at_two_sizes_is_equally_noisy_when_brought_to_one(severity, value, key) -> None:
    condition = Condition('low_light', severity)
    large, small = (
        (degrade(np.full((h, w, 3), value, np.uint8), condition, 0, key).image / 255) ** 2.2
        for h, w in ((256, 2048), (128, 1024))
    )
    # What a sensor with a quarter of the pixels collects: the mean light of 2 x 2.
    brought = large.reshape(128, 2, 1024, 2, 3).mean(axis=(1, 3))
    assert brought.mean() == pytest.approx(small.mean(), rel=0.01)
    # Rounding to 8 bits, one step of gamma space, adds to both (to a mean of four a quarter).
    step = 2.2 * small.mean() ** (1 - 1 / 2.2) / 255
    one, other = brought.var() - step**2 / 48, small.var() - step**2 / 12
    # The standard error of the ratio is 0.3 %; values cut off at black are rare from 120 on.
    assert one / other == pytest.approx(1, abs=0.05)


def test_lamps_stay_where_that_is_asked_for() -> None:
    image = natural()
    image[:40] = 255
    image[40:60] = (0, 0, 255)
    light = (image / 255.0) ** 2.2
    # ITU-R BT.709, of blue, green and red.
    lamps = light @ np.array([0.0722, 0.7152, 0.2126]) > 0.9
    assert 0.05 < lamps.mean() < 0.9 and not lamps[40:60].any()
    plain, kept = (
        low_light.apply(image, 3, np.random.default_rng(0), keep_lamps=keep)
        for keep in (False, True)
    )
    np.testing.assert_array_equal(kept.image[lamps], image[lamps])
    np.testing.assert_array_equal(kept.image[~lamps], plain.image[~lamps])
    assert kept.parameters == {**plain.parameters, 'lamps': lamps.mean()}


def test_a_grey_pixel_is_a_lamp_above_nine_tenths_of_linear_light() -> None:
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    # 255 * .9 ** (1 / 2.2) = 243.07
    np.testing.assert_array_equal(low_light.lamp_pixels(ramp)[0], np.arange(256) >= 244)
    assert not low_light.lamp_pixels(np.zeros((16, 16, 3), np.uint8)).any()


def test_keeping_lamps_changes_low_light_alone() -> None:
    image = natural()
    image[:50] = 255
    for condition in EVERY:
        plain, kept = (
            degrade(image, condition, 0, 'k', Manner(keep_lamps=keep)) for keep in (False, True)
        )
        same = np.array_equal(plain.image, kept.image)
        assert same == (condition.corruption != 'low_light')
        assert ('lamps' in kept.applied.parameters) == (condition.corruption == 'low_light')


def test_noise_is_independent_of_neighbours_and_channels() -> None:
    image = np.full((256, 256, 3), 180, np.uint8)
    noise = degrade(image, Condition('low_light', 3), 0, 'k').image.astype(float)
    noise -= noise.mean()
    scale = noise.var()
    # The standard error of a correlation over 65,536 pixels is 0.004.
    for one, other in (
        (noise[:, 1:], noise[:, :-1]),
        (noise[1:], noise[:-1]),
        (noise[..., 0], noise[..., 1]),
        (noise[..., 1], noise[..., 2]),
    ):
        assert abs((one * other).mean() / scale) < 0.02


def test_without_noise_low_light_is_the_exposure() -> None:
    table = low_light.noise_table(0.25, 0.0, 0.0)
    expected = np.rint(np.arange(256) * 0.25 ** (1 / 2.2))
    np.testing.assert_array_equal(table, np.tile(expected[:, None], (1, table.shape[1])))


# Occlusion


def over_black_and_white(
    coverage: float, kind: occlusion.Kind, seed: int, size: tuple[int, int] = (512, 1024)
) -> tuple[np.ndarray, np.ndarray, dict[str, float]]:
    """
    Return opacity, mask and parameters of an occluder.

    The opacity, 0 to 1, is what two scenes differ by where it lies over both.
    """
    made = []
    for value in (0, 255):
        # Drops show the scene in themselves: a whole picture of the value, but for one scale.
        image = np.full((*size, 3), value, np.uint8)
        made.append(occlusion.cover(image, coverage, kind, np.random.default_rng(seed)))
    black, white = made
    np.testing.assert_array_equal(black.occluder, white.occluder)
    assert black.parameters == white.parameters
    # The other way round: what is left of the scene.
    left = (white.image.astype(float) - black.image)[..., 0] / 255
    return 1 - left, black.occluder, black.parameters


OPAQUE = [occlusion.Kind.DIRT, occlusion.Kind.OBJECT]


@pytest.mark.parametrize('kind', OPAQUE, ids=lambda kind: kind.name)
@pytest.mark.parametrize('seed', range(4))
@pytest.mark.parametrize('size', [(512, 1024), (96, 192), (300, 200)])
def test_covered_is_where_the_opacity_is_one_half_at_least(kind, seed, size) -> None:
    for severity in SEVERITIES:
        opacity, mask, drawn = over_black_and_white(
            occlusion.COVERAGES.at(severity), kind, seed, size
        )
        # Both layers of the blend are rounded to 8 bits: 1/255 is the error of the difference.
        assert opacity[mask == 255].min(initial=1) >= 0.5 - 1.5 / 255
        assert opacity[mask == 0].max(initial=0) < 0.5 + 1.5 / 255
        assert drawn['coverage'] == np.count_nonzero(mask) / mask.size


@pytest.mark.parametrize('kind', list(occlusion.Kind), ids=lambda kind: kind.name)
@pytest.mark.parametrize('seed', range(4))
def test_occlusion_covers_what_was_asked_and_nests(kind: occlusion.Kind, seed: int) -> None:
    image = natural(512, 1024)
    previous = np.zeros(image.shape[:2], np.uint8)
    for coverage in (0.0, 0.02, 0.04, 0.0405, 0.11, 0.25, 0.39, 0.78, 1.0):
        effect = occlusion.cover(image, coverage, kind, np.random.default_rng(seed))
        mask, drawn = effect.occluder, effect.parameters
        assert mask.dtype == np.uint8 and set(np.unique(mask)) <= {0, 255}
        share = np.count_nonzero(mask) / mask.size
        assert drawn['coverage'] == share and drawn['coverage_target'] == coverage
        # One step of the search is 1/2048, and the outline runs between the cells of the grid.
        assert abs(share - coverage) <= 0.002
        assert not np.any((previous == 255) & (mask == 0))
        previous = mask
        if coverage == 0:
            np.testing.assert_array_equal(effect.image, image)
        if coverage == 1:
            assert mask.all()


def test_occluders_fade_out_over_the_defocus_whatever_the_size() -> None:
    # A straight edge spread over a disc of radius r rises from 0 to 1 over 2 r: the object's
    # outline is nearly straight where it crosses a row.
    for size in ((512, 1024), (1024, 2048)):
        opacity, _, _ = over_black_and_white(0.25, occlusion.Kind.OBJECT, 3, size)
        row = opacity[size[0] // 2]
        soft = np.count_nonzero((row > 0.02) & (row < 0.98)) / size[1]
        # Sheared by at most 45 degrees; .02 to .98 of a disc's edge is .88 of its diameter.
        assert 0.8 * 2 / 77 < soft < 1.5 * 2 / 77


@given(st.integers(0, 99), st.floats(0, 6), st.floats(0, 1))
@settings(max_examples=40, deadline=None)
def test_the_opacity_is_the_mean_over_a_disc_and_covers_enough_just(seed, radius, coverage):
    height = np.random.default_rng(seed).standard_normal((40, 64)).astype(np.float32)
    height = ndimage.gaussian_filter(height, 2)
    threshold, opacity = occlusion.find_outline(height, coverage, radius)
    y, x = np.indices((13, 13)) - 6
    disc = (x * x + y * y <= radius * radius).astype(float)
    inside = height > np.float32(threshold)
    expected = ndimage.correlate(inside.astype(float), disc / disc.sum(), mode='nearest')
    if coverage * height.size >= 0.5:
        np.testing.assert_allclose(opacity / 255, expected, atol=0.5 / 255 + 1e-9)
        assert np.count_nonzero(opacity >= 128) >= round(coverage * height.size)
        # The next threshold that is looked at covers too little, or there is none.
        ordered = np.sort(height[::2, ::2], axis=None)
        for higher in ordered[np.searchsorted(ordered, np.float32(threshold), 'right') :][:1]:
            less = ndimage.correlate((height > higher).astype(float), disc, mode='nearest')
            assert np.count_nonzero(2 * less >= disc.sum() - 1e-9) < round(coverage * height.size)
    else:
        assert not opacity.any()


@pytest.mark.parametrize('kind', OPAQUE)
def test_inside_of_the_occluder_hides_the_scene(kind: occlusion.Kind) -> None:
    opacity, mask, _ = over_black_and_white(0.39, kind, 4)
    # A tenth of the covered part at least is deeper inside than the defocus reaches.
    assert np.count_nonzero(opacity > 0.99) > 0.1 * np.count_nonzero(mask)


def test_every_kind_of_occluder_is_drawn() -> None:
    image = natural(32, 64)
    kinds = [
        degrade(image, Condition('occlusion', 2), 0, str(key)).applied.parameters['kind']
        for key in range(60)
    ]
    assert set(kinds) == {0.0, 1.0, 2.0}


# Refusals


@pytest.mark.parametrize(
    ('condition', 'named'),
    [
        (Condition('fog', 1), 'fog'),
        (Condition('occlusion', 0), '0'),
        (Condition('low_light', 6), '6'),
        (Condition('low_light', True), 'True'),
        (Condition('motion_blur', 2.0), '2.0'),  # type: ignore[arg-type]
        (Condition('clean', 1), '1'),
    ],
)
def test_unknown_conditions_are_refused_by_name(condition: Condition, named: str) -> None:
    with pytest.raises(ConfigurationError, match=named) as refusal:
        degrade(natural(16, 16), condition, 0, 'k')
    assert 'Allowed' in str(refusal.value)


@pytest.mark.parametrize(
    ('image', 'named'),
    [
        (np.zeros((32, 32, 3), np.float32), 'float32'),
        (np.zeros((32, 32), np.uint8), r'\(32, 32\)'),
        (np.zeros((32, 32, 4), np.uint8), r'\(32, 32, 4\)'),
        (np.zeros((15, 32, 3), np.uint8), r'\(15, 32, 3\)'),
        (np.zeros((32, 64, 3), np.uint8)[:, ::2], 'strides'),
        ([[1]], 'list'),
    ],
)
def test_other_images_are_refused_by_what_is_wrong(image: np.ndarray, named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        degrade(image, Condition('occlusion', 1), 0, 'k')


# Conditions as text


def test_conditions_in_the_documented_forms() -> None:
    assert parse_conditions(['clean', 'motion_blur:1-5', 'low_light:3', 'occlusion:1,3,5']) == [
        Condition(),
        *(Condition('motion_blur', k) for k in (1, 2, 3, 4, 5)),
        Condition('low_light', 3),
        *(Condition('occlusion', k) for k in (1, 3, 5)),
    ]
    assert parse_conditions('all') == [Condition(), *EVERY]


@pytest.mark.parametrize(
    'text',
    [
        'clean,occlusion:1,3-4,low_light:2',
        'clean occlusion:1,3-4 low_light:2',
        ' clean ; occlusion: 1, 3-4; low_light : 2 ',
    ],
)
def test_one_text_is_split_into_entries(text: str) -> None:
    assert parse_conditions(text) == [
        Condition(),
        Condition('occlusion', 1),
        Condition('occlusion', 3),
        Condition('occlusion', 4),
        Condition('low_light', 2),
    ]


@given(st.lists(st.sampled_from([Condition(), *EVERY]), min_size=1, unique=True))
def test_names_of_conditions_parse_back(conditions: list[Condition]) -> None:
    names = [condition.name for condition in conditions]
    assert parse_conditions(names) == conditions
    assert parse_conditions(', '.join(names)) == conditions


@given(
    st.sampled_from(CORRUPTIONS.builtin()),
    st.integers(1, 5).flatmap(lambda k: st.tuples(st.just(k), st.integers(k, 5))),
)
def test_ranges_hold_both_ends(name: str, span: tuple[int, int]) -> None:
    first, last = span
    parsed = parse_conditions([f'{name}:{first}-{last}'])
    assert [condition.severity for condition in parsed] == list(range(first, last + 1))


@given(st.sampled_from([Condition(), *EVERY]))
def test_conditions_asked_for_twice_are_refused(condition: Condition) -> None:
    with pytest.raises(ConfigurationError, match=condition.name):
        parse_conditions(['all', condition.name])


@pytest.mark.heavy
@settings(max_examples=300)
@given(st.one_of(st.text(), st.lists(st.text(), max_size=3), st.text('clean:motion_blur,15-; ')))
def test_any_text_parses_or_is_refused_with_a_message(text: str | list[str]) -> None:
    try:
        parsed = parse_conditions(text)
    except ConfigurationError as refusal:
        assert 'conditions: ' in str(refusal)
    else:
        assert parsed and len(set(parsed)) == len(parsed)
        assert set(parsed) <= {Condition(), Condition(BLANK), *EVERY}


@pytest.mark.parametrize(
    'entry',
    [
        '',
        'fog:1',
        'motion_blur',
        'motion_blur:',
        'motion_blur:0',
        'motion_blur:6',
        'motion_blur:5-1',
        'motion_blur:1-',
        'motion_blur:1,,2',
        'clean:0',
        'all:1',
        'Motion_blur:1',
        'low_light:1.5',
        'low_light:\u0663',
        3,
        None,
    ],
)
def test_rubbish_is_refused_with_the_entry_and_the_allowed_form(entry: object) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        parse_conditions(['clean', entry])  # type: ignore[list-item]
    assert repr(entry) in str(refusal.value)
    assert 'motion_blur:1-5' in str(refusal.value)


@pytest.mark.parametrize('nothing', ['', '  ', [], None, 5])
def test_no_condition_at_all_is_refused(nothing: object) -> None:
    with pytest.raises(ConfigurationError, match='asks for no condition'):
        parse_conditions(nothing)  # type: ignore[arg-type]


# What is spelt out so that every version of NumPy and OpenCV draws the same pixels ------------


@given(st.integers(2, 40), st.integers(2, 40), st.integers(0, 99))
def test_smooth_noise_is_the_cubic_enlargement_of_opencv(rows, columns, seed):
    bumps = np.random.default_rng(seed).standard_normal((rows, columns), dtype=np.float32)
    enlarged = occluders._enlarge(occluders._enlarge(bumps, 64).T, 128).T
    peer = cv2.resize(bumps, (128, 64), interpolation=cv2.INTER_CUBIC)
    assert enlarged.dtype == np.float32
    np.testing.assert_allclose(enlarged, peer, atol=1e-5)
