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

"""Closed classes of English words, lower case, by which clauses are read."""

from __future__ import annotations

DEFINITE = frozenset('the this that these those our my your its his her their both each'.split())
INDEFINITE = frozenset(
    'a an some any several many few multiple numerous another various more most one two three '
    'four five six seven eight nine ten dozens no other'.split()
)
PREPOSITIONS = frozenset(
    'on in at near beside besides along behind of from to by with under over above below beyond '
    'across through into onto past between among around inside outside against toward towards '
    'next opposite amid within upon off before after during for'.split()
)
VERBS = frozenset(
    'is are was were be been being has have had can could may might must should will would do '
    "does did there it's there's they're stands stand standing drives drive driving walks walk "
    'walking crosses cross crossing waits wait waiting appears appear sits sit rides ride '
    'riding shows show runs run blocks block blocking blocked turns turn turning comes come '
    'coming goes go moves move moving lies lie hangs approaches approach follows leads seems '
    'seem looks look stretches passes pass passing parked stopped stops stop belongs belong '
    'covers occupies occupy keeps keep stays stay leaving entering seen visible see uses use '
    'using pulls pull pulling holds holding'.split()
)
ACTIONS = VERBS - frozenset(
    "is are was were be been being it's there's they're there have has had".split()
)
CONJUNCTIONS = frozenset('and or nor but while although though as than if that which who'.split())
PRONOUNS = frozenset('i we you it they he she there one this that these those'.split())
NUMBERS = frozenset(
    'one ones two three four five six seven eight nine ten some few several many another'.split()
)
PUNCTUATION = frozenset(',:()[]{}|/')
STOP = (
    VERBS
    | PREPOSITIONS
    | CONJUNCTIONS
    | PUNCTUATION
    | {'i', 'we', 'you', 'it', 'they', 'he', 'she', 'not', 'also', 'only', 'just', 'even'}
)
