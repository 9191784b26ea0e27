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

"""A few settings of benchmarks/coverage.py: seeded, and failed by the bootstrap that was there."""

import importlib.util
import sys
from pathlib import Path

import pytest

PATH = Path(__file__).resolve().parents[3] / 'benchmarks' / 'coverage.py'


@pytest.fixture(scope='module')
def simulation():
    """Return the benchmark as a module."""
    spec = importlib.util.spec_from_file_location('interval_coverage', PATH)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


# Three standard errors of 400 trials at .95 are .033: an interval that covers less than .93
# by more than chance fails, and one that is far too wide does as well.
LEAST = 0.92


@pytest.mark.parametrize('level, within', [(0.02, 1 / 3), (0.1, 1 / 3), (0.3, 0.8)])
@pytest.mark.parametrize('model', ['rate', 'difference', 'paired', 'balanced'])
def test_intervals_of_eight_scenes_hold_the_truth(simulation, model, level, within):
    found = simulation.simulate(getattr(simulation, model), 8, level, within, 400)
    assert found.coverage >= LEAST
    assert found.ratio <= 1.2


@pytest.mark.parametrize('scenes', [8, 24, 100])
@pytest.mark.parametrize('level, within', [(0.02, 1 / 3), (0.1, 1 / 3), (0.3, 0.8)])
def test_so_do_those_of_a_rate_read_from_two_kinds_of_answers(simulation, level, within, scenes):
    found = simulation.simulate(simulation.corrected_kinds, scenes, level, within, 200)
    # Three standard errors of 200 trials are .046.
    assert found.coverage >= 0.9
    # Not known better than without a reader's error, nor half as well.
    assert 0.8 <= found.ratio <= 1.5


@pytest.mark.parametrize('level, within', [(0.02, 1 / 3), (0.1, 1 / 3), (0.3, 0.8)])
def test_the_percentile_bootstrap_would_not(simulation, level, within):
    assert simulation.simulate(simulation.percentile, 8, level, within, 400).coverage < LEAST


@pytest.mark.parametrize(
    'model, level, setting',
    [
        ('auroc', 0.75, 1 / 3),
        ('by_frame', -0.4, 1 / 3),
        ('mask', 1.0, 1 / 3),
        ('spearman', -0.5, 9),
        ('apart', -0.5, 9),
    ],
)
def test_so_do_those_of_what_is_no_rate(simulation, model, level, setting):
    found = simulation.simulate(getattr(simulation, model), 8, level, setting, 150)
    # Three standard errors of 150 trials are .053.
    assert found.coverage >= 0.9
