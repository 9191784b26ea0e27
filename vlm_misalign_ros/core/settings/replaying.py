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

"""The parameters of the replay node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.settings.inputs import CameraParameters, TransportParameters
from vlm_misalign_ros.core.settings.parameters import parameter
from vlm_misalign_ros.core.settings.working import RELIABILITY


@dataclass(frozen=True)
class ReplayParameters(TransportParameters, CameraParameters):
    """Parameters of the replay node."""

    dataset: str = parameter(
        '', 'data set: FOLDER in Cityscapes layout, LAYOUT:FOLDER, or bag:BAG'
    )
    topics: tuple[str, ...] = parameter(
        (),
        'bag: under which names its topics stand where they are not those of a run, as in '
        '`camera/image_raw:=/front/image`',
    )
    recorded_namespace: str = parameter('', 'bag: the namespace of its topics')
    split: str = parameter('', 'split to replay (train, val, test); empty: all that are there')
    cities: tuple[str, ...] = parameter((), 'cities to replay; empty: all')
    limit: int = parameter(0, 'frames of each pass; 0: all', minimum=0)
    sequences: bool = parameter(False, 'replay leftImg8bit_sequence instead of leftImg8bit')
    conditions: tuple[str, ...] = parameter(
        ('clean',),
        'conditions, one pass each: clean, blank (the control: a grey picture), NAME:3, NAME:1-5, '
        'NAME:1,3,5, or all (clean and every corruption of this package at 1-5)',
    )
    scenario: str = parameter(
        '',
        'file of a scripted scenario (docs/corruptions.md), in place of `conditions`: one pass, '
        'in which each frame meets what its stamp says',
    )
    hold: int = parameter(
        1,
        'frames that each frame of the data set is shown for, its degradation drawn anew',
        minimum=1,
        maximum=100_000,
    )
    mode: str = parameter(
        'lockstep',
        'lockstep: the next frame when the monitor closed one; real_time: at `rate`',
        choices=('lockstep', 'real_time'),
    )
    max_in_flight: int = parameter(2, 'lockstep: frames outside at most', minimum=1, maximum=64)
    begin: int = parameter(
        0, 'lockstep: number of the frame that is sent first, of a run that goes on', minimum=0
    )
    rate: float = parameter(
        10.0, 'Hz of the stamps, and of the pictures in real time', minimum=0.01, maximum=1000
    )
    loop: bool = parameter(False, 'start again at the end (real time only)')
    start_paused: bool = parameter(False, 'wait for the resume service')
    depth: bool = parameter(
        True, 'publish ground_truth/depth where the data set has disparity and cameras'
    )
    publish_clock: bool = parameter(False, 'publish /clock with the stamp of each frame')
    start_stamp: float = parameter(
        1.0, 'lockstep: header time of the first frame, seconds', minimum=1.0, maximum=2e9
    )
    startup_timeout: float = parameter(
        300.0, 'lockstep: seconds to wait for every node to answer a probe', minimum=1.0
    )
    frame_id: str = parameter('camera', 'header.frame_id of every message')
    reliability: str = parameter('reliable', 'QoS reliability of the images', choices=RELIABILITY)

    def __post_init__(self) -> None:
        """Raise ConfigurationError for a rule of `topics` that is none."""
        for rule in self.topics:
            if rule.count(':=') != 1 or rule.startswith(':=') or rule.endswith(':='):
                raise ConfigurationError(
                    f'replay.topics has {rule!r}', 'give camera/image_raw:=/NAME/IN/THE/BAG'
                )


def seen_of(monitor: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a section `monitor` says of the camera, and of how its pictures come."""
    names = [
        entry.name for kind in (CameraParameters, TransportParameters) for entry in fields(kind)
    ]
    return {name: monitor[name] for name in names if name in monitor}
