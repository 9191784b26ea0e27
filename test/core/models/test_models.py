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

"""Adapters over checkpoints in the standard formats, opened by the code that opens real ones."""

import json
import shutil

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image

from vlm_misalign_ros.core.errors import ConfigurationError, ModelError
from vlm_misalign_ros.core.labels.classes import CLASSES, SCORED
from vlm_misalign_ros.core.language.prompts import (
    answer_style,
    contrastive_prompts,
    generative_prompt,
)
from vlm_misalign_ros.core.language.reading import read
from vlm_misalign_ros.core.models.factory import check, kind_of, load_segmentation, load_vlm, parse
from vlm_misalign_ros.core.models.files import weights_hash
from vlm_misalign_ros.core.types import Judgement, Kind, Mention, Role
from vlm_misalign_ros.core.world import render_scene


@pytest.fixture(scope='module')
def picture():
    return render_scene(2, 0, 256, 128).image


# References ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    'text, family, name, kind',
    [
        ('open_clip:ViT-B-32/laion2b_s34b_b79k', 'open_clip', 'ViT-B-32', 'contrastive'),
        (
            'open_clip:hf-hub:timm/ViT-B-16-SigLIP',
            'open_clip',
            'hf-hub:timm/ViT-B-16-SigLIP',
            'contrastive',
        ),
        ('transformers:org/model', 'transformers', 'org/model', 'generative'),
    ],
)
def test_references(text, family, name, kind):
    found = parse(text)
    assert (found.family, found.name, found.directory) == (family, name, None)
    assert kind_of(found).value == kind and found.text == text


@pytest.mark.parametrize(
    'text, words',
    [
        ('', 'is not understood'),
        ('clip', 'is not understood'),
        ('vllm:x', 'is not understood'),
        ('open_clip:ViT-B-32', 'no pretrained weights'),
        ('open_clip:local-dir:', 'no directory'),
        ('transformers:', 'is not understood'),
    ],
)
def test_references_that_are_none(text, words):
    with pytest.raises(ModelError, match=words):
        parse(text)


@pytest.mark.parametrize(
    'text, role, words',
    [
        ('open_clip:No-Such-Model/x', 'vlm', "no model 'No-Such-Model'"),
        ('open_clip:ViT-B-32/nothing', 'vlm', "no weights 'nothing'.*laion2b"),
        ('open_clip:ViT-B-32/openai', 'segmentation', 'no segmentation models'),
        ('transformers:/no/such/folder', 'vlm', 'does not exist'),
    ],
)
def test_what_can_be_known_before_loading(text, role, words):
    with pytest.raises(ModelError, match=words):
        check(parse(text), Role(role))


@pytest.mark.parametrize(
    'name, family, weights',
    [
        ('segformer', 'transformers:', 'model.safetensors'),
        ('clip', 'open_clip:local-dir:', 'open_clip_model.safetensors'),
    ],
)
def test_directories_without_weights_or_configuration(
    checkpoints, tmp_path, name, family, weights
):
    folder = shutil.copytree(checkpoints[name], tmp_path / name)
    role = Role.SEGMENTATION if name == 'segformer' else Role.VLM
    parsed = parse(f'{family}{folder}')
    check(parsed, role)
    before = weights_hash(folder)
    (folder / weights).unlink()
    assert weights_hash(folder) != before
    with pytest.raises(ModelError, match='has no weights'):
        check(parsed, role)
    config = 'config.json' if name == 'segformer' else 'open_clip_config.json'
    (folder / config).write_text('[]')
    with pytest.raises(ModelError, match='no JSON object'):
        check(parsed, role)
    (folder / config).unlink()
    with pytest.raises(ModelError, match=f'has no {config}'):
        check(parsed, role)


def test_a_class_the_model_does_not_know_is_lacking(checkpoints, tmp_path):
    folder = shutil.copytree(checkpoints['segformer'], tmp_path / 'segformer')
    config = json.loads((folder / 'config.json').read_text())
    config['id2label']['11'] = 'unicorn'
    config['label2id'] = {name: int(index) for index, name in config['id2label'].items()}
    (folder / 'config.json').write_text(json.dumps(config))
    model = load_segmentation(f'transformers:{folder}')
    assert model.classes.lacking == ('person',)
    assert 'tells 18 of the 19 classes, without person' in model.classes.told(model.text)


