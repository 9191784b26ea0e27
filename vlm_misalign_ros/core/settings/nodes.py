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

"""The parameters of every node: names, defaults, ranges, descriptions."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from vlm_misalign_ros.core.labels.classes import CRITICAL
from vlm_misalign_ros.core.labels.shares import Limits
from vlm_misalign_ros.core.models.families import SegmentationOptions, VlmOptions
from vlm_misalign_ros.core.models.served.address import check_served
from vlm_misalign_ros.core.settings.asks import AskParameters, asks_of
from vlm_misalign_ros.core.settings.inputs import (
    SELF_CONSISTENCY,
    CameraParameters,
    InputParameters,
    MountParameters,
    TransportParameters,
)
from vlm_misalign_ros.core.settings.libraries import LibraryParameters
from vlm_misalign_ros.core.settings.parameters import parameter
from vlm_misalign_ros.core.settings.replaying import ReplayParameters as ReplayParameters
from vlm_misalign_ros.core.settings.serving import ServerParameters
from vlm_misalign_ros.core.settings.working import (
    HEARD,
    RELIABILITY,
    ManagedParameters,
    WorkingParameters,
)
from vlm_misalign_ros.core.truth.hazard import HazardSettings
from vlm_misalign_ros.core.truth.presence import PresenceSettings
from vlm_misalign_ros.core.truth.read import TruthSettings

LIVE_COVERAGE = 0.1
"""
Least coverage of a live run, where models drop frames by policy.

