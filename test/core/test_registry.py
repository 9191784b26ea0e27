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

"""Registries: the package's own and plug-ins, and what goes wrong with them."""

from importlib import metadata

import pytest

from vlm_misalign_ros.core import registry
from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.registry import Registry


@pytest.fixture
def plugins(monkeypatch):
    """Let a list of (name, import path) be the installed plug-ins."""
    found = []

    def entry_points(group):
        return [metadata.EntryPoint(name, value, group) for name, value in found]

    monkeypatch.setattr(registry.metadata, 'entry_points', entry_points)
    return found


def made(**builtin):
    return Registry('some.group', 'thing', builtin or {'path': 'pathlib:Path'})


def test_names_are_the_packages_own_then_plugins_in_order(plugins):
    plugins += [('zebra', 'json:dumps'), ('ant', 'json')]
    found = made(path='pathlib:Path', away='os.path')
    assert found.names() == ('path', 'away', 'ant', 'zebra')
    assert found.builtin() == ('path', 'away') and 'ant' in found and 'bee' not in found
    assert dict(found.origins())['zebra'] == 'json:dumps'


def test_a_path_names_a_module_or_something_in_it(plugins):
    import json
    import os.path
    import pathlib

    plugins.append(('dump', 'json:dumps'))
    found = made(path='pathlib:Path.cwd', away='os.path')
    assert found.load('path') == pathlib.Path.cwd and found.load('away') is os.path
    assert found.load('dump') is json.dumps


def test_an_unknown_name_is_refused_with_the_known_ones(plugins):
    plugins.append(('ant', 'json'))
    with pytest.raises(ConfigurationError, match=r"no thing 'bee'\. known: path, ant"):
        made().load('bee')


@pytest.mark.parametrize(
    'value, words',
    [
        ('no_such_module_at_all', "'ant' cannot be loaded from no_such_module_at_all"),
        ('json:nothing', "'ant' cannot be loaded from json:nothing"),
        ('json', "'ant' of json has no covers"),
    ],
)
def test_a_broken_plugin_is_named(plugins, value, words):
    plugins.append(('ant', value))
    found = Registry('g', 'thing', {}, needs=('covers',))
    assert found.names() == ('ant',)
    with pytest.raises(ConfigurationError, match=words):
        found.load('ant')


@pytest.mark.parametrize('entries', [[('path', 'json')], [('ant', 'json'), ('ant', 'os')]])
def test_a_name_that_is_taken_is_refused(plugins, entries):
    plugins += entries
    with pytest.raises(ConfigurationError, match=r'brings the thing .*, which .* has'):
        made().names()


@pytest.mark.parametrize('name', ['KITTI', 'my-layout', 'a b', '1st'])
def test_a_name_that_no_configuration_could_give_is_refused(monkeypatch, name):
    entries = [metadata.EntryPoint(name, 'module:thing', 'group')]
    monkeypatch.setattr(metadata, 'entry_points', lambda group: entries)
    with pytest.raises(ConfigurationError, match='lower-case'):
        Registry('group', 'thing', {}).names()
