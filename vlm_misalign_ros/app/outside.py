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

"""What is checked of models outside before a run, and what its manifest says of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.files import sha256_of
from vlm_misalign_ros.core.labels.encodings import ENCODINGS, open_encoding
from vlm_misalign_ros.core.labels.telling import telling_of
from vlm_misalign_ros.core.language.prompts import prompts_hash
from vlm_misalign_ros.core.models.outside import OutsideReader
from vlm_misalign_ros.core.settings.configuration import Configuration
from vlm_misalign_ros.core.settings.outside import (
    MASK,
    OutsideMaskParameters,
    OutsideParameters,
    OutsideVlmParameters,
    plain_outside,
)
from vlm_misalign_ros.core.types import Role


def outside_facts(entry: OutsideParameters) -> dict[str, Any]:
    """Return what is known of a model outside; raises for a setting of it that will not do."""
    role = Role.SEGMENTATION if entry.name == MASK else Role.VLM
    told = plain_outside(entry)
    facts: dict[str, Any] = {'model': f'topic {entry.topic}', 'role': role.value, 'outside': told}
    if isinstance(entry, OutsideMaskParameters):
        lacking = telling_of(open_encoding(entry.label_encoding)).lacking
        if lacking:
            raise ConfigurationError(
                f"parameter 'label_encoding' of {MASK} is {entry.label_encoding!r}, and masks of "
                f'it cannot tell {", ".join(lacking)}',
                'mIoU is over the 19 classes of Cityscapes: a mean over fewer compares with none',
            )
        if entry.label_encoding not in ENCODINGS:
            facts['encoding_sha256'] = sha256_of(Path(entry.label_encoding).expanduser())
    elif isinstance(entry, OutsideVlmParameters):
        OutsideReader(entry.name, entry.prompt, entry.text, entry.lexicon)
        if entry.prompt:
            facts['prompts_sha256'] = prompts_hash(entry.prompt)
    return facts


def encodings_of(configuration: Configuration) -> list[str]:
    """Return the label encodings of a run: that of the ground truth, and that of the mask."""
    masks = [e for e in configuration.outside if isinstance(e, OutsideMaskParameters)]
    return [configuration.monitor.label_encoding, *(mask.label_encoding for mask in masks)]
