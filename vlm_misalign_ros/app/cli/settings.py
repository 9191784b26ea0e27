"""Settings that several verbs take as `key=value`."""

from __future__ import annotations

from collections.abc import Sequence

from vlm_misalign_ros.core.truth.read import TruthSettings


def truth_of(overrides: Sequence[str]) -> TruthSettings:
    """Return the settings of the truth; ConfigurationError names a wrong one."""
    from vlm_misalign_ros.core.settings.configuration import override
    from vlm_misalign_ros.core.settings.nodes import TruthParameters, truth_settings
    from vlm_misalign_ros.core.settings.parameters import build

    return truth_settings(build(TruthParameters, override({}, overrides), 'the truth'))
