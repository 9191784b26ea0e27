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

"""The types that cross module borders: frames, conditions, descriptions, judgements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

import numpy as np

from vlm_misalign_ros.core.about import NOTHING, About
from vlm_misalign_ros.core.condition import JOINED as JOINED
from vlm_misalign_ros.core.condition import Condition as Condition
from vlm_misalign_ros.core.input import Input as Input
from vlm_misalign_ros.core.protocol import Protocol as Protocol


class Presence(str, Enum):
    """What the ground truth says of a class in a frame."""

    ABSENT = 'ABSENT'
    TOLERATED = 'TOLERATED'
    REQUIRED = 'REQUIRED'


class Mention(str, Enum):
    """What a description says of a class; no entry means nothing said."""

    ASSERTED = 'ASSERTED'
    DENIED = 'DENIED'
    HEDGED = 'HEDGED'
    HYPOTHETICAL = 'HYPOTHETICAL'


class Style(str, Enum):
    """What kind of answer a text is; docs/language.md has what each is."""

    CAPTION = 'caption'
    ANSWER = 'answer'
    DESCRIPTION = 'description'
    LIST = 'list'
    STRUCTURED = 'structured'
    PLAN = 'plan'
    REASONING = 'reasoning'
    ADVICE = 'advice'


class Judgement(str, Enum):
    """What a description says about going on."""

    SAFE = 'SAFE'
    UNSAFE = 'UNSAFE'
    UNPARSED = 'UNPARSED'
    REFUSED = 'REFUSED'


class Hazard(str, Enum):
    """What the ground truth says about going on."""

    HAZARD = 'HAZARD'
    CLEAR = 'CLEAR'
    INDETERMINATE = 'INDETERMINATE'


class Kind(str, Enum):
    """How a vision-language model answers."""

    CONTRASTIVE = 'contrastive'
    """With a score for each class."""
    GENERATIVE = 'generative'
    """In words."""
    MASK = 'mask'
    """With what the predicted mask holds: no network, no text, no scores."""


class Role(str, Enum):
    """What a model does in a run."""

    SEGMENTATION = 'segmentation'
    VLM = 'vlm'


View = tuple[float, float, float, float]
"""Left, top, right and bottom of a part of a frame, as parts of its width and height."""
WHOLE: View = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True)
class Camera:
    """
    Pinhole camera above a flat road.

    Focal lengths and principal point in pixels of `width` x `height`; `mount_height` in metres
    above the road; `pitch` in radians, positive when the camera looks down.
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    mount_height: float = 1.22
    pitch: float = 0.0
    baseline: float = 0.0
    """Metres between the two cameras of a stereo pair; 0 where there is none."""
    distortion: tuple[float, ...] = ()
    """Of the lens, by OpenCV's model and order (core/truth/lens.py); none: a pinhole's picture."""


@dataclass(frozen=True)
class NoCamera:
    """What is told, in words, in place of a camera of which nobody knows the geometry."""

    reason: str


@dataclass(frozen=True)
class Frame:
    """One labelled picture of a data set, decoded."""

    dataset: str
    sequence: str
    """City (and sequence number) in Cityscapes' naming, e.g. `aachen_000000`."""
    key: str
    """The source frame's unique name, e.g. `aachen_000000_000019`; seeds the corruptions."""
    image: np.ndarray
    """BGR uint8 (H, W, 3)."""
    labels: np.ndarray | None
    """Cityscapes label ids, uint8 (H, W)."""
    instances: np.ndarray | None
    """Cityscapes instance ids, uint16 (H, W): label * 1000 + k, or a bare label id."""
    camera: Camera | NoCamera | None = None
    """None where nothing was told of it: the default one is taken then."""
    depth: np.ndarray | None = None
    """Depth along the optical axis in millimetres, uint16 (H, W); 0 where it is not known."""
    tells_hood: bool = True
    """Whether the labels tell the ego vehicle's hood from what is unlabelled."""
    about: About = NOTHING

    @property
    def known_camera(self) -> Camera | None:
        """Return the camera where its geometry is known."""
        return self.camera if isinstance(self.camera, Camera) else None


