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


"""The pages of the docs site: each has its place, links lead somewhere, names are there."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from vlm_misalign_ros.app.cli.parser import EXITS, VERBS

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'docs'))
try:
    built, places, verbs = (
        importlib.import_module(f'_site.{name}') for name in ('built', 'places', 'verbs')
    )
finally:
    sys.path.remove(str(ROOT / 'docs'))

INDEX = (ROOT / 'docs' / 'index.md').read_text(encoding='utf-8')
PLACED = places.placed(INDEX)
PAGES = [*places.pages(), places.INDEX]
KINDS = ['Tutorials', 'How to', 'Reference', 'Explanation', 'Project']
LINK = re.compile(r'!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^)\s]+)\)')
API = re.findall(
    r'^\.\. auto\w+:: (\S+)$', (ROOT / 'docs' / 'api.md').read_text(encoding='utf-8'), re.MULTILINE
)


def prose(page):
    """Return a page without its fences and code spans, in which nothing is a link."""
    text = (ROOT / f'{page}.md').read_text(encoding='utf-8')
    return re.sub(r'`[^`\n]*`', '', re.sub(r'^```.*?^```', '', text, flags=re.M | re.S))


def anchors(page):
    """Return the anchors of the headings of a page, as GitHub makes them."""
    text = (ROOT / f'{page}.md').read_text(encoding='utf-8')
    text = re.sub(r'^```.*?^```', '', text, flags=re.M | re.S)
    seen = Counter()
    for heading in re.findall(r'^#{1,6} (.+)$', text, re.M):
        heading = re.sub(r'\[([^\]]*)\]\([^)]*\)', r'\1', heading)
        slug = re.sub(r'[^\w\- ]', '', heading.strip().lower()).replace(' ', '-')
        yield f'{slug}-{seen[slug]}' if seen[slug] else slug
        seen[slug] += 1


# Places --------------------------------------------------------------------------------------


@pytest.mark.parametrize('page', places.pages())
def test_a_page_has_one_place(page):
    kinds = [kind for kind, names in PLACED.items() for name in names if name == page]
    assert len(kinds) == 1, (
        f'{page}.md stands under {kinds or "no heading"} of docs/index.md: give it one line, '
        f'"- [What it is](...): in some words", under one of {", ".join(KINDS)}'
    )


def test_the_index_has_pages_of_every_kind_and_no_others():
    assert list(PLACED) == KINDS
    assert {name for names in PLACED.values() for name in names} <= set(places.pages())


def test_the_navigation_is_made_of_the_lists_in_their_order():
    text = '## One\n\n- [A](a.md): x\n- [B](../B.md)\nno [C](c.md)\n\n## Two\n\n- [D](t/d.md)\n'
    assert places.placed(text) == {'One': {'docs/a': 'A', 'B': 'B'}, 'Two': {'docs/t/d': 'D'}}
    assert re.findall(r':caption: (\w+)\n\n([^`]+)\n', places.navigation(text)) == [
        ('One', 'A </docs/a>\nB </B>'),
        ('Two', 'D </docs/t/d>'),
    ]


# Links ---------------------------------------------------------------------------------------


@pytest.mark.parametrize('page', PAGES)
def test_links_of_a_page_lead_somewhere(page):
    for link in LINK.findall(prose(page)):
        if re.match(r'[a-z]+:', link):
            continue
        path, _, anchor = link.partition('#')
        target = ((ROOT / page).parent / path).resolve() if path else ROOT / f'{page}.md'
        assert target.exists(), f'{page}.md: {link}'
        if anchor:
            there = anchors(str(target.relative_to(ROOT).with_suffix('')))
            assert anchor in there, f'{page}.md: {link} has no such heading'


@pytest.mark.parametrize(
    'page, fault',
    [
        ('<a href="other.html#there">', None),
        ('<a href="#here"><p id="here">', None),
        ('<a href="https://example.org/x"><img src="data:image/png;base64,AA">', None),
        ('<link rel="canonical" href="https://example.org/">', None),
        ('<a href="missing.html">', 'index.html: missing.html leads nowhere'),
        ('<a href="other.html#gone">', 'index.html: other.html#gone has no such anchor'),
        ('<a href="#gone">', 'index.html: #gone has no such anchor'),
        ('<img src="missing.png">', 'index.html: missing.png is not there'),
        (
            '<script src="https://example.org/x.js"></script>',
            'index.html: https://example.org/x.js is loaded from the network',
        ),
        ('<link rel="stylesheet" href="//example.org/x.css">', 'loaded from the network'),
    ],
)
def test_a_built_page_is_looked_at(page, fault, tmp_path):
    (tmp_path / 'index.html').write_text(page)
    (tmp_path / 'other.html').write_text('<h1 id="there">')
    found = list(built.faults(tmp_path))
    assert (not found) if fault is None else (len(found) == 1 and fault in found[0])


def test_fonts_from_the_network_are_found(tmp_path):
    (tmp_path / 'a.css').write_text('@import "https://example.org/f.css"; a {background: url(#x)}')
    (tmp_path / 'b.css').write_text("@font-face {src: url('//example.org/f.woff2')}")
    assert len(list(built.faults(tmp_path))) == 2


# Names ---------------------------------------------------------------------------------------


def test_the_page_of_the_command_has_every_verb():
    text = (ROOT / 'docs' / 'commands.md').read_text(encoding='utf-8')
    cells = re.findall(r'^\| (`.*?) \|', text, re.MULTILINE)
    named = {span for cell in cells for span in re.findall(r'`([^`]+)`', cell)}
    first = {name.split()[0] for name in named}
    assert {verb.split()[0] for verb in VERBS} - first == set(), 'not in the table'
    told = verbs.helps()
    assert list(told) == list(VERBS)
    for verb, text in told.items():
        assert text.startswith(f'usage: vlm-misalign {verb} ') and EXITS not in text
    assert verbs.section().count('### ') == len(VERBS)


@pytest.mark.heavy
def test_what_the_page_on_python_names_can_be_imported_without_ros():
    assert len(API) > 30 and len(set(API)) == len(API)
    code = (
        'import sys, pydoc\nsys.modules["rclpy"] = None\n'
        'print(*(name for name in sys.argv[1:] if pydoc.locate(name) is None))'
    )
    done = subprocess.run([sys.executable, '-c', code, *API], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []
