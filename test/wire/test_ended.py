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

"""What the end of a node means for a run, whoever started it."""

import pytest

from vlm_misalign_ros.wire.ended import what_follows


@pytest.mark.parametrize('code', [0, 1, 2, -9, -11])
@pytest.mark.parametrize(
    'executable, closed, ends_run',
    [
        ('vlm', 5, False),
        ('segmentation', 5, False),
        ('corruption', 5, True),
        ('recorder', 5, True),
        ('vlm', 0, True),
        ('segmentation', 0, True),
        ('recorder', 0, True),
    ],
)
def test_a_node_that_ends_by_itself_is_named_whatever_its_code(executable, closed, ends_run, code):
    loss = what_follows('it', executable, code, closed)
    assert loss.ends_run is ends_run
    how = {-9: 'signal SIGKILL', -11: 'signal SIGSEGV'}.get(code, f'exit code {code}')
    assert loss.line.startswith(f'it ended with {how} while the run went on')
    assert ('its answers count as missing' in loss.line) is not ends_run


@pytest.mark.parametrize('closed', [0, 5])
@pytest.mark.parametrize('code', [0, 2, -9])
def test_without_the_annotator_every_run_begins_and_goes_on(closed, code):
    loss = what_follows('annotator', 'annotator', code, closed, reason='no encoding')
    assert not loss.ends_run and 'answers' not in loss.line
    assert loss.line.startswith('annotator ended with')


def test_replay_has_sent_all_only_with_code_0_and_as_long_as_frames_close():
    assert what_follows('replay', 'replay', 0, 0, sent_all=True) is None
    assert what_follows('replay', 'replay', 0, 5, sent_all=True) is None
    loss = what_follows('replay', 'replay', 0, 5)
    assert loss.ends_run and 'after 5 frames, and no frame has closed since' in loss.line
    for code in (1, 2, -9):
        assert what_follows('replay', 'replay', code, 5, sent_all=True).ends_run


def test_the_reason_and_a_kill_for_want_of_memory_are_told():
    told = what_follows('clip', 'vlm', 2, 5, reason='no weights').line
    assert told.startswith('clip ended with exit code 2') and told.endswith(': no weights')
    assert 'memory' in what_follows('clip', 'vlm', -9, 5, out_of_memory=True).line


def test_without_the_reference_a_run_that_has_begun_goes_on_without_truth():
    assert what_follows('reference', 'reference', 2, 0, reason='cannot tell rider').ends_run
    loss = what_follows('reference', 'reference', 2, 5, reason='cannot tell rider')
    assert not loss.ends_run
    assert loss.line == (
        'reference ended with exit code 2 while the run went on, and frames have no truth: '
        'cannot tell rider'
    )
