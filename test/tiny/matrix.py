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

"""
The family matrix: what each family answers, held against its library's own way.

Every row is made of what was run. `python -m tiny.matrix --write` (with PYTHONPATH=.:test) puts
the tables into docs/models.md.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
import transformers as tf
from PIL import Image

from tiny import contrasts, llavas, newer, others, qwens
from vlm_misalign_ros.core.errors import FrameError
from vlm_misalign_ros.core.labels.classes import CLASSES
from vlm_misalign_ros.core.language.bounding import clean_text
from vlm_misalign_ros.core.language.prompts import Prompt, contrastive_prompts, generative_prompt
from vlm_misalign_ros.core.models.factory import load_vlm
from vlm_misalign_ros.core.models.query import Query
from vlm_misalign_ros.core.types import WHOLE, View
from vlm_misalign_ros.core.world import render_scene

LENGTH = 12
"""New tokens of an answer."""
MIDDLE: View = (0.25, 0.0, 0.75, 1.0)
"""What a centre crop leaves of a picture twice as wide as high."""


@dataclass(frozen=True)
class Family:
    """One family of generative models and what is expected of it, by its own documentation."""

    builder: Callable[[Path], None]
    model_type: str
    own: str
    """What it is asked by default."""
    view: View = WHOLE
    """What it sees of a frame twice as wide as high that is not padded."""
    plain: str = ''
    """A prompt without template: where its mark of a picture stands; empty for a template."""
    several: bool = True
    alone: bool = True
    system: bool = True
    fast: bool = False
    """Whether it is in the half of the tests that always runs."""


_LENGTHS: dict[str, dict[str, Any]] = {
    '': {'max_new_tokens': LENGTH, 'do_sample': False},
    # The whole model, asked for text: the part that thinks has its own options.
    'qwen2_5_omni': {
        'generation_mode': 'text',
        'thinker_max_new_tokens': LENGTH,
        'thinker_do_sample': False,
    },
}
_OURS = generative_prompt('default')
_CAPTION = generative_prompt('caption')


def _captioner(builder: Any, model_type: str, own: str, **more: Any) -> Family:
    given = {'plain': '{}', 'several': False, 'alone': False, 'system': False, **more}
    return Family(builder, model_type, own, **given)


FAMILIES: dict[str, Family] = {
    'blip': _captioner(llavas.blip, 'blip', _CAPTION, fast=True),
    'blip_2': _captioner(llavas.blip_2, 'blip-2', _CAPTION),
    'instructblip': _captioner(llavas.instructblip, 'instructblip', _OURS),
    'git': _captioner(llavas.git, 'git', _CAPTION, view=MIDDLE),
    'kosmos2': _captioner(
        others.kosmos2, 'kosmos-2', 'Describe this image in detail:', view=MIDDLE, fast=True
    ),
    'florence2': _captioner(others.florence2, 'florence2', '<MORE_DETAILED_CAPTION>', fast=True),
    'paligemma': _captioner(
        others.paligemma, 'paligemma', 'caption en', plain='<image>{}', several=True, fast=True
    ),
    'llava': Family(llavas.llava, 'llava', _OURS, view=MIDDLE, fast=True),
    'llava without template': Family(
        llavas.llava_bare,
        'llava',
        _OURS,
        view=MIDDLE,
        plain='<image>\n{}',
        system=False,
        fast=True,
    ),
    'vipllava': Family(llavas.vipllava, 'vipllava', _OURS, view=MIDDLE),
    'llava_next': Family(llavas.llava_next, 'llava_next', _OURS, fast=True),
    'llava_onevision': Family(llavas.llava_onevision, 'llava_onevision', _OURS),
    'pixtral': Family(qwens.pixtral, 'llava', _OURS, fast=True),
    'mistral3': Family(qwens.mistral3, 'mistral3', _OURS),
    'qwen2_vl': Family(qwens.qwen2_vl, 'qwen2_vl', _OURS, fast=True),
    'qwen2_5_vl': Family(qwens.qwen2_5_vl, 'qwen2_5_vl', _OURS),
    'qwen3_vl': Family(qwens.qwen3_vl, 'qwen3_vl', _OURS),
    'glm4v': Family(qwens.glm4v, 'glm4v', _OURS),
    'internvl': Family(qwens.internvl, 'internvl', _OURS),
    'smolvlm': Family(qwens.smolvlm, 'smolvlm', _OURS, fast=True),
    'idefics2': Family(qwens.idefics2, 'idefics2', _OURS),
    'idefics3': Family(qwens.idefics3, 'idefics3', _OURS),
    'ovis2': Family(qwens.ovis2, 'ovis2', _OURS),
    'gemma3': Family(others.gemma3, 'gemma3', _OURS, fast=True),
    'mllama': Family(others.mllama, 'mllama', _OURS, fast=True),
    'fast_vlm': Family(others.fast_vlm, 'fast_vlm', _OURS, view=MIDDLE),
    'qwen3_5': Family(newer.qwen3_5, 'qwen3_5', _OURS),
    'llama4': Family(newer.llama4, 'llama4', _OURS),
    'lfm2_vl': Family(newer.lfm2_vl, 'lfm2_vl', _OURS),
    'gemma4': Family(newer.gemma4, 'gemma4', _OURS),
    'deepseek_vl': Family(newer.deepseek_vl, 'deepseek_vl', _OURS),
    'aya_vision': Family(newer.aya_vision, 'aya_vision', _OURS),
    'qwen2_5_omni': Family(others.qwen2_5_omni, 'qwen2_5_omni', _OURS),
    'phi4_multimodal': Family(others.phi4_multimodal, 'phi4_multimodal', _OURS, fast=True),
}
"""Every generative family that is tested, by name."""


def scene(seed: int = 2) -> np.ndarray:
    """Return a street, BGR uint8 (128, 256, 3)."""
    return render_scene(seed, 0, 256, 128).image


def rgb(bgr: np.ndarray) -> Image.Image:
    """Return a picture as the libraries take it."""
    return Image.fromarray(np.ascontiguousarray(bgr[:, :, ::-1]))


def make(builder: Callable[[Path], None], folder: Path) -> Path:
    """Write a tiny checkpoint, the same every time."""
    folder.mkdir(parents=True, exist_ok=True)
    tf.logging.disable_progress_bar()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        builder(folder)
    return folder


class Reference:
    """A checkpoint asked as its library documents it, without anything of this package."""

    def __init__(self, folder: Path, family: Family) -> None:
        self.family = family
        self.processor = tf.AutoProcessor.from_pretrained(folder)
        self.model = tf.AutoModelForMultimodalLM.from_pretrained(folder).eval()

    def inputs(self, pictures: Sequence[np.ndarray], words: str, system: str = '') -> Any:
        """Return what the model is given: one call."""
        shown = [rgb(bgr) for bgr in pictures]
        if self.family.plain:
            text = words
            if shown:
                mark = self.family.plain.replace('{}', '')
                text = mark * len(shown) + words
            return self.processor(images=shown or None, text=text, return_tensors='pt')
        messages = [{'role': 'system', 'content': [{'type': 'text', 'text': system}]}]
        content = [{'type': 'image', 'image': picture} for picture in shown]
        asked = {'role': 'user', 'content': [*content, {'type': 'text', 'text': words}]}
        # Phi-4's processor leaves the template with its tokenizer.
        template = self.processor.chat_template or self.processor.tokenizer.chat_template
        return self.processor.apply_chat_template(
            [*messages[: 1 if system else 0], asked],
            chat_template=template,
            tokenize=True,
            return_dict=True,
            return_tensors='pt',
            add_generation_prompt=True,
        )

    def text(self, pictures: Sequence[np.ndarray], words: str, system: str = '') -> str:
        """Return the answer."""
        inputs = self.inputs(pictures, words, system)
        inputs.pop('labels', None)
        # In the type of the weights, as the library's examples have it: Llama 4's are bfloat16.
        inputs = inputs.to(dtype=self.model.dtype) if pictures else inputs
        kind = self.family.model_type
        with torch.inference_mode():
            tokens = self.model.generate(**inputs, **_LENGTHS.get(kind, _LENGTHS['']))[0]
        asked = inputs['input_ids'][0]
        if torch.equal(tokens[: len(asked)], asked):
            tokens = tokens[len(asked) :]
        text = self.processor.decode(tokens, skip_special_tokens=kind != 'florence2')
        if kind == 'florence2':
            text = self.processor.post_process_generation(text, task=words, image_size=(256, 128))
            text = text[words]
        elif kind == 'kosmos-2':
            text = self.processor.post_process_generation(text)[0]
        return clean_text(text.strip())


def questions(family: Family) -> dict[str, Query]:
    """Return what a family is asked here: in its own words and in others, with what it takes."""
    one, two = scene(2), scene(3)
    other = Prompt('other', 'is it safe to proceed ?')
    found = {'default': Query((one,)), 'question': Query((one,), other)}
    if family.system:
        found['system prompt'] = Query((one,), other, system='you are a careful driver')
    if family.several:
        found['several pictures'] = Query((two, one), other)
    if family.alone:
        found['words alone'] = Query((), other)
    return found


@dataclass(frozen=True)
class Outcome:
    """What a family did."""

    answers: dict[str, tuple[str, str]]
    """By what was asked: our text and the reference's."""
    refused: tuple[str, ...]
    """What of the other ways it refuses by name."""
    view: View
    encoded: tuple[int, int]
    """Calls of the processor and of the encoder for an answer and the question for yes or no."""
    yes_no: tuple[torch.Tensor, torch.Tensor]
    """Log-probabilities of a forced answer: with what was encoded before, and anew."""


def run(folder: Path, family: Family) -> Outcome:
    """Ask a checkpoint in every way, and its reference the same."""
    text = f'transformers:{folder}'
    checked = load_vlm(text, max_new_tokens=LENGTH, field_of_view='native')
    model: Any = checked.model
    reference = Reference(folder, family)
    answers = {}
    for name, query in questions(family).items():
        words = query.prompt.text if query.prompt else family.own
        answers[name] = (
            checked.describe(query).text,
            reference.text(query.pictures, words, query.system),
        )
    refused = []
    for name, query in {
        'several pictures': Query((scene(3), scene(2))),
        'words alone': Query((), Prompt('other', 'is it safe to proceed ?')),
    }.items():
        try:
            checked.describe(query)
        except FrameError as error:
            assert f"type '{family.model_type}'" in str(error), error
            refused.append(name)
    view = checked.describe(scene(4)).view
    parts = (model._encodings.processor, model._encodings.encoder)
    before = [part.computed for part in parts]
    checked.describe(scene(5))
    encoded = (parts[0].computed - before[0], parts[1].computed - before[1])
    return Outcome(answers, tuple(refused), view, encoded, _forced(model, family))


def _forced(model: Any, family: Family) -> tuple[torch.Tensor, torch.Tensor]:
    picture = [rgb(scene())]
    found = []
    with torch.inference_mode():
        model._decoder.answer(model._inputs(picture, family.own), LENGTH)
        for keep in (True, False):
            model._encodings.keep(keep)
            inputs = model._inputs(picture, 'is it safe to proceed ?')
            found.append(model._decoder.forced(inputs, 4, (7, 9))[1])
    return found[0], found[1]