@pytest.mark.parametrize('name', ['segformer', 'llava'])
def test_damaged_weights_are_one_clear_error(checkpoints, tmp_path, name):
    folder = shutil.copytree(checkpoints[name], tmp_path / name)
    (folder / 'model.safetensors').write_bytes(b'\x00' * 100)
    with pytest.raises(ModelError, match='model.safetensors is damaged or cut off'):
        (load_segmentation if name == 'segformer' else load_vlm)(f'transformers:{folder}')


def test_a_model_of_another_kind_is_named(checkpoints):
    with pytest.raises(ModelError, match="'segformer', which does not answer with text"):
        load_vlm(f'transformers:{checkpoints["segformer"]}')
    with pytest.raises(ModelError, match='names no classes'):
        load_segmentation(f'transformers:{checkpoints["captioner"]}')


def test_wrong_devices_are_named(checkpoints):
    with pytest.raises(ConfigurationError, match="'device' is 'abacus'"):
        load_segmentation(f'transformers:{checkpoints["segformer"]}', device='abacus')
    if not torch.cuda.is_available():
        with pytest.raises(ConfigurationError, match='no GPU'):
            load_segmentation(f'transformers:{checkpoints["segformer"]}', device='cuda')


# Segmentation --------------------------------------------------------------------------------


def test_masks_equal_those_of_transformers_own_processing(checkpoints, picture):
    from transformers import SegformerForSemanticSegmentation, SegformerImageProcessor

    folder = checkpoints['segformer']
    ours = load_segmentation(f'transformers:{folder}', input_height=128).segment(picture).labels
    processor = SegformerImageProcessor.from_pretrained(folder)
    model = SegformerForSemanticSegmentation.from_pretrained(folder).eval()
    inputs = processor(Image.fromarray(picture[:, :, ::-1]), do_resize=False, return_tensors='pt')
    with torch.inference_mode():
        theirs = processor.post_process_semantic_segmentation(
            model(**inputs), [picture.shape[:2]]
        )[0].numpy()
    assert ours.dtype == np.uint8 and ours.shape == picture.shape[:2]
    assert (ours == theirs).mean() > 0.999


def test_class_names_are_mapped_whatever_their_order(checkpoints, tmp_path, picture):
    plain = (
        load_segmentation(f'transformers:{checkpoints["segformer"]}', input_height=128)
        .segment(picture)
        .labels
    )
    folder = shutil.copytree(checkpoints['segformer'], tmp_path / 'turned')
    config = json.loads((folder / 'config.json').read_text())
    config['id2label'] = {str(i): CLASSES[-1 - i].title().replace(' ', '_') for i in range(19)}
    config['label2id'] = {name: int(index) for index, name in config['id2label'].items()}
    (folder / 'config.json').write_text(json.dumps(config))
    turned = load_segmentation(f'transformers:{folder}', input_height=128).segment(picture).labels
    assert (turned == 18 - plain).all()


