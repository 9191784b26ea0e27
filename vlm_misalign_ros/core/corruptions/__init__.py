"""Camera degradations, parameterised by severity and seeded by frame."""

from vlm_misalign_ros.core.corruptions.conditions import CORRUPTIONS, SEVERITIES, parse_conditions
from vlm_misalign_ros.core.corruptions.degrading import Degraded, degrade, seed_of

__all__ = ['CORRUPTIONS', 'SEVERITIES', 'Degraded', 'degrade', 'parse_conditions', 'seed_of']
