"""Camera degradations, parameterised by severity and seeded by frame."""

from vlm_misalign_ros.core.corruptions.conditions import BLANK, CLEAN, SEVERITIES, parse_conditions
from vlm_misalign_ros.core.corruptions.degrading import Degraded, covers, degrade, seed_of, try_out
from vlm_misalign_ros.core.corruptions.registry import CORRUPTIONS, Corruption, Effect

__all__ = [
    'BLANK',
    'CLEAN',
    'CORRUPTIONS',
    'SEVERITIES',
    'Corruption',
    'Degraded',
    'Effect',
    'covers',
    'degrade',
    'parse_conditions',
    'seed_of',
    'try_out',
]