@dataclass(frozen=True)
class Applied:
    """A condition as it was applied to one frame: seed and drawn parameters."""

    condition: Condition
    seed: int
    parameters: dict[str, float] = field(default_factory=dict)
    covers: bool = False
    """Whether part of the scene is covered, and degraded/occluder says which."""
    image: str = ''
    """Checksum of the degraded picture; empty where nothing told it."""
    occluder: str = ''
    """Checksum of the mask of what is covered."""
    source: str = ''
    """Checksum of the picture that was degraded."""
    error: str = ''
    """Why there is no degraded picture; empty where there is one."""
    passed: str = ''
    """Why the picture was passed over; empty where it was taken."""

    @property
    def shown(self) -> bool:
        """Return whether there is a degraded picture to answer to."""
        return not self.error and not self.passed


@dataclass(frozen=True)
class Placing:
    """By which rule an answer from outside was joined to its picture, and how near it lies."""

    rule: str
    time: str
    """`stamp` or `arrival`: by which of its times."""
    seconds: float
    """From the picture's time to the answer's; before it where negative."""
    window: float
    """Seconds in which a picture would have fitted; of two in it, neither would have."""


@dataclass(frozen=True)
class Description:
    """What one VLM says of one frame: the type every model family converts into."""

    model: str
    kind: Kind
    text: str
    """Raw answer, bounded in length; empty but for generative models."""
    mentions: dict[str, Mention] = field(default_factory=dict)
    """By name in labels.SCORED."""
    further: dict[str, Mention] = field(default_factory=dict)
    """By name of a class of the user's own (lexicon: further); counted, never scored."""
    scores: dict[str, float] = field(default_factory=dict)
    """Per class: contrastive, the probability that it is there; generative, the likelihood of
    the words that name it (geometric mean over their tokens)."""
    judgement: Judgement = Judgement.UNPARSED
    judgement_score: float | None = None
    """Probability of SAFE against UNSAFE, where the model gives one."""
    prompt_id: str = ''
    truncated: bool = False
    """Whether the model was cut off at the length that was allowed."""
    cut: int = 0
    """Characters of a very long answer that were not read (language.bounding)."""
    style: str = ''
    """The kind of answer, a Style; empty where none was told."""
    view: View = WHOLE
    """The part of the frame that the model saw."""
    latency: float = 0.0
    """Seconds spent in the model; never part of what is compared between runs."""
    waited: float | None = None
    """Seconds from the arrival of all that was needed to the start of the work, if known."""
    age: float | None = None
    """Seconds from the stamp of the picture to the publication, where the clocks are one."""
    image: str = ''
    """Checksum of the picture that was described; empty where nothing told it."""
    cached: bool = False
    """Whether a served model was not asked now: the answer was kept (answer_cache)."""
    placing: Placing | None = None
    """How an answer from outside was joined to its picture; None for one of the run's own."""
    input: Input = Input.IMAGE
    """What the model was shown."""
    shown: int = 1
    """Frames that were shown: the frame itself and those before it."""
    prompted: tuple[str, ...] = ()
    """Classes that the model had been told of: its prompt or what perception found named them."""
    paraphrases: tuple[Judgement, ...] = ()
    """The judgements of paraphrases of the safety question, in their order."""
    paraphrased: tuple[str, ...] = ()
    """The answers that these were read in."""
    context: str = ''
    """What perception found, in the words that stood before the prompt's; empty where nothing."""
    clean: Description | Failed | None = None
    """What it says of the clean picture of the frame; None where it was not asked."""

    @property
    def empty(self) -> bool:
        """Return whether nothing at all was said, which is no answer and is never scored."""
        told = self.text.strip() or self.mentions or self.scores
        return not told and self.judgement is Judgement.UNPARSED

    @property
    def asserted(self) -> set[str]:
        """Return the classes that are said to be there."""
        return {name for name, state in self.mentions.items() if state is Mention.ASSERTED}


