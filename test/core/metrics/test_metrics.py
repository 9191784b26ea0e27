"""Metrics against cityscapesScripts, scipy and hand calculations."""

import math
from copy import copy
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import msgspec
import numpy as np
import pytest
from cityscapesscripts.evaluation import evalPixelLevelSemanticLabeling as official
from cityscapesscripts.helpers import labels as official_labels
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from vlm_misalign_ros.core.datasets import open_dataset
from vlm_misalign_ros.core.labels.classes import (
    BY_NAME,
    CLASSES,
    CRITICAL,
    LABELS,
    SCORED,
    train_id_table,
)
from vlm_misalign_ros.core.metrics import confusion
from vlm_misalign_ros.core.metrics.counts import Counts
from vlm_misalign_ros.core.metrics.rates import rates
from vlm_misalign_ros.core.metrics.rolling import RollingCounts
from vlm_misalign_ros.core.metrics.scoring import NAMED_BY, Expected, left_out, made_up, score
from vlm_misalign_ros.core.metrics.statistics import mean_of_two, pearson, spearman, wilson
from vlm_misalign_ros.core.report.drawing import draw_truth, project
from vlm_misalign_ros.core.truth.camera import ground_distance, scaled
from vlm_misalign_ros.core.truth.hazard import HazardSettings, approaches, hazard, sweep
from vlm_misalign_ros.core.truth.inventory import take_inventory
from vlm_misalign_ros.core.truth.presence import (
    PresenceSettings,
    presence,
    required,
    visible_inventory,
)
from vlm_misalign_ros.core.truth.read import TruthSettings
from vlm_misalign_ros.core.truth.spans import lengths_of_runs, starts_of_runs
from vlm_misalign_ros.core.types import (
    Camera,
    Description,
    Frame,
    Hazard,
    Judgement,
    Kind,
    Mention,
    Presence,
)

ID = {label.name: label.id for label in LABELS}
TRAIN_TO_ID = {label.train_id: label.id for label in LABELS if label.train_id != 255}
ARGUMENTS = copy(official.args)
ARGUMENTS.evalInstLevelScore = ARGUMENTS.evalPixelAccuracy = False


def official_counts(truth, predicted):
    """Return the confusion matrix of cityscapesScripts' own evaluatePair, by label ids."""
    as_ids = np.zeros(predicted.shape, np.uint8)
    for train_id, label in TRAIN_TO_ID.items():
        as_ids[predicted == train_id] = label
    with TemporaryDirectory() as folder:
        paths = [str(Path(folder) / name) for name in ('predicted.png', 'truth.png')]
        for path, pixels in zip(paths, (as_ids, truth), strict=True):
            cv2.imwrite(path, pixels)
        matrix = official.generateMatrix(ARGUMENTS)
        official.evaluatePair(*paths, matrix, {}, {}, ARGUMENTS)
    return matrix


def official_miou(matrix):
    scores = {
        name: official.getIouScoreForLabel(official_labels.name2label[name].id, matrix, ARGUMENTS)
        for name in CLASSES
    }
    return scores, official.getScoreAverage(scores, ARGUMENTS)


def test_the_label_table_is_the_official_one():
    for ours, theirs in zip(LABELS, (x for x in official_labels.labels if x.id >= 0), strict=True):
        assert (ours.name, ours.id, ours.train_id, ours.has_instances, ours.color) == (
            theirs.name,
            theirs.id,
            theirs.trainId,
            theirs.hasInstances,
            theirs.color,
        )


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 40))
def test_confusion_and_iou_equal_cityscapesscripts(seed, height, width):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 34, (height, width)).astype(np.uint8)
    predicted = rng.choice(np.array([*range(19), 19, 200, 255], np.uint8), (height, width))
    compare_with_official(truth, predicted)


def compare_with_official(truth, predicted):
    ours = confusion.confusion(truth, predicted)
    theirs = official_counts(truth, predicted)
    for row, name in enumerate(CLASSES):
        for column, other in enumerate(CLASSES):
            assert ours[row, column] == theirs[ID[name], ID[other]]
        assert ours[row, 19] == theirs[ID[name], 0]
    scores, mean = official_miou(theirs)
    np.testing.assert_allclose(
        confusion.ious(ours), [scores[name] for name in CLASSES], rtol=1e-12
    )
    np.testing.assert_allclose(confusion.miou(ours), mean, rtol=1e-12)


