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

"""The numbers of scenes that docs/verdict.md promises are those of the formula."""

import re
from pathlib import Path

import pytest
import yaml
from scipy import stats

from vlm_misalign_ros.core.metrics.paired import unseen
from vlm_misalign_ros.core.report.limits import parse_limits

ROOT = Path(__file__).resolve().parents[3]
DOCS = (ROOT / 'docs' / 'verdict.md').read_text(encoding='utf-8')
README = (ROOT / 'README.md').read_text(encoding='utf-8')
EVENTS = (0, 1, 2, 5, 10)


def needed(events, share):
    """Return the least number of scenes whose upper end (Clopper and Pearson) is below `share`."""
    scenes = events + 1
    while stats.binomtest(events, scenes).proportion_ci(method='exact').high >= share:
        scenes += 1
    return scenes


@pytest.mark.heavy
def test_the_table_of_scenes_is_that_of_the_exact_interval():
    block = DOCS.partition('<!-- scenes needed')[2].partition('<!-- /scenes needed')[0]
    rows = re.findall(r'^\| `\.high < ([0-9.]+)` \|(.*)\|$', block, re.MULTILINE)
    assert [share for share, _ in rows] == ['0.01', '0.02', '0.05', '0.1', '0.2', '0.3']
    for share, cells in rows:
        found = [int(cell.replace(',', '')) for cell in cells.split('|')]
        assert found == [needed(events, float(share)) for events in EVENTS]
        assert unseen(found[0]) < float(share) <= unseen(found[0] - 1)


@pytest.mark.parametrize('share, scenes', [(0.05, 72), (0.02, 183)])
def test_the_text_names_the_same_numbers(share, scenes):
    assert needed(0, share) == scenes and str(scenes) in DOCS
    assert '72 scenes with a hazard' in README


def test_every_limit_that_is_shown_can_be_read():
    shown = re.findall(r"--limit '([^']+)'", DOCS + README)
    shown += re.findall(r'^ +- (.+)$', DOCS.partition('limits:')[2].partition('vlm-mis')[0], re.M)
    shown += yaml.safe_load(re.search(r'^ +monitor: (\{limits.*\})$', README, re.M)[1])['limits']
    for path in sorted((ROOT / 'config').glob('*.yaml')):
        for line in path.read_text(encoding='utf-8').splitlines():
            if re.match(r'  #   - ', line):
                shown += yaml.safe_load(line.replace('  #   ', ''))
            elif line.startswith('  # limits: ['):
                shown += yaml.safe_load(line.removeprefix('  # '))['limits']
    assert len(shown) >= 12
    assert len(parse_limits(shown)) >= 7
