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

"""`rescore`: the records of a run by another lexicon, corridor or threshold."""

from __future__ import annotations

import argparse
from pathlib import Path

from vlm_misalign_ros.app.cli.parser import add_overrides, positive

HELP = 'score a run again by other settings, without its models and pictures'
EXAMPLES = """
vlm-misalign rescore runs/NAME lexicon=words.yaml --name NAME_words
vlm-misalign rescore runs/NAME monitor.corridor_width=4 --model llava
vlm-misalign rescore runs/NAME vlms.clip.threshold=0.6 'monitor.critical=[person, rider]'
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('folder', metavar='RUN', help='run folder, which is left as it is')
    add_overrides(parser, 'settings of the run that are others, such as lexicon=words.yaml')
    parser.add_argument('--name', help='name of the new run (default: NAME_rescored)')
    parser.add_argument('--out', help='folder that holds it (default: that of RUN)')
    parser.add_argument(
        '--model',
        action='append',
        default=[],
        metavar='NAME',
        help='score this model (or ask) again, and no other; may be given again',
    )
    parser.add_argument(
        '--jobs',
        type=positive,
        help='processes (default: as many as there are processors, for many records)',
    )


def run(arguments: argparse.Namespace) -> int:
    """Score again; print what changed, the table and the verdict."""
    from vlm_misalign_ros.app.cli.results import print_results
    from vlm_misalign_ros.app.rescoring import rescore
    from vlm_misalign_ros.app.rescoring_records import CHANGED_CSV
    from vlm_misalign_ros.core.errors import ConfigurationError
    from vlm_misalign_ros.core.report.audit.showing import one_line

    folder = Path(arguments.folder)
    name = arguments.name or f'{folder.resolve().name}_rescored'
    if Path(name).name != name or name in ('.', '..'):
        raise ConfigurationError(f'run name {name!r} is no folder name', 'leave out slashes')
    out = (Path(arguments.out) if arguments.out else folder.resolve().parent) / name
    verdict, told = rescore(folder, arguments.overrides, out, arguments.model, jobs=arguments.jobs)
    print_results(out)
    for line in told.lines():
        print(one_line(line))
    print(one_line(f'every changed answer: {out / CHANGED_CSV}'))
    return verdict.exit_code