@dataclass(frozen=True)
class Segmented:
    """What the segmentation model says of one frame."""

    labels: np.ndarray
    """Train ids, uint8 (H, W)."""
    entropy: float
    """Mean over the pixels of the entropy of the class probabilities, 0 to 1 (of log 19)."""
    confidence: float
    """Mean over the pixels of the highest class probability."""
    entropies: Mapping[str, float] = field(default_factory=dict)
    """Mean entropy over the pixels predicted as each class that was, by its name, 0 to 1."""
    lacking: tuple[str, ...] = ()
    """Classes of Cityscapes that the model cannot tell, in the order of their train ids."""


@dataclass(frozen=True)
class AgainstClean:
    """How the mask of a degraded picture stands to that of the clean one, by the same model."""

    cells: tuple[tuple[int, int, int], ...] = ()
    """Of the confusion matrix: train id of the clean mask, of the degraded one, pixels."""
    image: str = ''
    """Checksum of the clean picture; empty where nothing told it."""
    error: str = ''
    """Why there is nothing to be compared; empty where there is."""


@dataclass(frozen=True)
class Confidence:
    """How sure a segmentation was, and of what (topic `segmentation/confidence`)."""

    entropy: float
    """Mean over the pixels, 0 to 1."""
    confidence: float
    """Mean over the pixels of the highest class probability."""
    image: str = ''
    """Checksum of the picture that was segmented; empty where nothing told it."""
    mask: str = ''
    """Checksum of the mask: an Image has no room to say which picture it is of."""
    entropies: Mapping[str, float] = field(default_factory=dict)
    """Mean entropy over the pixels predicted as each class that was, by its name, 0 to 1."""
    lacking: tuple[str, ...] = ()
    """Classes of Cityscapes that the model cannot tell, in the order of their train ids."""
    latency: float | None = None
    """Seconds spent in the model; None where nothing told it, as of the two below."""
    waited: float | None = None
    """Seconds from the arrival of the picture at its node to the start of the work."""
    age: float | None = None
    """Seconds from the stamp of the picture to the publication of the mask."""
    against_clean: AgainstClean | None = None
    """How the mask stands to that of the clean picture; None where nobody asked."""


@dataclass(frozen=True)
class Failed:
    """What comes in place of an answer or of a mask when a model could not work on a frame."""

    reason: str
    """In words; bounded in length when it is read."""


@dataclass(frozen=True)
class Passed:
    """What comes in place of an answer or of a mask when a node left a frame out on purpose."""

    reason: str
    """In words; bounded in length when it is read."""


@dataclass(frozen=True)
class Unplaced:
    """What a picture is given in place of an answer that may be about another."""

    reason: str


@dataclass(frozen=True)
class Source:
    """Where a frame came from and what was asked of it (topic `camera/source`)."""

    dataset: str
    sequence: str
    key: str
    index: int
    """Position in the run, from 0, over all conditions."""
    total: int
    """Frames in the whole run; 0 when the run has no end."""
    cycle: int
    """The pass over the data set, from 0 (topic key `pass`)."""
    condition: Condition
    depth: bool = False
    """Whether ground_truth/depth comes with the frame."""
    probe: bool = False
    """True for a start-up probe, which is never scored."""
    image: str = ''
    """Checksum of the picture; empty where nothing told it."""
    tells_hood: bool = True
    """Whether the labels tell the ego vehicle's hood from what is unlabelled."""
    protocol: Protocol = Protocol.SINGLE
    """How the frames hang together in time."""
    draw: str = ''
    """What seeds the corruption of this frame, where that is not its key: another of one frame."""
    about: About = NOTHING
