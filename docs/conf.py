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

"""The docs site: Sphinx over the Markdown of this repository; `make docs` builds it."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from _site import built, places, verbs  # noqa: E402

from vlm_misalign_ros import __version__  # noqa: E402

project = 'vlm_misalign_ros'
author = 'vlm_misalign_ros maintainers'
copyright = '2026 vlm_misalign_ros maintainers, Apache-2.0'
version = release = __version__

# The source is the root of the repository, so that a link works here as it does in the tree.
root_doc = 'docs/index'
include_patterns = [*(f'{name}.md' for name in places.AT_THE_ROOT), 'docs/**.md']
# What is not looked into: .venv has a hundred thousand files.
exclude_patterns = ['docs/_site', *places.other_folders()]
extensions = ['myst_parser', 'sphinx.ext.autodoc', 'sphinx_copybutton']

# Anchors of headings as GitHub makes them.
myst_heading_anchors = 4
myst_fence_as_directive = []
nitpicky = True
# Types of other libraries have their pages elsewhere; every one of ours that is told of is here.
nitpick_ignore_regex = [(r'py:.*', r'(?!vlm_misalign_ros\.).*')]
# But these: records have their pages in data.md, and the rest is handed on and never looked into.
nitpick_ignore = [
    ('py:class', f'vlm_misalign_ros.{name}')
    for name in (
        'bags.stored.Definition',
        'core.corruptions.measured.MeasuredSeverities',
        'core.language.phrases.Phrases',
        'core.language.phrases.Things',
        'core.language.speech.Speech',
        'core.metrics.rows.Better',
        'core.metrics.rows.Interval',
        'core.metrics.rows.ReaderError',
        'core.metrics.self_counts.SelfCounts',
        'core.records.account.AccountingRecord',
        'core.records.account.DoubledRecord',
        'core.records.account.GapRecord',
        'core.records.account.LateRecord',
        'core.records.account.RunRecord',
        'core.records.schema.FrameRecord',
    )
]

autodoc_typehints = 'signature'
autodoc_member_order = 'bysource'
autodoc_default_options = {'members': True}
add_module_names = False
python_use_unqualified_type_names = True

html_theme = 'furo'
html_title = f'vlm_misalign_ros {release}'
html_static_path = ['_site/static']
html_css_files = ['site.css']
html_copy_source = False
html_show_sourcelink = False
html_extra_path = ['_site/root']
copybutton_exclude = '.linenos, .gp'
copybutton_prompt_text = '$ '


def setup(app):
    """Connect what makes navigation and arguments, and what looks at the built pages."""
    places.setup(app)
    verbs.setup(app)
    built.setup(app)