def test_a_universal_model_segments_too(tmp_path, picture):
    from transformers import (
        Mask2FormerConfig,
        Mask2FormerForUniversalSegmentation,
        Mask2FormerImageProcessor,
        SwinConfig,
    )

    torch.manual_seed(0)
    config = Mask2FormerConfig(
        backbone_config=SwinConfig(
            image_size=64,
            embed_dim=8,
            depths=[1, 1, 1, 1],
            num_heads=[1, 1, 1, 1],
            window_size=4,
            out_features=['stage1', 'stage2', 'stage3', 'stage4'],
        ),
        hidden_dim=32,
        mask_feature_size=32,
        feature_size=32,
        encoder_feedforward_dim=16,
        dim_feedforward=16,
        encoder_layers=1,
        decoder_layers=2,
        num_attention_heads=2,
        num_queries=5,
        id2label=dict(enumerate(CLASSES)),
        label2id={name: i for i, name in enumerate(CLASSES)},
    )
    Mask2FormerForUniversalSegmentation(config).save_pretrained(tmp_path)
    processor = Mask2FormerImageProcessor(do_resize=False)
    processor.save_pretrained(tmp_path)
    ours = load_segmentation(f'transformers:{tmp_path}', input_height=128).segment(picture).labels
    model = Mask2FormerForUniversalSegmentation.from_pretrained(tmp_path).eval()
    inputs = processor(Image.fromarray(picture[:, :, ::-1]), return_tensors='pt')
    with torch.inference_mode():
        output = model(pixel_values=inputs['pixel_values'])
    theirs = processor.post_process_semantic_segmentation(output, [picture.shape[:2]])[0].numpy()
    # transformers brings the masks to 384 x 384 on the way; the borders differ by that.
    assert (ours == theirs).mean() > 0.9


# Contrastive ---------------------------------------------------------------------------------


def by_hand(folder, picture, kind):
    """Return class scores and the safety score computed with open_clip alone."""
    model, transform = open_clip.create_model_from_pretrained(
        f'local-dir:{folder}', image_resize_mode='longest'
    )
    tokenizer = open_clip.get_tokenizer(f'local-dir:{folder}')
    prompts = contrastive_prompts('default')
    with torch.inference_mode():
        image = model.encode_image(
            transform(Image.fromarray(picture[:, :, ::-1]))[None], normalize=True
        )[0]

        def mean(texts):
            embedded = model.encode_text(tokenizer(list(texts)), normalize=True).mean(0)
            return embedded / embedded.norm()

        scale = model.logit_scale.exp()
        classes = torch.stack(
            [mean(t.format(prompts.classes[n]) for t in prompts.templates) for n in CLASSES]
        )
        if kind == 'softmax':
            logits = scale * (classes @ image - mean(prompts.neutral) @ image)
        else:
            logits = scale * (classes @ image) + model.logit_bias
        safe = torch.sigmoid(scale * (mean(prompts.safe) - mean(prompts.unsafe)) @ image)
    return torch.sigmoid(logits).numpy(), float(safe)


def test_scores_equal_open_clip_by_hand(checkpoints, picture):
    model = load_vlm(f'open_clip:local-dir:{checkpoints["clip"]}')
    answer = model.describe(picture)
    scores, safe = by_hand(checkpoints['clip'], picture, 'softmax')
    np.testing.assert_allclose([answer.scores[name] for name in CLASSES], scores, atol=1e-5)
    assert answer.judgement_score == pytest.approx(safe, abs=1e-5)
    assert answer.asserted == {n for n, s in answer.scores.items() if s >= 0.5}
    assert answer.judgement is (Judgement.SAFE if safe >= 0.5 else Judgement.UNSAFE)
    assert (answer.kind, answer.text) == ('contrastive', '')


def test_a_model_with_a_bias_is_scored_by_its_sigmoid(checkpoints, tmp_path, picture):
    folder = shutil.copytree(checkpoints['clip'], tmp_path / 'siglip')
    path = folder / 'open_clip_config.json'
    config = json.loads(path.read_text())
    config['model_cfg'].update(init_logit_bias=-2.0, init_logit_scale=1.0)
    path.write_text(json.dumps(config))
    torch.manual_seed(0)
    from safetensors.torch import save_file

    model = open_clip.CLIP(**config['model_cfg'], output_dict=False)
    save_file(
        {k: v.contiguous() for k, v in model.state_dict().items()},
        folder / 'open_clip_model.safetensors',
    )
    answer = load_vlm(f'open_clip:local-dir:{folder}').describe(picture)
    scores, _ = by_hand(folder, picture, 'sigmoid')
    np.testing.assert_allclose([answer.scores[name] for name in CLASSES], scores, atol=1e-5)