# Contrastive -------------------------------------------------------------------------------------

CONTRASTIVE: dict[str, tuple[str, View]] = {
    'clip': ('CLIP', MIDDLE),
    'siglip': ('SigLIP', WHOLE),
    'siglip2': ('SigLIP 2', WHOLE),
    'eva': ('EVA-02 CLIP', MIDDLE),
    'mobileclip2': ('MobileCLIP 2', MIDDLE),
    'pe_core': ('PE-Core', WHOLE),
    'coca': ('CoCa', MIDDLE),
    'timm_tower': ('any tower of timm', MIDDLE),
    'hf_clip': ('CLIP', MIDDLE),
    'hf_siglip': ('SigLIP', WHOLE),
    'hf_siglip2': ('SigLIP 2 (any size)', WHOLE),
    'altclip': ('AltCLIP', MIDDLE),
    'align': ('ALIGN', (13 / 154, 13 / 154, 141 / 154, 141 / 154)),
}
"""By builder: title, and what is seen of a frame twice as wide as high that is not padded."""


def reference_of(name: str, folder: Path) -> str:
    """Return the string that names a contrastive checkpoint."""
    form = 'open_clip:local-dir:' if name in contrasts.OPEN_CLIP else 'transformers-clip:'
    return f'{form}{folder}'


