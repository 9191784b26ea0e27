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

"""What is said within one process is what another would have heard, to the last digit."""

import math
import sys

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vlm_misalign_ros.core.about import About
from vlm_misalign_ros.core.corruptions import parse_conditions
from vlm_misalign_ros.core.datasets import open_dataset
from vlm_misalign_ros.core.evaluation.engine_values import (
    answer_heard,
    applied_heard,
    confidence_heard,
    source_heard,
)
from vlm_misalign_ros.core.labels.classes import BY_NAME, CLASSES, SCORED
from vlm_misalign_ros.core.types import (
    AgainstClean,
    Applied,
    Confidence,
    Description,
    Failed,
    Input,
    Judgement,
    Kind,
    Mention,
    Passed,
    Protocol,
    Source,
    Style,
)
from vlm_misalign_ros.wire import values as codec
from vlm_misalign_ros.wire.camera import camera_from_plain, camera_to_plain

SHARES = st.floats(0, 1) | st.sampled_from([0.1 + 0.2, 1 / 3, sys.float_info.min, 5e-324, 1.0])
TEXTS = st.text(max_size=400) | st.sampled_from(
    ['a\tb\nc', '\x00\x1b[31m', '\u202eright', 'x' * 20_500, '', '  ', '{"a": "\\"}']
)
CHECKSUMS = st.from_regex(r'[1-9][0-9]{0,3}x[1-9][0-9]{0,3}:[0-9a-f]{8}', fullmatch=True)
REASONS = st.builds(Failed, TEXTS) | st.builds(Passed, TEXTS)
LABELS = st.lists(st.sampled_from(sorted(BY_NAME)), max_size=4, unique=True).map(tuple)
ABOUT = st.builds(
    About,
    LABELS,
    st.dictionaries(st.sampled_from(sorted(BY_NAME)), LABELS, max_size=4).map(
        lambda found: tuple(found.items())
    ),
    st.lists(st.tuples(TEXTS, TEXTS), max_size=18).map(tuple),
)
FURTHER = st.from_regex(r'[a-z ]{1,20}[a-z]', fullmatch=True).filter(lambda n: n not in SCORED)


def mentions(names):
    return st.dictionaries(names, st.sampled_from(Mention), max_size=6)


def descriptions(clean):
    return st.builds(
        Description,
        model=TEXTS,
        kind=st.sampled_from(Kind),
        text=TEXTS,
        mentions=mentions(st.sampled_from(SCORED)),
        further=mentions(FURTHER),
        scores=st.dictionaries(st.sampled_from(SCORED), SHARES, max_size=6),
        judgement=st.sampled_from(Judgement),
        judgement_score=st.none() | SHARES,
        prompt_id=TEXTS,
        truncated=st.booleans(),
        cut=st.integers(0, 10**9),
        style=st.just('') | st.sampled_from([style.value for style in Style]),
        view=st.sampled_from([(0.0, 0.0, 1.0, 1.0), (0.1, 1 / 3, 0.7, 0.9), (0, 0, 1, 1)]),
        latency=st.floats(0, 1e6),
        image=CHECKSUMS,
        cached=st.booleans(),
        input=st.sampled_from(Input),
        shown=st.integers(1, 9),
        prompted=st.lists(st.sampled_from(SCORED), max_size=4).map(tuple),
        paraphrases=st.lists(st.sampled_from(Judgement), max_size=4).map(tuple),
        paraphrased=st.lists(TEXTS, max_size=4).map(tuple),
        context=TEXTS,
        clean=clean,
    )


ANSWERS = descriptions(st.none() | st.builds(Failed, TEXTS) | descriptions(st.none())) | REASONS


def to_values(told, whole):
    if isinstance(told, Failed):
        return codec.failed_to_values(told)
    return codec.passed_to_values(told) if isinstance(told, Passed) else whole(told)


@given(ANSWERS)
def test_an_answer(answer):
    heard = codec.description_from_values(to_values(answer, codec.description_to_values))
    assert heard == answer_heard(answer)
    assert answer_heard(heard) == heard


CELLS = st.lists(
    st.tuples(st.integers(0, 18), st.integers(0, 18), st.integers(0, 2**30)),
    max_size=5,
    unique_by=lambda cell: cell[:2],
)


@given(
    st.builds(
        Confidence,
        SHARES,
        SHARES,
        CHECKSUMS,
        CHECKSUMS,
        st.dictionaries(st.sampled_from(CLASSES), SHARES, max_size=5),
        st.lists(st.sampled_from(CLASSES), max_size=5, unique=True).map(tuple),
        st.none() | st.floats(0, 1e6),
        against_clean=st.none() | st.builds(AgainstClean, CELLS.map(tuple), CHECKSUMS, TEXTS),
    )
    | REASONS
)
def test_how_sure_a_segmentation_was(told):
    heard = codec.confidence_from_values(to_values(told, codec.confidence_to_values))
    assert heard == confidence_heard(told)


@given(
    st.builds(
        Applied,
        st.sampled_from(parse_conditions(['all'])),
        st.integers(0, 2**63 - 1),
        st.dictionaries(
            st.from_regex('[a-z_.]{1,20}', fullmatch=True),
            st.floats(-1e9, 1e9) | st.integers(-(10**6), 10**6),
            max_size=5,
        ),
        st.booleans(),
        CHECKSUMS,
        CHECKSUMS,
        CHECKSUMS,
        TEXTS,
    )
)
def test_what_was_done_to_a_picture(applied):
    assert codec.applied_from_values(codec.applied_to_values(applied)) == applied_heard(applied)


@given(
    st.builds(
        Source,
        TEXTS,
        TEXTS,
        TEXTS,
        st.integers(0, 10**9),
        st.integers(0, 10**9),
        st.integers(0, 10**6),
        st.sampled_from(parse_conditions(['all'])),
        st.booleans(),
        image=CHECKSUMS,
        tells_hood=st.booleans(),
        protocol=st.sampled_from(Protocol),
        draw=TEXTS,
        about=ABOUT,
    )
)
def test_where_a_frame_came_from(source):
    assert codec.source_from_values(codec.source_to_values(source))[0] == source_heard(source)


def test_the_cameras_of_data_sets(scenes, sample):
    for place in (scenes, sample):
        cameras = [frame for frame in open_dataset(place) if frame.camera is not None]
        assert cameras or place == sample
        for frame in cameras:
            assert camera_from_plain(camera_to_plain(frame.camera)) == frame.camera


def test_numbers_of_numpy_are_heard_as_plain_ones():
    told = Confidence(np.float64(0.1), np.float32(0.5), entropies={'road': np.float64(1 / 3)})
    heard = confidence_heard(told)
    assert [type(v) for v in (heard.entropy, heard.confidence)] == [float, float]
    assert math.isclose(heard.entropies['road'], 1 / 3)
