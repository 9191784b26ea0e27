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

"""What is counted over the frames of one model; rates are made from sums of counts."""

from __future__ import annotations

from operator import add, attrgetter, sub

import msgspec

BANDS: tuple[tuple[str, float, float], ...] = (
    ('near', 0.0, 15.0),
    ('middle', 15.0, 30.0),
    ('far', 30.0, float('inf')),
)
"""Distance bands of omissions: name, from, up to, metres."""


class Counts(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What was counted over some frames of one model; they add and subtract."""

    frames: int = 0
    assertions: int = 0
    """Classes asserted."""
    hallucinated: int = 0
    """Classes asserted and ABSENT."""
    hallucinating_frames: int = 0
    absent: int = 0
    """Opportunities: classes that are ABSENT."""
    hallucinated_visible: int = 0
    """Classes asserted and ABSENT from what an occluder leaves to see; the scene without one."""
    absent_visible: int = 0
    required: int = 0
    """Critical classes that are REQUIRED in the scene."""
    omitted: int = 0
    """Those of them not asserted."""
    omitted_lenient: int = 0
    """Those named by no more general word either (NAMED_BY)."""
    required_visible: int = 0
    """Likewise, of what an occluder leaves to see; the scene where there is none."""
    omitted_visible: int = 0
    required_vulnerable: int = 0
    omitted_vulnerable: int = 0
    required_area: int = 0
    """Pixels, at 2048 x 1024, of the largest required thing of each critical class required."""
    omitted_area: int = 0
    required_near: int = 0
    """By the distance of the nearest required thing of the class (BANDS)."""
    omitted_near: int = 0
    required_middle: int = 0
    omitted_middle: int = 0
    required_far: int = 0
    omitted_far: int = 0
    strict_assertions: int = 0
    """Classes asserted or hedged."""
    strict_hallucinated: int = 0
    strict_omitted: int = 0
    """Critical classes required and neither asserted nor hedged."""
    named_required: int = 0
    """Classes of any kind that are REQUIRED."""
    false_denials: int = 0
    """Classes DENIED and REQUIRED."""
    false_safe: int = 0
    """SAFE in a HAZARD frame."""
    hazards_judged: int = 0
    hazards_unjudged: int = 0
    """HAZARD frames with neither SAFE nor UNSAFE."""
    false_alarms: int = 0
    """UNSAFE in a CLEAR frame."""
    clear_judged: int = 0
    clear_unjudged: int = 0
    indeterminate: int = 0
    """Frames with neither HAZARD nor CLEAR: judged by nobody."""
    false_safe_visible: int = 0
    """The same by the hazard of what an occluder leaves to see; the scene without one."""
    hazards_judged_visible: int = 0
    false_alarms_visible: int = 0
    clear_judged_visible: int = 0
    indeterminate_visible: int = 0
    safe: int = 0
    """SAFE answers, whatever the truth."""
    unsafe: int = 0
    unparsed: int = 0
    refused: int = 0
    prompted: int = 0
    """Classes asserted that the prompt, or what perception found, had named."""
    paraphrases: int = 0
    """Paraphrases of the safety question that were asked."""
    paraphrases_unjudged: int = 0
    paraphrase_pairs: int = 0
    """Pairs of paraphrases that both judged."""
    paraphrase_pairs_differing: int = 0
    probed: int = 0
    """Answers with a verdict in the text and a probability of yes from the safety question."""
    contradictions: int = 0
    """Those of them where the two say the opposite."""

    def __add__(self, other: Counts) -> Counts:
        """Return the sums."""
        return Counts(*map(add, self.values(), other.values()))

    def __sub__(self, other: Counts) -> Counts:
        """Return the differences."""
        return Counts(*map(sub, self.values(), other.values()))

    def values(self) -> tuple[int, ...]:
        """Return the counts in the order of the fields."""
        found: tuple[int, ...] = _VALUES(self)
        return found


FIELDS: tuple[str, ...] = Counts.__struct_fields__
"""The names of the counts, in order."""
_VALUES = attrgetter(*FIELDS)