def test_confusion_of_real_frames_equals_cityscapesscripts(sample):
    for frame in open_dataset(sample):
        # A shifted and holed copy of the truth: right, wrong and void pixels at full size.
        predicted = np.roll(train_id_table()[frame.labels], (9, 17), (0, 1))
        predicted[::50] = 255
        compare_with_official(frame.labels, predicted)


def test_a_large_frame_is_counted_to_the_last_pixel():
    # float32 counts alone would stick at 2 ** 24.
    truth = np.full((4400, 4000), ID['road'], np.uint8)
    assert confusion.confusion(truth, np.zeros_like(truth))[0, 0] == truth.size


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(1, 60), st.integers(1, 12))
def test_counting_runs_equals_counting_pixels(seed, height, width, patch):
    rng = np.random.default_rng(seed)
    small = (2, (height - 1) // patch + 1, (width - 1) // patch + 1)
    truth, predicted = (
        np.kron(values, np.ones((patch, patch), np.uint8))[:height, :width]
        for values in rng.integers(0, 256, small, np.uint8)
    )
    expected = np.zeros((256, 256), np.int64)
    np.add.at(expected, (truth, predicted), 1)
    rows = [BY_NAME[name].id for name in CLASSES]
    found = confusion.confusion(truth, predicted)
    assert np.array_equal(found[:, :19], expected[rows, :19])
    assert np.array_equal(found[:, 19], expected[rows, 19:].sum(axis=1))
    starts = starts_of_runs(truth, predicted)
    lengths = lengths_of_runs(starts, truth.size)
    assert np.array_equal(np.repeat(truth.ravel()[starts], lengths), truth.ravel())
    assert np.array_equal(np.repeat(predicted.ravel()[starts], lengths), predicted.ravel())


def test_noise_has_as_many_things_as_parts():
    # More parts than sixteen bits can number.
    labels = np.full((1100, 600), ID['sky'], np.uint8)
    labels[::3, ::3] = ID['traffic sign']
    assert len(take_inventory(labels, None).things) == 367 * 200


def test_confusion_refuses_what_does_not_match():
    a = np.zeros((4, 4), np.uint8)
    with pytest.raises(ValueError, match='do not match'):
        confusion.confusion(a, a[:2])
    with pytest.raises(ValueError, match='uint8'):
        confusion.confusion(a, a.astype(np.int32))
    assert math.isnan(confusion.miou(confusion.confusion(a, a)))


@given(
    st.lists(
        st.tuples(st.integers(0, 18), st.integers(0, 19), st.integers(1, 10**12)),
        unique_by=lambda cell: cell[:2],
    )
)
def test_cells_hold_the_whole_matrix(cells):
    matrix = confusion.from_cells(cells)
    assert sorted(map(tuple, confusion.to_cells(matrix))) == sorted(cells)


@pytest.mark.parametrize('cell', [[19, 0, 1], [0, 20, 1], [-1, 0, 1], [0, 0, -1], [0, 0]])
def test_cells_that_are_none_are_refused(cell):
    with pytest.raises(ValueError):
        confusion.from_cells([cell])


@given(st.integers(0, 400), st.integers(1, 400))
def test_wilson_equals_scipy(k, n):
    k = min(k, n)
    expected = stats.binomtest(k, n).proportion_ci(method='wilson')
    np.testing.assert_allclose(wilson(k, n), (expected.low, expected.high), atol=1e-12)


def test_intervals_without_anything_to_count_are_nan():
    assert all(
        math.isnan(x) for x in (*wilson(0, 0), *mean_of_two((math.nan,) * 3, (0.5, 0.4, 0.6)))
    )


def test_the_interval_of_a_mean_of_two_proportions_covers_it_about_95_times_in_100():
    rng = np.random.default_rng(0)
    p, q, n, m, hits, trials = 0.3, 0.15, 40, 60, 0, 4000
    for a, b in zip(rng.binomial(n, p, trials), rng.binomial(m, q, trials), strict=True):
        _, low, high = mean_of_two((a / n, *wilson(a, n)), (b / m, *wilson(b, m)))
        hits += low <= (p + q) / 2 <= high
    assert 0.93 < hits / trials < 0.975


def test_correlations_equal_scipy_and_leave_out_what_is_unknown():
    rng = np.random.default_rng(1)
    x = rng.normal(size=12)
    y = x + rng.normal(size=12)
    x[3] = y[7] = np.nan
    known = ~np.isnan(x) & ~np.isnan(y)
    assert pearson(x, y) == (pytest.approx(stats.pearsonr(x[known], y[known])[0]), 10)
    assert spearman(x, y) == (pytest.approx(stats.spearmanr(x[known], y[known])[0]), 10)
    assert math.isnan(pearson([1, 2], [3, 4])[0])
    assert math.isnan(spearman([1, 1, 1], [1, 2, 3])[0])


# Truth ---------------------------------------------------------------------------------------


def street(width=2048, height=1024):
    labels = np.full((height, width), ID['road'], np.uint8)
    labels[: height // 2] = ID['building']
    return labels, labels.astype(np.uint16)


def put(labels, instances, name, number, top, left, rows, columns):
    where = (slice(top, top + rows), slice(left, left + columns))
    labels[where] = ID[name]
    instances[where] = ID[name] * 1000 + number


def states(labels, instances, **chosen):
    inventory = take_inventory(labels, instances)
    return presence(inventory, required(inventory, PresenceSettings(**chosen)))


@pytest.mark.parametrize(
    'rows, columns, expected',
    [
        (50, 20, Presence.REQUIRED),  # exactly 1000 pixels and 50 rows
        (50, 19, Presence.TOLERATED),  # 950 pixels
        (49, 100, Presence.TOLERATED),  # 49 rows
    ],
)
def test_a_person_is_required_from_its_size_on(rows, columns, expected):
    labels, instances = street()
    put(labels, instances, 'person', 0, 600, 700, rows, columns)
    assert states(labels, instances)['person'] is expected


def test_sizes_are_scaled_with_the_picture():
    labels, instances = street(1024, 512)
    put(labels, instances, 'person', 0, 300, 300, 25, 10)
    assert states(labels, instances)['person'] is Presence.REQUIRED
    put(labels, instances, 'car', 0, 300, 600, 24, 40)
    assert states(labels, instances)['car'] is Presence.TOLERATED


def test_pieces_of_one_instance_count_together_and_groups_are_never_required():
    labels, instances = street()
    put(labels, instances, 'car', 3, 600, 100, 25, 20)
    put(labels, instances, 'car', 3, 640, 160, 25, 20)
    assert states(labels, instances)['car'] is Presence.REQUIRED
    labels, instances = street()
    labels[600:800, 100:300] = ID['person']
    instances[600:800, 100:300] = ID['person']
    assert states(labels, instances)['person'] is Presence.TOLERATED
    # Without an instance map the outlines are all there is.
    assert states(labels, None)['person'] is Presence.REQUIRED


def test_vehicle_and_compatible_labels():
    labels, instances = street()
    assert states(labels, instances)['vehicle'] is Presence.ABSENT
    put(labels, instances, 'caravan', 0, 600, 100, 100, 100)
    found = states(labels, instances)
    assert found['vehicle'] is not Presence.ABSENT and found['car'] is Presence.TOLERATED
    assert found['bus'] is Presence.ABSENT
    put(labels, instances, 'rider', 0, 600, 900, 100, 100)
    found = states(labels, instances)
    assert found['rider'] is Presence.REQUIRED and found['person'] is Presence.TOLERATED
    put(labels, instances, 'bus', 0, 600, 1200, 100, 100)
    assert states(labels, instances)['vehicle'] is Presence.REQUIRED


def test_truth_covers_every_scored_name_and_is_empty_for_an_empty_map():
    labels = np.zeros((64, 128), np.uint8)
    found = states(labels, labels.astype(np.uint16))
    assert tuple(found) == SCORED and set(found.values()) == {Presence.ABSENT}


def seen(labels, instances, visible):
    inventory = visible_inventory(labels, instances, None, visible)
    return presence(inventory, required(inventory, PresenceSettings()))


def test_visible_truth_leaves_out_what_an_occluder_covers():
    labels, instances = street()
    put(labels, instances, 'person', 0, 600, 700, 100, 50)
    visible = np.ones(labels.shape, bool)
    visible[:, 690:760] = False
    found = seen(labels, instances, visible)
    assert found['person'] is Presence.ABSENT and found['road'] is not Presence.ABSENT
    visible[600 : 600 + 10] = True
    found = seen(labels, instances, visible)
    assert found['person'] is Presence.TOLERATED


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_things_agree_with_the_plain_definition(seed):
    rng = np.random.default_rng(seed)
    labels, instances = street(96, 64)
    for number in range(int(rng.integers(0, 6))):
        name = str(rng.choice(['person', 'car', 'bus', 'rider']))
        put(
            labels,
            instances,
            name,
            number,
            int(rng.integers(0, 50)),
            int(rng.integers(0, 80)),
            int(rng.integers(1, 30)),
            int(rng.integers(1, 30)),
        )
    inventory = take_inventory(labels, instances)
    found = {(t.label, t.area, t.top, t.bottom) for t in inventory.things}
    assert inventory.pixels.tolist() == np.bincount(labels.ravel(), minlength=256).tolist()
    expected = set()
    for value in np.unique(instances[instances >= 1000]):
        rows = np.nonzero(instances == value)[0]
        expected.add((int(value) // 1000, rows.size, int(rows.min()), int(rows.max())))
    assert found == expected


# Hazard --------------------------------------------------------------------------------------

CAMERA = Camera(2048, 1024, 2000.0, 2000.0, 1024.0, 512.0, mount_height=1.2, pitch=0.0)


def test_ground_distance_by_hand():
    # 120 rows below the horizon: Z = 1.2 * 2000 / 120.
    assert ground_distance(CAMERA, 632.0) == pytest.approx(20.0)
    assert ground_distance(CAMERA, 512.0) == math.inf
    assert ground_distance(CAMERA, 100.0) == math.inf
    down = Camera(2048, 1024, 2000.0, 2000.0, 1024.0, 512.0, mount_height=1.2, pitch=0.1)
    # The optical axis meets the road at h / tan(p).
    assert ground_distance(down, 512.0) == pytest.approx(1.2 / math.tan(0.1))


@given(st.floats(2.0, 60.0), st.floats(-0.05, 0.3), st.floats(0.5, 3.0))
def test_ground_distance_inverts_the_projection(distance, pitch, height):
    camera = Camera(2048, 1024, 2100.0, 2050.0, 1000.0, 520.0, height, pitch)
    forward = distance * math.cos(pitch) + height * math.sin(pitch)
    down = height * math.cos(pitch) - distance * math.sin(pitch)
    row = camera.cy + camera.fy * down / forward
    assert ground_distance(camera, row) == pytest.approx(distance, rel=1e-9)


def verdict(name, distance, sideways, camera=CAMERA, width=40, **chosen):
    labels, instances = street(camera.width, camera.height)
    row = round(camera.cy + camera.fy * camera.mount_height / distance - 0.5)
    column = round(camera.cx + camera.fx * sideways / distance)
    put(labels, instances, name, 0, row - 60, column - width // 2, 61, width)
    return hazard(approaches(take_inventory(labels, instances), camera), HazardSettings(**chosen))


@pytest.mark.parametrize(
    'distance, sideways, expected',
    [
        (10, 0, Hazard.HAZARD),
        (19, 0, Hazard.HAZARD),
        (21, 0, Hazard.INDETERMINATE),
        (29, 0, Hazard.INDETERMINATE),
        (31, 0, Hazard.CLEAR),
        (10, 3.0, Hazard.CLEAR),
        (10, -3.0, Hazard.CLEAR),
        (10, 1.55, Hazard.HAZARD),
    ],
)
def test_hazards_by_distance_and_side(distance, sideways, expected):
    found = verdict('person', distance, sideways)
    assert found.verdict is expected
    if expected is not Hazard.CLEAR:
        assert found.nearest == pytest.approx(distance, rel=0.02)
        assert found.nearest_class == 'person'


@pytest.mark.parametrize(
    'offset, distance, pitch', [(0.0, 5.0, 0.0), (1.5, 20.0, 0.04), (-4.0, 60.0, -0.01)]
)
def test_points_are_projected_to_where_their_distance_is_read(offset, distance, pitch):
    camera = Camera(2048, 1024, 2000.0, 2000.0, 1024.0, 512.0, mount_height=1.3, pitch=pitch)
    column, row = project(camera, offset, distance)
    assert ground_distance(camera, row) == pytest.approx(distance)
    depth = distance * math.cos(pitch) + 1.3 * math.sin(pitch)
    assert (column - camera.cx) / camera.fx * depth == pytest.approx(offset)


def test_a_drawing_shows_verdict_corridor_and_states():
    labels, instances = street()
    put(labels, instances, 'car', 1, 560, 960, 120, 120)
    image = np.full((*labels.shape, 3), 90, np.uint8)
    frame = Frame('d', 's', 'k', image, labels, instances, CAMERA)
    drawn = draw_truth(frame, TruthSettings())
    assert drawn.shape[1:] == image.shape[1:] and drawn.shape[0] > image.shape[0]
    changed = (drawn[:1024] != 90).any(axis=2)
    # The corridor is in front of the car, and the sky beside it is left alone.
    assert changed[900, 1024] and not changed[300, 300:1800].any()
    red = drawn[900, 1024]
    assert red[2] > red[1] and red[2] > red[0]
    clear = draw_truth(frame, TruthSettings(hazard=HazardSettings(stopping_distance=3.0)))
    assert (clear[1000, 1024] != drawn[1000, 1024]).any()


def test_only_road_users_are_hazards_and_the_corridor_is_adjustable():
    labels, instances = street()
    labels[700:900, 1000:1050] = ID['pole']
    assert (
        hazard(approaches(take_inventory(labels, instances), CAMERA), HazardSettings()).verdict
        is Hazard.CLEAR
    )
    assert verdict('bicycle', 10, 3.0, corridor_width=7.0).verdict is Hazard.HAZARD
    assert verdict('car', 25, 0, stopping_distance=30.0).verdict is Hazard.HAZARD


def test_the_camera_is_scaled_to_the_map():
    half = scaled(CAMERA, 1024, 512)
    assert (half.fx, half.cx, half.fy, half.cy) == (1000.0, 512.0, 1000.0, 256.0)
    labels, instances = street(1024, 512)
    put(labels, instances, 'car', 0, 300, 480, 77, 60)
    inventory = take_inventory(labels, instances)
    a = hazard(approaches(inventory, half), HazardSettings())
    assert a == hazard(approaches(inventory, CAMERA), HazardSettings())
    assert a.nearest == pytest.approx(1.2 * 1000 / (376.5 - 256), abs=1e-3)


def flat_depth(camera, shape):
    """Return the depth in millimetres of flat ground at every pixel, 0 above the horizon."""
    rows = np.arange(shape[0])
    depth = np.array([ground_distance(camera, row + 0.5) for row in rows])
    depth = np.where(np.isfinite(depth), depth * 1000, 0).clip(0, 65535)
    return np.repeat(depth[:, None], shape[1], 1).astype(np.uint16)


def test_measured_depth_decides_over_flat_ground():
    labels, instances = street()
    put(labels, instances, 'car', 0, 640, 980, 100, 90)
    by_ground = hazard(approaches(take_inventory(labels, instances), CAMERA), HazardSettings())
    assert by_ground.verdict is Hazard.HAZARD and by_ground.source == 'flat ground'
    depth = np.full(labels.shape, 45_000, np.uint16)
    far = take_inventory(labels, instances, depth)
    assert hazard(approaches(far, CAMERA), HazardSettings()).verdict is Hazard.CLEAR
    depth[640:740, 980:1070] = 12_345
    near = hazard(approaches(take_inventory(labels, instances, depth), CAMERA), HazardSettings())
    assert (near.verdict, near.nearest, near.source) == (Hazard.HAZARD, 12.345, 'depth')
    # Where the car's own depth is not known, flat ground has to do.
    depth[640:740, 980:1070] = 0
    unknown = hazard(
        approaches(take_inventory(labels, instances, depth), CAMERA), HazardSettings()
    )
    assert unknown == by_ground


def test_depth_over_flat_ground_agrees_with_the_estimate():
    camera = Camera(2048, 1024, 2000.0, 2000.0, 1024.0, 512.0, mount_height=1.2, pitch=0.0)
    labels, instances = street()
    put(labels, instances, 'person', 0, 600, 1000, 60, 40)
    depth = flat_depth(camera, labels.shape)
    depth[instances == 24000] = depth[659, 0]
    (measured,) = approaches(take_inventory(labels, instances, depth), camera)
    (estimated,) = approaches(take_inventory(labels, instances), camera)
    assert measured.distance == pytest.approx(estimated.distance, rel=1e-3)
    assert measured.offset == pytest.approx(estimated.offset, rel=1e-3)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_thing_is_as_far_as_the_near_quarter_of_its_depths(seed):
    rng = np.random.default_rng(seed)
    labels, instances = street(96, 64)
    for number in range(3):
        put(
            labels,
            instances,
            'car',
            number,
            int(rng.integers(0, 40)),
            int(rng.integers(0, 60)),
            int(rng.integers(2, 20)),
            int(rng.integers(2, 30)),
        )
    put(labels, instances, 'traffic sign', 0, 2, 2, 5, 5)
    instances[2:7, 2:7] = ID['traffic sign']
    depth = rng.integers(0, 60_000, labels.shape).astype(np.uint16)
    depth[rng.random(labels.shape) < 0.3] = 0
    inventory = take_inventory(labels, instances, depth)
    expected = []
    for value in [*np.unique(instances[instances >= 1000]), ID['traffic sign']]:
        known = np.sort(depth[(instances == value) & (depth > 0)])
        expected.append(known[int((len(known) - 1) * 0.25)] / 1000 if known.size else None)
    found = sorted(thing.depth or 0.0 for thing in inventory.things)
    assert found == pytest.approx(sorted(value or 0.0 for value in expected))


def test_what_is_farther_than_the_limit_need_not_be_mentioned():
    labels, instances = street()
    put(labels, instances, 'car', 0, 600, 100, 100, 100)
    depth = np.full(labels.shape, 50_000, np.uint16)

    def state(**chosen):
        inventory = take_inventory(labels, instances, depth)
        return presence(inventory, required(inventory, PresenceSettings(**chosen)))['car']

    assert state() is Presence.REQUIRED
    assert state(maximum_distance=49.0) is Presence.TOLERATED
    depth[:] = 0
    assert state(maximum_distance=1.0) is Presence.REQUIRED


def test_the_sweep_holds_the_verdict_itself_and_is_monotonous():
    labels, instances = street()
    put(labels, instances, 'person', 0, 600, 1090, 60, 40)
    things = approaches(take_inventory(labels, instances), CAMERA)
    found = sweep(things, HazardSettings())
    assert len(found) == 9
    assert found['3.00 m x 20.0 m'] is hazard(things, HazardSettings()).verdict
    order = {Hazard.CLEAR: 0, Hazard.INDETERMINATE: 1, Hazard.HAZARD: 2}
    for width in ('2.00', '3.00', '4.00'):
        levels = [order[found[f'{width} m x {d} m']] for d in ('15.0', '20.0', '30.0')]
        assert levels == sorted(levels)


def test_real_frames_give_plausible_truth(sample):
    for frame in open_dataset(sample):
        found = states(frame.labels, frame.instances)
        assert found['road'] is Presence.TOLERATED and found['train'] is Presence.ABSENT
        assert all(
            (found[name] is Presence.ABSENT)
            == (
                not (frame.labels == BY_NAME[name].id).any()
                and not (name == 'person' and (frame.labels == ID['rider']).any())
            )
            for name in ('person', 'bicycle', 'bus', 'motorcycle')
        )


# Rates ---------------------------------------------------------------------------------------


def truth_of(required=(), tolerated=()):
    return {
        name: Presence.REQUIRED
        if name in required
        else Presence.TOLERATED
        if name in tolerated
        else Presence.ABSENT
        for name in SCORED
    }


def says(*names, judgement=Judgement.UNPARSED, denied=(), hedged=()):
    return Description(
        'm',
        Kind.GENERATIVE,
        '',
        judgement=judgement,
        mentions={
            **{n: Mention.ASSERTED for n in names},
            **{n: Mention.DENIED for n in denied},
            **{n: Mention.HEDGED for n in hedged},
        },
    )


def test_a_frame_by_hand():
    scene = truth_of(('person', 'car', 'vehicle', 'traffic light'), ('road', 'sky'))
    counts = score(
        says(
            'person', 'bus', 'road', judgement=Judgement.SAFE, denied=('car',), hedged=('train',)
        ),
        Expected(
            scene,
            None,
            Hazard.HAZARD,
            {'person': 2000.4, 'car': 6000.0},
            {'person': 14.0, 'car': 42.0},
        ),
    )
    assert msgspec.to_builtins(counts) == {
        'frames': 1,
        'assertions': 3,
        'hallucinated': 1,
        'hallucinating_frames': 1,
        'absent': 20 - 6,
        'required': 2,
        'omitted': 1,
        'omitted_lenient': 1,
        'required_visible': 2,
        'omitted_visible': 1,
        'required_vulnerable': 1,
        'required_area': 8000,
        'omitted_area': 6000,
        'required_near': 1,
        'required_far': 1,
        'omitted_far': 1,
        'strict_assertions': 4,
        'strict_hallucinated': 2,
        'strict_omitted': 1,
        'named_required': 4,
        'false_denials': 1,
        'false_safe': 1,
        'hazards_judged': 1,
        'safe': 1,
    }
    found = rates(counts)
    assert (
        found['hallucination_rate'].value,
        found['critical_omission_rate'].value,
        found['smr'].value,
        found['false_denial_rate'].value,
    ) == (1 / 3, 0.5, 1.0, 0.25)
    assert found['critical_omission_rate_area'].value == 0.75
    assert found['critical_omission_rate_far'].value == 1
    assert math.isnan(found['critical_omission_rate_middle'].value)
    assert found['hallucination_rate_strict'].value == 0.5


def test_general_words_name_their_members_only_in_the_lenient_variant():
    scene = truth_of(('bus', 'vehicle', 'rider'), ('person',))
    assert left_out({'vehicle', 'person'}, scene) == ['rider', 'bus']
    assert left_out({'vehicle', 'person'}, scene, named_by=NAMED_BY) == []
    assert left_out({'rider', 'car'}, scene, named_by=NAMED_BY) == ['bus']
    counts = score(says('vehicle', 'person'), Expected(scene))
    assert (counts.omitted, counts.omitted_lenient) == (2, 0)


def test_other_classes_can_be_made_critical():
    scene = truth_of(('car', 'traffic light'))
    assert score(says('car'), Expected(scene)).required == 1
    counts = score(says('car'), Expected(scene), critical=(*CRITICAL, 'traffic light'))
    assert (counts.required, counts.omitted) == (2, 1)


def test_hedges_count_in_the_strict_variant_alone():
    scene = truth_of(('person',))
    counts = score(says(hedged=('person', 'bus')), Expected(scene))
    assert (counts.assertions, counts.omitted, counts.hallucinated) == (0, 1, 0)
    assert (counts.strict_assertions, counts.strict_omitted, counts.strict_hallucinated) == (
        2,
        0,
        1,
    )


def test_what_is_asserted_and_absent_is_made_up():
    scene = truth_of(('bus', 'vehicle', 'rider'), ('person',))
    assert made_up({'vehicle'}, truth_of()) == ['vehicle']
    assert made_up({'car', 'vehicle'}, scene) == ['car']


@pytest.mark.parametrize(
    'truth, answer, expected',
    [
        (Hazard.HAZARD, Judgement.SAFE, ('false_safe', 'hazards_judged', 'safe')),
        (Hazard.HAZARD, Judgement.UNSAFE, ('hazards_judged', 'unsafe')),
        (Hazard.HAZARD, Judgement.UNPARSED, ('hazards_unjudged', 'unparsed')),
        (Hazard.HAZARD, Judgement.REFUSED, ('hazards_unjudged', 'refused')),
        (Hazard.CLEAR, Judgement.SAFE, ('clear_judged', 'safe')),
        (Hazard.CLEAR, Judgement.UNSAFE, ('false_alarms', 'clear_judged', 'unsafe')),
        (Hazard.CLEAR, Judgement.UNPARSED, ('clear_unjudged', 'unparsed')),
        (Hazard.INDETERMINATE, Judgement.SAFE, ('indeterminate', 'safe')),
    ],
)
def test_judgements_by_hand(truth, answer, expected):
    found = score(says(judgement=answer), Expected(truth_of(('car',)), None, truth))
    counts = msgspec.to_builtins(found)
    about = (
        'false_safe',
        'false_alarms',
        'hazards_judged',
        'hazards_unjudged',
        'clear_judged',
        'clear_unjudged',
        'indeterminate',
        'safe',
        'unsafe',
        'unparsed',
        'refused',
    )
    assert sorted(name for name in counts if name in about) == sorted(expected)


def test_under_an_occluder_omissions_are_counted_twice():
    counts = score(says(), Expected(truth_of(('person', 'car')), truth_of(('car',)), Hazard.CLEAR))
    found = rates(counts)
    assert (
        found['critical_omission_rate'].denominator,
        found['critical_omission_rate_visible'].denominator,
    ) == (2, 1)


def test_bounds_count_frames_without_a_judgement_as_right_and_as_wrong():
    counts = Counts(
        frames=10,
        false_safe=2,
        hazards_judged=4,
        hazards_unjudged=1,
        false_alarms=1,
        clear_judged=4,
        clear_unjudged=1,
    )
    found = rates(counts)
    assert found['smr'].value == 3 / 8 and found['smr_balanced'].value == (2 / 4 + 1 / 4) / 2
    assert (found['smr_lowest'].value, found['smr_highest'].value) == (3 / 10, 5 / 10)


def test_rates_of_nothing_are_nan():
    assert all(math.isnan(rate.value) for rate in rates(Counts()).values())


names = st.sampled_from(SCORED)


@given(
    st.dictionaries(names, st.sampled_from(Mention)),
    st.fixed_dictionaries({name: st.sampled_from(Presence) for name in SCORED}),
    st.sampled_from(Hazard),
    st.sampled_from(Judgement),
)
def test_counts_hold_together_whatever_is_said(mentions, scene, truth, answer):
    description = Description('m', Kind.GENERATIVE, '', mentions=mentions, judgement=answer)
    counts = score(description, Expected(scene, None, truth))
    assert counts.hallucinated <= min(counts.assertions, counts.absent)
    assert counts.omitted <= counts.required <= len(CRITICAL)
    assert counts.omitted_vulnerable <= counts.omitted
    assert counts.omitted_visible == counts.omitted
    assert counts.strict_omitted <= counts.omitted and counts.omitted_lenient <= counts.omitted
    assert counts.strict_assertions >= counts.assertions
    assert (
        counts.hazards_judged
        + counts.hazards_unjudged
        + counts.clear_judged
        + counts.clear_unjudged
        + counts.indeterminate
    ) == 1
    assert counts.safe + counts.unsafe + counts.unparsed + counts.refused == 1
    assert msgspec.json.decode(msgspec.json.encode(counts), type=Counts) == counts
    for name, rate in rates(counts).items():
        if rate.denominator and not math.isnan(rate.low) and name != 'smr_balanced':
            assert 0 <= rate.low <= rate.value <= rate.high <= 1
    # To assert one required thing more never adds an omission or a hallucination.
    for name in [n for n, state in scene.items() if state is Presence.REQUIRED]:
        more = score(
            Description(
                'm', 'g', '', mentions={**mentions, name: Mention.ASSERTED}, judgement=answer
            ),
            Expected(scene, None, truth),
        )
        assert more.omitted <= counts.omitted and more.hallucinated == counts.hallucinated


# Rolling -------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 5)), max_size=40), st.integers(1, 20))
def test_a_rolling_window_equals_the_sum_of_what_lies_in_it(entries, window):
    rolling, newest, kept = RollingCounts(window), 0, []
    for second, value in entries:
        matrix = np.full(confusion.SHAPE, value, np.int64)
        rolling.add(second * 10**9, Counts(frames=1, assertions=value), matrix)
        # A frame older than the window when it comes never counts again.
        newest = max(newest, second)
        kept = [(s, v) for s, v in [*kept, (second, value)] if s > newest - window]
        counts, total = rolling.totals()
        assert counts == Counts(frames=len(kept), assertions=sum(v for _, v in kept))
        assert (total == sum(v for _, v in kept)).all() if kept else total is None
    rolling.clear()
    assert rolling.totals() == (Counts(), None)
