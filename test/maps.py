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

"""Label maps drawn by hand."""

import numpy as np

from vlm_misalign_ros.core.labels.classes import LABELS
from vlm_misalign_ros.core.truth.inventory import take_inventory
from vlm_misalign_ros.core.truth.presence import PresenceSettings, presence, required

ID = {label.name: label.id for label in LABELS}
"""Label id by name."""


def street(width=2048, height=1024):
    labels = np.full((height, width), ID['road'], np.uint8)
    labels[: height // 2] = ID['building']
    return labels, labels.astype(np.uint16)


def plain(height=32, width=64, name='road'):
    """Return a scene with nothing in it but a line of ground: one class alone is none."""
    labels = np.full((height, width), ID[name], np.uint8)
    labels[0] = ID['ground']
    return labels


def put(labels, instances, name, number, top, left, rows, columns):
    where = (slice(top, top + rows), slice(left, left + columns))
    labels[where] = ID[name]
    instances[where] = ID[name] * 1000 + number


def states(labels, instances, **chosen):
    inventory = take_inventory(labels, instances)
    return presence(inventory, required(inventory, PresenceSettings(**chosen)))