def test_the_sides_of_a_wide_frame_reach_the_model(checkpoints, picture):
    for text in (
        f'open_clip:local-dir:{checkpoints["clip"]}',
        f'transformers:{checkpoints["llava"]}',
    ):
        model = load_vlm(text, max_new_tokens=2)
        seen = []
        inner = (
            model._model.visual
            if model.kind is Kind.CONTRASTIVE
            else model._model.model.vision_tower
        )
        hook = inner.register_forward_pre_hook(
            lambda module, args, kwargs, seen=seen: seen.append(
                args[0] if args else kwargs['pixel_values']
            ),
            with_kwargs=True,
        )
        changed = picture.copy()
        changed[:, :20] = 255 - changed[:, :20]
        model.describe(picture)
        first = seen[0].clone()
        seen.clear()
        model.describe(changed)
        hook.remove()
        assert not torch.equal(first, seen[0]), text


def test_the_threshold_decides_what_is_asserted(checkpoints, picture):
    text = f'open_clip:local-dir:{checkpoints["clip"]}'
    assert load_vlm(text, threshold=0.0).describe(picture).asserted == set(CLASSES)
    assert load_vlm(text, threshold=1.0).describe(picture).asserted == set()


# Generative ----------------------------------------------------------------------------------


@pytest.mark.parametrize('name, prompt', [('llava', 'default'), ('captioner', 'caption')])
def test_generation_is_deterministic_and_bounded(checkpoints, picture, name, prompt):
    model = load_vlm(f'transformers:{checkpoints[name]}', max_new_tokens=6)
    first, second = model.describe(picture), model.describe(picture)
    assert first.text and first.text == second.text and first.prompt_id == prompt
    assert first.truncated and len(first.text.split()) <= 6 + len(
        generative_prompt(prompt).split()
    ) * (name == 'captioner')
    assert set(first.mentions) <= set(SCORED) and first.kind == 'generative'
    assert (first.style, first.cut) == (answer_style(prompt), 0)


@pytest.mark.parametrize('name', ['llava', 'captioner'])
def test_text_equals_transformers_own_generation(checkpoints, picture, name):
    from transformers import AutoModelForImageTextToText, AutoProcessor

    folder = checkpoints[name]
    ours = load_vlm(f'transformers:{folder}', max_new_tokens=8).describe(picture).text
    processor = AutoProcessor.from_pretrained(folder)
    model = AutoModelForImageTextToText.from_pretrained(folder).eval()
    rgb = np.ascontiguousarray(picture[:, :, ::-1])
    if name == 'llava':
        prompt = processor.apply_chat_template(
            [
                {
                    'role': 'user',
                    'content': [
                        {'type': 'image'},
                        {'type': 'text', 'text': generative_prompt('default')},
                    ],
                }
            ],
            add_generation_prompt=True,
        )
        fill = [round(255 * x) for x in processor.image_processor.image_mean]
        side = max(rgb.shape)
        square = np.full((side, side, 3), fill, np.uint8)
        top = (side - rgb.shape[0]) // 2
        square[top : top + rgb.shape[0]] = rgb
        rgb = square
    else:
        prompt = generative_prompt('caption')
    inputs = processor(images=Image.fromarray(rgb), text=prompt, return_tensors='pt')
    with torch.inference_mode():
        out = model.generate(**inputs, max_new_tokens=8, do_sample=False)[0]
    if name == 'llava':
        out = out[inputs['input_ids'].shape[1] :]
    text = processor.decode(out, skip_special_tokens=True).strip()
    assert ours == text


def test_any_size_and_a_blank_picture_are_answered(checkpoints):
    for name, family in (('clip', 'open_clip:local-dir:'), ('llava', 'transformers:')):
        model = load_vlm(f'{family}{checkpoints[name]}', max_new_tokens=2)
        for shape in ((8, 8), (600, 20), (33, 77)):
            blank = np.zeros((*shape, 3), np.uint8)
            assert all(state in Mention for state in model.describe(blank).mentions.values())
    segmentation = load_segmentation(f'transformers:{checkpoints["segformer"]}')
    for shape in ((8, 8), (33, 77)):
        assert segmentation.segment(np.zeros((*shape, 3), np.uint8)).labels.shape == shape


