"""
Synthetic street scenes with exact truth, written in the Cityscapes layout.

A sequence is a street with houses, trees, furniture, traffic and people, seen from a car that
drives along it. Everything is drawn from (seed, sequence), so a frame is the same in any order.
"""

from vlm_misalign_ros.core.world.cities import CITIES, SPLITS
from vlm_misalign_ros.core.world.writing import BASELINE, PERIOD, cities_of, generate, render_scene

__all__ = ['BASELINE', 'CITIES', 'PERIOD', 'SPLITS', 'cities_of', 'generate', 'render_scene']
