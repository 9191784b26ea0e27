"""Calibrates a contrastive model on the clean frames of a data set, without ROS."""

from __future__ import annotations

from collections.abc import Callable

from vlm_misalign_ros.core.datasets import open_dataset
from vlm_misalign_ros.core.errors import ConfigurationError, DatasetError, ModelError
from vlm_misalign_ros.core.labels.classes import BY_NAME, CLASSES, STUFF, STUFF_SHARE
from vlm_misalign_ros.core.language.prompts import prompts_hash
from vlm_misalign_ros.core.models import calibration, reference
from vlm_misalign_ros.core.models.contrastive import ContrastiveModel
from vlm_misalign_ros.core.truth.inventory import Inventory
from vlm_misalign_ros.core.truth.read import TruthMaps, TruthSettings, read_truth
from vlm_misalign_ros.core.types import Frame, Hazard, Presence


def calibrate_model(
    model: str,
    dataset: str,
    split: str = '',
    cities: tuple[str, ...] = (),
    limit: int = 0,
    prompt_id: str = '',
    device: str = 'auto',
    threads: int = 1,
    settings: TruthSettings = TruthSettings(),  # noqa: B008  (frozen)
    progress: Callable[[int, int], object] | None = None,
) -> calibration.Calibration:
    """
    Return the operating points of a contrastive model on clean labelled frames.

    A class is there when it is REQUIRED (stuff: when it covers STUFF_SHARE of the picture), is
    not when it is ABSENT, and between counts as neither; safe is CLEAR against HAZARD. Raises a
    MisalignError naming the model or data that will not do.
    """
    named = reference.parse(model)
    if named.kind != 'contrastive':
        raise ModelError(
            f'model {model!r} is generative and has no scores to calibrate',
            'give an open_clip: model',
        )
    frames = open_dataset(dataset, split=split, cities=cities, limit=limit)
    network = ContrastiveModel(model, prompt_id, device, threads=threads)
    scores, truths = [], []
    for number, frame in enumerate(frames):
        scores.append(network.raw_scores(frame.image))
        truths.append(frame_truth(frame, settings))
        if progress is not None:
            progress(number + 1, len(frames))
    points = calibration.calibrate(scores, truths)
    if not points:
        raise DatasetError(
            f'{dataset} has no class with {calibration.LEAST} positives and negatives',
            'calibrate on more frames',
        )
    return calibration.Calibration(
        model,
        model_hash(model),
        network.prompt_id,
        prompts_hash(),
        points,
        {
            'dataset': frames.name,
            'split': split,
            'frames': len(frames),
            'cities': sorted({entry.city for entry in frames.entries}),
        },
        settings.to_plain(),
    )


def model_hash(model: str) -> str:
    """Return the hash of a local model's files, or the string that names another one."""
    named = reference.parse(model)
    return model if named.directory is None else reference.weights_hash(named.directory)


def frame_truth(frame: Frame, settings: TruthSettings) -> dict[str, bool | None]:
    """
    Return what is there, by class, and whether going on is safe; None where neither counts.

    Raises ConfigurationError for a frame without labels.
    """
    if frame.labels is None:
        raise ConfigurationError(f'frame {frame.key} has no labels', 'calibrate on labelled data')
    truth = read_truth(TruthMaps.of(frame), frame.camera, settings)
    found = {name: _there(name, truth.seen.scene[name], truth.seen.inventory) for name in CLASSES}
    verdict = truth.hazard.verdict
    found[calibration.SAFETY] = (
        None if verdict is Hazard.INDETERMINATE else (verdict is Hazard.CLEAR)
    )
    return found


def _there(name: str, state: Presence, inventory: Inventory) -> bool | None:
    if state is Presence.ABSENT:
        return False
    if name in STUFF:
        height, width = inventory.shape
        share = inventory.pixels[BY_NAME[name].id] / (height * width)
        return True if share >= STUFF_SHARE else None
    return True if state is Presence.REQUIRED else None