def test_untrained_checkpoints_are_the_same_from_the_same_seed(checkpoints, tmp_path):
    from vlm_misalign_ros.core.models.untrained import create_untrained

    for name, folder in create_untrained(tmp_path, seed=0).items():
        assert weights_hash(folder) == weights_hash(checkpoints[name])


# Prompts -------------------------------------------------------------------------------------


@pytest.mark.parametrize('kind', [generative_prompt, contrastive_prompts])
def test_unknown_prompts_are_named(kind):
    with pytest.raises(ConfigurationError, match="prompt 'nonsense'.*default"):
        kind('nonsense')


def test_colours_reach_the_models_in_the_right_order(checkpoints):
    red = np.zeros((64, 128, 3), np.uint8)
    red[:, :, 2] = 255
    model = load_vlm(f'open_clip:local-dir:{checkpoints["clip"]}')
    scores, _ = by_hand(checkpoints['clip'], red, 'softmax')
    np.testing.assert_allclose(
        [model.describe(red).scores[name] for name in CLASSES], scores, atol=1e-5
    )


# Certainty -----------------------------------------------------------------------------------


def test_the_probability_of_yes_is_that_of_the_models_own_logits(checkpoints, picture):
    from transformers import AutoModelForImageTextToText, AutoProcessor

    model = load_vlm(f'transformers:{checkpoints["llava"]}', max_new_tokens=4)
    found = model.describe(picture).judgement_score
    folder = checkpoints['llava']
    processor = AutoProcessor.from_pretrained(folder)
    network = AutoModelForImageTextToText.from_pretrained(folder).eval()
    prompt = processor.apply_chat_template(
        [
            {
                'role': 'user',
                'content': [
                    {'type': 'image'},
                    {'type': 'text', 'text': generative_prompt('safety')},
                ],
            }
        ],
        add_generation_prompt=True,
    )
    shown = Image.fromarray(model._shown.fit(picture)[0][:, :, ::-1])
    inputs = processor(images=shown, text=prompt, return_tensors='pt')
    with torch.inference_mode():
        chances = network(**inputs).logits[0, -1].double().softmax(-1)
    vocabulary = processor.tokenizer.get_vocab()
    yes, no = vocabulary.get('yes'), vocabulary.get('no')
    if yes is None or no is None:
        assert found is None
    else:
        assert found == pytest.approx(float(chances[yes] / (chances[yes] + chances[no])), abs=1e-5)


def test_a_mention_is_as_likely_as_the_tokens_that_name_it(checkpoints, picture):
    """Teacher forcing over the whole answer gives the same probabilities."""
    model = load_vlm(f'transformers:{checkpoints["llava"]}', max_new_tokens=24)
    answer = model.describe(picture)
    asking = generative_prompt('default')
    shown = Image.fromarray(model._shown.fit(picture)[0][:, :, ::-1])
    inputs = model._inputs([shown], asking)
    with torch.inference_mode():
        tokens, _ = model._decoder.answer(inputs, 24)
        whole = {
            **inputs,
            'input_ids': tokens[None],
            'attention_mask': torch.ones_like(tokens)[None],
        }
        chances = model._model(**whole).logits[0].float().log_softmax(-1)
    asked = inputs['input_ids'].shape[1]
    words = model._asker.tokenizer.convert_ids_to_tokens(tokens[asked:])
    forced = [float(chances[asked + k - 1, tokens[asked + k]]) for k in range(len(words))]
    assert answer.scores and set(answer.scores) <= answer.asserted
    for name, likelihood in answer.scores.items():
        phrase = read(answer.text, model._lexicon, asking).phrases[name]
        start = next(k for k in range(len(words)) if words[k : k + len(phrase)] == list(phrase))
        expected = np.exp(np.mean(forced[start : start + len(phrase)]))
        assert likelihood == pytest.approx(expected, abs=2e-5), name


def test_certainty_can_be_left_out(checkpoints, picture):
    answer = load_vlm(
        f'transformers:{checkpoints["llava"]}', max_new_tokens=4, uncertainty=False
    ).describe(picture)
    assert answer.scores == {} and answer.judgement_score is None