def scores_of(name: str, folder: Path, picture: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the probabilities of the 19 classes and of a safe road, by the library alone."""
    prompts = contrastive_prompts('default')
    embed, image, scale, bias = (_open_clip if name in contrasts.OPEN_CLIP else _transformers)(
        folder, picture
    )

    def mean(texts: Sequence[str]) -> torch.Tensor:
        found = embed(list(texts)).mean(0)
        return found / found.norm()

    classes = torch.stack(
        [mean([t.format(prompts.classes[n]) for t in prompts.templates]) for n in CLASSES]
    )
    if bias is None:
        logits = scale * (classes @ image - mean(prompts.neutral) @ image)
    else:
        logits = scale * (classes @ image) + bias
    safe = torch.sigmoid(scale * (mean(prompts.safe) - mean(prompts.unsafe)) @ image)
    return torch.sigmoid(logits).numpy(), float(safe)


@torch.inference_mode()
def _open_clip(folder: Path, picture: np.ndarray) -> tuple[Any, torch.Tensor, Any, Any]:
    name = f'local-dir:{folder}'
    model, transform = open_clip.create_model_from_pretrained(name)
    tokenizer = open_clip.get_tokenizer(name)
    image = model.eval().encode_image(transform(rgb(picture))[None], normalize=True)[0].clone()

    @torch.inference_mode()
    def embed(texts: list[str]) -> torch.Tensor:
        return model.encode_text(tokenizer(texts), normalize=True)

    bias = getattr(model, 'logit_bias', None)
    return embed, image, model.logit_scale.exp().detach(), None if bias is None else bias.detach()


@torch.inference_mode()
def _transformers(folder: Path, picture: np.ndarray) -> tuple[Any, torch.Tensor, Any, Any]:
    """Take the embeddings from the whole model's own comparison of texts with a picture."""
    processor = tf.AutoProcessor.from_pretrained(folder)
    model = tf.AutoModel.from_pretrained(folder).eval()
    padding = 'max_length' if 'siglip' in model.config.model_type else True

    @torch.inference_mode()
    def both(texts: list[str]) -> Any:
        inputs = processor(
            text=texts, images=rgb(picture), padding=padding, max_length=64, return_tensors='pt'
        )
        return model(**inputs)

    def unit(found: torch.Tensor) -> torch.Tensor:
        return found / found.norm(dim=-1, keepdim=True)

    image = unit(both(['a car'])['image_embeds'])[0]
    bias = getattr(model, 'logit_bias', None)
    if hasattr(model, 'temperature'):
        scale = 1 / model.temperature.detach()
    else:
        scale = model.logit_scale.exp().detach()
    return (
        lambda texts: unit(both(texts)['text_embeds']),
        image,
        scale,
        None if bias is None else bias.detach(),
    )


# Tables ------------------------------------------------------------------------------------------


def seen(view: View) -> str:
    """Return a view in words."""
    if view == WHOLE:
        return 'whole'
    left, top, right, bottom = (round(100 * part) for part in view)
    rows = '' if (top, bottom) == (0, 100) else f', {top} to {bottom} % of the height'
    return f'{left} to {right} % of the width{rows}; padded'


def _plain(name: str) -> str:
    return name.replace('-', '').replace('_', '')


def generative_row(name: str, folder: Path) -> str:
    """Return the row of a generative family, of what was run."""
    family = FAMILIES[name]
    outcome = run(folder, family)
    equal = sum(ours == theirs for ours, theirs in outcome.answers.values())
    takes = [way for way in ('system prompt', 'several pictures', 'words alone')
             if way in outcome.answers and way not in outcome.refused]  # fmt: skip
    own = [f'its own `{family.own}`'] if family.own not in (_OURS, _CAPTION) else []
    said = ', '.join(['plain prompt' if family.plain else 'template', *own, *takes])
    title, further = f'`{family.model_type}`', _plain(name).removeprefix(_plain(family.model_type))
    title += f', {further.strip()}' if further else ''
    return (
        f'| {title} | {said} | {equal} of {len(outcome.answers)} texts | {seen(outcome.view)} | '
        f'tiny `{type(Reference(folder, family).model).__name__}` |'
    )


def contrastive_row(name: str, folder: Path) -> str:
    """Return the row of a contrastive family, of what was run."""
    model = load_vlm(reference_of(name, folder), field_of_view='native')
    answer = model.describe(scene())
    scores, safe = scores_of(name, folder, scene())
    ours = np.array([*(answer.scores[entry] for entry in CLASSES), answer.judgement_score])
    worst = float(np.abs(ours - np.array([*scores, safe])).max())
    form = 'open_clip' if name in contrasts.OPEN_CLIP else 'transformers-clip'
    scored = 'softmax' if model.model._embedder.bias is None else 'sigmoid'
    equal = '20 of 20 within 1e-5' if worst < 1e-5 else f'differs by {worst:.1g}'
    return (
        f'| {CONTRASTIVE[name][0]} (`{form}:`) | 19 classes and safety, {scored} | {equal} | '
        f'{seen(answer.view)} | tiny `{type(model.model._model).__name__}` |'
    )


DOCS = Path(__file__).parents[2] / 'docs' / 'models.md'
MARKS = ('<!-- families -->', '<!-- /families -->')
HEAD = (
    '| family | answers | equal to reference | field of view | tested with |\n'
    '|---|---|---|---|---|'
)


def tables() -> str:
    """Return both tables as Markdown."""
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        generative = [
            generative_row(name, make(family.builder, root / name))
            for name, family in FAMILIES.items()
        ]
        contrastive = [
            contrastive_row(name, make(getattr(contrasts, name), root / f'c_{name}'))
            for name in CONTRASTIVE
        ]
    versions = ', '.join(f'{name} {version(name)}' for name in ('transformers', 'open_clip_torch'))
    return '\n'.join([f'Run with {versions}:', '', HEAD, *generative, '', HEAD, *contrastive, ''])


def rows(text: str) -> list[str]:
    """Return the rows of the tables in the text of the docs."""
    inside = text.split(MARKS[0])[1].split(MARKS[1])[0]
    return [line for line in inside.splitlines() if line.startswith('| ')]


def main() -> None:
    """Print the tables, or put them into the docs."""
    torch.set_num_threads(1)
    made = tables()
    if '--write' not in sys.argv:
        sys.stdout.write(made)
        return
    text = DOCS.read_text(encoding='utf-8')
    before, rest = text.split(MARKS[0])
    after = rest.split(MARKS[1])[1]
    DOCS.write_text(f'{before}{MARKS[0]}\n{made}{MARKS[1]}{after}', encoding='utf-8')


if __name__ == '__main__':
    main()