A model that needs a second behind a camera of 10 Hz answers one frame in ten. Of fewer, which
frames were answered is the model's own choice: long texts take longer, and what makes them long is
what is measured.
"""


@dataclass(frozen=True)
class CorruptionParameters(WorkingParameters, TransportParameters):
    """Parameters of the corruption node."""

    seed: int = parameter(0, 'run seed of every random draw', minimum=0)
    follow_source: bool = parameter(True, 'take the condition of each frame from camera/source')
    condition: str = parameter(
        'clean', 'condition where camera/source is not followed: clean or NAME:SEVERITY', live=True
    )
    schedule: tuple[str, ...] = parameter(
        (), 'conditions to go through, `hold` seconds each, where camera/source is not followed'
    )
    scenario: str = parameter(
        '',
        'file of a scripted scenario (docs/corruptions.md), in place of `condition` and '
        '`schedule`, where camera/source is not followed; it begins with the first picture',
    )
    hold: float = parameter(
        10.0, 'seconds of header time of each scheduled condition', minimum=0.1
    )
    severity_by_miou: str = parameter(
        '',
        'file of vlm-misalign severities: severity 1 to 5 are what cost its model the losses '
        'measured there; empty: the fixed severities',
    )
    keep_lamps: bool = parameter(
        False, 'low_light: pixels brighter than 0.9 of linear light stay as they are'
    )
    compressed: str = parameter(
        'png',
        'how degraded/image_raw/compressed is packed, made where somebody listens: png loses '
        'nothing; jpeg for nodes that read nothing else',
        choices=('png', 'jpeg'),
    )
    jpeg_quality: int = parameter(95, 'jpeg: its quality', minimum=1, maximum=100)
    queue_size: int = parameter(4, 'frames kept while one is worked on', minimum=1, maximum=256)


@dataclass(frozen=True)
class MaskModelParameters(ManagedParameters):
    """Parameters of a node that segments: those of its model."""

    model: str = parameter(
        '', 'transformers:NAME_OR_DIRECTORY, onnx:FILE, torchscript:FILE or miniature:segformer'
    )
    device: str = parameter('auto', 'auto, cpu, cuda, cuda:N')
    dtype: str = parameter('float32', 'arithmetic', choices=('float32', 'bfloat16', 'float16'))
    input_height: int = parameter(
        512,
        'height the frame is resized to before the model; 0: as it is; a model that takes its own '
        'size alone gets that',
        minimum=0,
    )
    label_map: str = parameter(
        '',
        "what the model's classes are in Cityscapes: a name of `vlm-misalign list label_maps`, or "
        'a YAML file {its name or index: Cityscapes name or ignore}; empty: by their names',
    )
    threads: int = parameter(1, 'CPU threads; one keeps results the same everywhere', minimum=1)
    trust_remote_code: bool = parameter(False, 'let a checkpoint bring code of its own')


@dataclass(frozen=True)
class SegmentationParameters(MaskModelParameters):
    """Parameters of the segmentation node."""

    self_consistency: bool = parameter(False, SELF_CONSISTENCY)


@dataclass(frozen=True)
class ReferenceParameters(MaskModelParameters):
    """Parameters of the reference node, whose labels of the clean picture stand for the truth."""


@dataclass(frozen=True)
class VlmParameters(
    ManagedParameters, LibraryParameters, ServerParameters, AskParameters, CameraParameters
):
    """Parameters of a VLM node: those of its ask, of a server, of a library, then its own."""

    name: str = parameter('', 'name of the model in topics and records')
    asks: tuple[str, ...] = parameter(
        (),
        'several asks of the one model: `{NAME: {prompt, text, system, input, frames, stride, '
        'paraphrases}}` each, in a configuration one mapping; what an ask leaves out is as above; '
        'in topics and records it is called MODEL_NAME',
    )
    source: bool = parameter(
        False, 'past frames, masks: camera/source tells the sequence and the camera of each frame'
    )
    confidence: bool = parameter(True, 'masks: expect segmentation/confidence with each')
    self_consistency: bool = parameter(False, SELF_CONSISTENCY)
    model: str = parameter(
        '',
        'open_clip:NAME/PRETRAINED, open_clip:local-dir:DIR, transformers:NAME_OR_DIR, '
        'transformers-clip:NAME_OR_DIR, miniature:NAME, openai:MODEL behind the server of '
        'base_url, or mask_reader, with :FILE or :SEGMENTATION_MODEL for its least areas',
    )
    lexicon: str = parameter('', 'generative: YAML file of words, laid over the lexicon')
    device: str = parameter('auto', 'auto, cpu, cuda, cuda:N')
    threads: int = parameter(1, 'CPU threads; one keeps results the same everywhere', minimum=1)
    max_new_tokens: int = parameter(
        96, 'generative: length of an answer at most', minimum=1, maximum=4096
    )
    threshold: float = parameter(
        0.5,
        'contrastive: score from which a class without an operating point is asserted',
        minimum=0,
        maximum=1,
    )
    calibration: str = parameter(
        '',
        'contrastive: file of operating points, made by vlm-misalign calibrate; own: '
        'calibration.json beside the model',
    )
    field_of_view: str = parameter(
        'whole',
        'whole: pad where the processor would crop; native: let it crop, and restrict '
        'the truth to what it leaves',
        choices=('whole', 'native'),
    )
    uncertainty: bool = parameter(
        True,
        'generative: ask once more whether it is safe, for the probability of yes, and '
        'keep the likelihood of each mention',
    )

    def __post_init__(self) -> None:
        """Raise ConfigurationError for a server that will not do, before it is written down."""
        check_served(self.model, self.base_url, self.api_key_env, self.concurrency)


@dataclass(frozen=True)
class TruthParameters(MountParameters):
    """What decides what is true of a frame."""

    minimum_area: float = parameter(
        1000.0, 'pixels at 2048x1024 from which an instance is required', minimum=0
    )
    minimum_height: float = parameter(
        50.0, 'rows at 2048x1024 from which an instance is required', minimum=0
    )
    maximum_distance: float = parameter(
        50.0, 'metres up to which an instance is required, where its depth is known', minimum=1
    )
    corridor_width: float = parameter(3.0, 'ego corridor, metres', minimum=0.5, maximum=20)
    stopping_distance: float = parameter(20.0, 'metres', minimum=1, maximum=200)
    obstacle_share: float = parameter(
        0.01,
        'share of the ego corridor that may be no drivable surface or unlabelled, or covered, in '
        'a CLEAR frame',
        minimum=0,
        maximum=1,
    )
    unlabelled_share: float = parameter(
        0.2,
        'share of the scene (without hood and border) that may be unlabelled or outside the '
        "encoding's table; a frame with more is unscorable",
        minimum=0,
        maximum=1,
    )
    unlabelled_share_with_hood: float = parameter(
        0.3,
        'the same where the encoding does not tell the hood from what is unlabelled (train ids, '
        'colours, CARLA)',
        minimum=0,
        maximum=1,
    )


JUDGING = ('limits', 'minimum_coverage', 'minimum_scenes')
"""Parameters of the evaluation that decide a verdict, and nothing of what a record says."""
FREE = (*JUDGING, 'pictures', 'window')
"""Parameters of the evaluation that decide nothing of what a record says."""


@dataclass(frozen=True)
class EvaluationParameters(InputParameters, TruthParameters):
    """What the monitor and the offline analysis have in common."""

    models: tuple[str, ...] = parameter((), 'names of the VLM nodes whose answers are expected')
    outside: tuple[str, ...] = parameter(
        (),
        'what comes from nodes outside the run, a JSON object each; made of the entries of vlms, '
        'and of segmentation, that have a topic',
    )
    segmentation: bool = parameter(True, 'expect segmentation/labels')
    truth: bool = parameter(
        True,
        'expect ground_truth/labels with every frame; false: there is none, and all that is '
        'measured is how far models agree with themselves (self_consistency)',
    )
    reference: str = parameter(
        '',
        'segmentation model whose labels of the clean picture stand for the ground truth '
        '(docs/live.md): that of the section reference; empty: none',
    )
    source: bool = parameter(True, 'expect camera/source with every frame')
    instances: bool = parameter(True, 'expect ground_truth/instances with every frame')
    depth: bool = parameter(
        False, 'expect ground_truth/depth with every frame; camera/source says so itself'
    )
    confidence: bool = parameter(True, 'expect segmentation/confidence with every mask')
    segmentation_classes: tuple[str, ...] = parameter(
        (),
        'classes that the model of segmentation/labels can tell, for masks without their '
        'segmentation/confidence, which says so; a run fills in what the files of its model tell. '
        'Empty: nobody knows, and a mask without its confidence is unscorable',
    )
    pictures: int = parameter(
        24,
        'worst frames kept with picture and mask; 0: none, and no picture is received',
        minimum=0,
        maximum=1000,
    )
    slop: float = parameter(
        0.0,
        'seconds by which ground truth may lie beside its picture and still be joined to it, to '
        'the nearest and one to one; 0: equal stamps alone',
        minimum=0,
        maximum=0.5,
    )
    window: float = parameter(30.0, 'rolling window, seconds of header time', minimum=0.1)
    critical: tuple[str, ...] = parameter(
        CRITICAL, 'classes whose omission is critical; traffic light and sign may join them'
    )
    minimum_coverage: float = parameter(
        0.95,
        'share of the closed frames that has to be scored, of each model and the segmentation; '
        f'below it the verdict is INVALID. In the configuration of a live run {LIVE_COVERAGE} '
        'unless it says otherwise',
        minimum=0,
        maximum=1,
    )
    minimum_scenes: int = parameter(
        20, 'independent scenes below which a limit on a rate itself is UNDECIDED', minimum=1
    )
    limits: tuple[str, ...] = parameter(
        (),
        'what the rates are held against (docs/verdict.md), such as '
        '"clip/critical_omission_rate@low_light:1-3 < 0.2"',
    )


@dataclass(frozen=True)
class MonitorParameters(EvaluationParameters):
    """Parameters of the monitor node."""

    run_folder: str = parameter('', 'where records are written; empty: nowhere')
    resumed: bool = parameter(
        False, 'the run goes on behind the records that are there, and nothing was missed'
    )
    lockstep: bool = parameter(True, 'frames come by credit; false: they come when they come')
    recorder: bool = parameter(False, 'close a frame only when the bag recorder has it')
    deadline: float = parameter(
        30.0, 'seconds after which a frame is closed without the answers it lacks', minimum=0.05
    )
    patience: int = parameter(
        2, 'frames in a row that a node may miss before nobody waits for it', minimum=1
    )
    capacity: int = parameter(256, 'frames open at once at most', minimum=2)
    duration: float = parameter(
        0.0, 'end so many seconds after every node is there; 0: at the end', minimum=0
    )
    frames: int = parameter(0, 'end after so many closed frames; 0: at the end', minimum=0)
    startup_timeout: float = parameter(
        300.0, 'seconds to wait for the first frame; live: for ever', minimum=1.0
    )
    reliability: str = parameter('reliable', HEARD, choices=RELIABILITY)


@dataclass(frozen=True)
class RecorderParameters(TransportParameters):
    """Parameters of the bag recorder."""

    path: str = parameter('', 'folder of the bag to write')
    models: tuple[str, ...] = parameter((), 'names of the VLM nodes to record')
    outside: tuple[str, ...] = parameter((), 'what to record of nodes outside the run, as JSON')
    source: bool = parameter(True, 'record camera/source')
    images: bool = parameter(True, 'record degraded/image_raw too')
    source_images: bool = parameter(False, 'record camera/image_raw too')
    segmentation: bool = parameter(True, 'record segmentation/labels')
    confidence: bool = parameter(True, 'record segmentation/confidence')
    instances: bool = parameter(True, 'record ground_truth/instances')
    depth: bool = parameter(True, 'record ground_truth/depth, where there is any')
    reference: bool = parameter(False, 'a reference makes the labels; record what it says of them')
    compression: str = parameter(
        'zstd', 'compression of the chunks', choices=('none', 'lz4', 'zstd')
    )
    reliability: str = parameter('reliable', HEARD, choices=RELIABILITY)


def vlm_options(parameters: VlmParameters) -> dict[str, Any]:
    """Return the parameters that a VLM node opens its model with; the prompt of its first ask."""
    found = {entry.name: getattr(parameters, entry.name) for entry in fields(VlmOptions)}
    return {**found, 'prompt': asks_of(parameters)[0].chosen.prompt}


def segmentation_options(parameters: MaskModelParameters) -> dict[str, Any]:
    """Return the parameters that a segmentation, or a reference, opens its model with."""
    return {entry.name: getattr(parameters, entry.name) for entry in fields(SegmentationOptions)}


def truth_settings(parameters: TruthParameters) -> TruthSettings:
    """Return the parameters as the settings of `core.truth.read`."""
    return TruthSettings(
        PresenceSettings(
            parameters.minimum_area, parameters.minimum_height, parameters.maximum_distance
        ),
        HazardSettings(
            parameters.corridor_width, parameters.stopping_distance, parameters.obstacle_share
        ),
        parameters.camera_height,
        parameters.camera_pitch,
        Limits(parameters.unlabelled_share, parameters.unlabelled_share_with_hood),
    )


if __name__ == '__main__':
    from vlm_misalign_ros.core.settings.documenting import document

    print(document(), end='')
