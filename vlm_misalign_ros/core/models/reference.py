"""Model references: the one string that names a model, and what can be checked before loading."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlm_misalign_ros.core.errors import ModelError
from vlm_misalign_ros.core.labels.classes import CLASSES

FORMS = (
    'open_clip:NAME/PRETRAINED, open_clip:local-dir:DIRECTORY, '
    'transformers:NAME_OR_DIRECTORY or miniature:NAME'
)
MINIATURES = Path(__file__).resolve().parents[2] / 'miniatures'
"""The trained miniature models that this package brings along, a folder each."""
_WEIGHTS = {
    'transformers': ('model*.safetensors', 'pytorch_model*.bin'),
    'open_clip': (
        'open_clip_model.safetensors',
        'open_clip_pytorch_model.bin',
        'open_clip*.safetensors',
        '*.safetensors',
        '*.bin',
        '*.pt',
        '*.pth',
    ),
}
NOTES = ('README.md', 'calibration.json')
"""Files beside a model that say something about it and change nothing of it."""
_CONFIG = {'transformers': 'config.json', 'open_clip': 'open_clip_config.json'}


@dataclass(frozen=True)
class ModelReference:
    """A model, by family and by name or directory."""

    family: str
    """`open_clip` or `transformers`."""
    name: str
    """Name on the hub or in open_clip's registry; the directory's name for a local one."""
    pretrained: str = ''
    """open_clip: tag of the weights."""
    directory: Path | None = None

    @property
    def kind(self) -> str:
        """Return `contrastive` or `generative`, what a VLM of this family is."""
        return 'contrastive' if self.family == 'open_clip' else 'generative'


def parse(text: str) -> ModelReference:
    """Return the reference in a string of one of FORMS; ModelError names what is wrong."""
    family, colon, rest = text.partition(':')
    if family == 'miniature':
        return _miniature(rest)
    if family not in _CONFIG or not colon or not rest:
        raise ModelError(f'model {text!r} is not understood', f'give {FORMS}')
    if family == 'transformers':
        path = Path(rest).expanduser()
        local = rest[0] in './~' or rest.count('/') != 1 and '/' in rest or path.is_dir()
        return ModelReference(
            family, path.name if local else rest, directory=path if local else None
        )
    if rest.startswith('local-dir:'):
        place = rest.removeprefix('local-dir:')
        if not place:
            raise ModelError(f'model {text!r} names no directory', f'give {FORMS}')
        path = Path(place).expanduser()
        return ModelReference(family, path.name, directory=path)
    name, slash, pretrained = rest.partition('/')
    if rest.startswith('hf-hub:'):
        return ModelReference(family, rest)
    if not slash or not pretrained:
        raise ModelError(
            f'model {text!r} names no pretrained weights',
            'give open_clip:NAME/PRETRAINED, for example open_clip:ViT-B-32/laion2b_s34b_b79k',
        )
    return ModelReference(family, name, pretrained)


def _miniature(name: str) -> ModelReference:
    known = sorted(
        path.parent.name
        for path in MINIATURES.glob('*/*config.json')
        if path.name in _CONFIG.values()
    )
    if name not in known:
        raise ModelError(f'there is no miniature {name!r}', 'known: ' + ', '.join(known))
    directory = MINIATURES / name
    family = 'open_clip' if (directory / _CONFIG['open_clip']).is_file() else 'transformers'
    return ModelReference(family, name, directory=directory)


def read_config(reference: ModelReference) -> dict[str, Any]:
    """Return the configuration of a local model; ModelError when there is none to read."""
    assert reference.directory is not None
    path = reference.directory / _CONFIG[reference.family]
    try:
        data = json.loads(path.read_text(encoding='utf-8'))
    except FileNotFoundError as error:
        raise ModelError(
            f'model directory {reference.directory} has no {path.name}',
            f'a {reference.family} model is expected there, as its library saves it',
        ) from error
    except (OSError, ValueError) as error:
        raise ModelError(f'{path} cannot be read: {error}', 'save the model again') from error
    if not isinstance(data, dict):
        raise ModelError(f'{path} holds no JSON object', 'save the model again')
    return data


def check(reference: ModelReference, role: str) -> None:
    """
    Check what can be seen without loading: family, directory, configuration, weights, classes.

    `role` is `segmentation` or `vlm`. Raises ModelError.
    """
    if role == 'segmentation' and reference.family != 'transformers':
        raise ModelError(
            f'model {reference.name!r} is of the family {reference.family!r}, '
            'which has no segmentation models',
            'give transformers:NAME_OR_DIRECTORY',
        )
    if reference.directory is None:
        if reference.family == 'open_clip' and not reference.name.startswith('hf-hub:'):
            _check_registry(reference)
        return
    if not reference.directory.is_dir():
        raise ModelError(
            f'model directory {reference.directory} does not exist',
            'give the folder that holds ' + _CONFIG[reference.family],
        )
    config = read_config(reference)
    if not any(any(reference.directory.glob(pattern)) for pattern in _WEIGHTS[reference.family]):
        raise ModelError(
            f'model directory {reference.directory} has no weights',
            'expected ' + _WEIGHTS[reference.family][0],
        )
    if role == 'segmentation':
        train_ids(config.get('id2label') or {}, str(reference.directory))


def _check_registry(reference: ModelReference) -> None:
    import open_clip

    known = open_clip.list_pretrained_tags_by_model(reference.name)
    if not known and reference.name not in open_clip.list_models():
        raise ModelError(
            f'open_clip has no model {reference.name!r}',
            'open_clip.list_models() lists them; give a local-dir: for one of your own',
        )
    if reference.pretrained not in known and not Path(reference.pretrained).is_file():
        raise ModelError(
            f'open_clip has no weights {reference.pretrained!r} for {reference.name}',
            'known: ' + (', '.join(known) or 'none; give a local-dir:'),
        )


def train_ids(id2label: dict[Any, Any], model: str) -> dict[int, int]:
    """
    Return {the model's class index: Cityscapes train id} by the names in `id2label`.

    Classes that Cityscapes does not have are left out; ModelError when one of the 19 is missing.
    """
    wanted = {_plain(name): index for index, name in enumerate(CLASSES)}
    found = {
        int(index): wanted[_plain(str(name))]
        for index, name in id2label.items()
        if _plain(str(name)) in wanted
    }
    missing = [name for index, name in enumerate(CLASSES) if index not in found.values()]
    if missing:
        raise ModelError(
            f'segmentation model {model} does not know the class{"es" * (len(missing) > 1)} '
            + ', '.join(repr(name) for name in missing),
            'use a model trained on Cityscapes, with its class names in id2label',
        )
    return found


def _plain(name: str) -> str:
    return name.strip().lower().replace('_', ' ').replace('-', ' ')


def weights_hash(directory: Path) -> str:
    """Return the SHA-256 over names and bytes of a model directory's files, notes left out."""
    total = hashlib.sha256()
    for path in sorted(
        path for path in directory.rglob('*') if path.is_file() and path.name not in NOTES
    ):
        total.update(path.relative_to(directory).as_posix().encode() + b'\0')
        try:
            with path.open('rb') as stream:
                while block := stream.read(1 << 20):
                    total.update(block)
        except OSError as error:
            raise ModelError(
                f'{path} cannot be read: {error.strerror}', 'check its permissions'
            ) from error
    return total.hexdigest()
