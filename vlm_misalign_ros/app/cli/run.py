"""The command line: `vlm-misalign COMMAND ...`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from vlm_misalign_ros.core.errors import ConfigurationError, MisalignError, RecordError


def _run(arguments: argparse.Namespace) -> int:
    from vlm_misalign_ros.core.settings.configuration import find_config, override, read_yaml

    data = override(read_yaml(find_config(arguments.config)), arguments.overrides)
    if arguments.name:
        data['name'] = arguments.name
    if arguments.out:
        data['out'] = arguments.out
    return start(data, arguments.overwrite, arguments.single_process)


def start(data: dict[str, Any], overwrite: bool, single: bool) -> int:
    """Run a configuration; print the table and the verdict; return the exit code."""
    from vlm_misalign_ros.app.graph import build_graph
    from vlm_misalign_ros.app.processes import Runner
    from vlm_misalign_ros.app.runs import create_run, expected_frames
    from vlm_misalign_ros.core.corruptions import parse_conditions
    from vlm_misalign_ros.core.settings.configuration import parse

    configuration = parse(data)
    if configuration.replay is not None:
        parse_conditions(list(configuration.replay.conditions))
    folder = create_run(configuration, overwrite)
    total = expected_frames(configuration)
    length = f'{total} frames' if total else 'live, end with Ctrl-C'
    print(f'run {folder}: {length}, {len(configuration.vlms)} VLMs', file=sys.stderr)
    runner = Runner(build_graph(configuration, folder), folder, total, single)
    code = runner.run()
    _print_results(folder)
    for failure in runner.failures:
        print(f'vlm-misalign: error: {failure}', file=sys.stderr)
    return code


def _print_results(folder: Path) -> None:
    from vlm_misalign_ros.core.records.schema import FrameRecord
    from vlm_misalign_ros.core.records.store import read_records
    from vlm_misalign_ros.core.report.summary import format_table, summarise

    path = folder / 'records.jsonl'
    if not path.is_file():
        return
    records = list(read_records(path))
    if any(isinstance(record, FrameRecord) for record in records):
        print(format_table(summarise(records)))
    verdict = folder / 'verdict.json'
    if verdict.is_file():
        found = json.loads(verdict.read_text(encoding='utf-8'))
        reasons = '; '.join(found['reasons'])
        print(f'\nverdict: {found["status"]}' + (f' ({reasons})' if reasons else ''))
    report = folder / 'report.html'
    print(f'results: {report if report.is_file() else folder}')


def _scenes(arguments: argparse.Namespace) -> int:
    from vlm_misalign_ros.core.world import generate

    with tqdm(total=arguments.frames, unit='frame', desc='scenes') as bar:
        generate(
            Path(arguments.out),
            arguments.frames,
            arguments.seed,
            width=arguments.width,
            height=arguments.height,
            split=arguments.split,
            sequence_length=arguments.sequence_length,
            cities=arguments.cities,
            progress=lambda *_: bar.update(1),
        )
    print(f'{arguments.frames} frames in {arguments.out}')
    return 0


def _train(arguments: argparse.Namespace) -> int:
    from vlm_misalign_ros.training.miniatures import MINIATURES, train
    from vlm_misalign_ros.training.samples import make_samples

    data, work = Path(arguments.data), Path(arguments.work or Path(arguments.data) / 'work')
    if arguments.name == 'samples':
        for split, frames, seed in (
            ('val', arguments.frames // 15, arguments.seed + 1),
            ('train', arguments.frames, arguments.seed),
        ):
            with tqdm(total=frames, unit='frame', desc=f'samples {split}') as bar:
                make_samples(data, split, frames, seed, arguments.threads, bar.update)
        return 0
    for name in MINIATURES if arguments.name == 'all' else (arguments.name,):
        print(
            train(
                name,
                data,
                Path(arguments.out),
                work,
                arguments.seed,
                arguments.threads,
                arguments.share,
            )
        )
    return 0


def _untrained(arguments: argparse.Namespace) -> int:
    from vlm_misalign_ros.core.models.untrained import create_untrained

    for name, path in create_untrained(Path(arguments.out), arguments.seed).items():
        print(f'{name}: {path}')
    return 0


def _demo(arguments: argparse.Namespace) -> int:
    from vlm_misalign_ros.core.settings.configuration import find_config, override, read_yaml
    from vlm_misalign_ros.core.world import generate

    scenes = Path(arguments.out) / '.demo' / f'scenes-{arguments.frames}-{arguments.seed}'
    done = scenes / 'done'
    if not done.exists():
        with tqdm(total=arguments.frames, unit='frame', desc='scenes') as bar:
            generate(
                scenes,
                arguments.frames,
                arguments.seed,
                split='test',
                progress=lambda *_: bar.update(1),
            )
        done.touch()
    data = override(
        read_yaml(find_config('demo.yaml')),
        [
            f'out={arguments.out}',
            f'replay.dataset={scenes}',
            f'seed={arguments.seed}',
            *arguments.overrides,
        ],
    )
    code = start(data, overwrite=True, single=arguments.single_process)
    print(
        'Miniature models on synthetic streets: the effect is theirs, measured; '
        'the size of it says nothing of other models.'
    )
    return code


def _analyse(arguments: argparse.Namespace) -> int:
    from vlm_misalign_ros.bags.analyse import analyse
    from vlm_misalign_ros.core.settings.configuration import override, parse, read_yaml
    from vlm_misalign_ros.core.settings.nodes import EvaluationParameters
    from vlm_misalign_ros.core.settings.parameters import table
    from vlm_misalign_ros.nodes.bridge import by_cv_bridge

    bag = Path(arguments.bag)
    beside = bag.parent / 'config.yaml'
    config = arguments.config or (str(beside) if beside.is_file() else '')
    parameters, namespace = EvaluationParameters(), arguments.namespace
    if config:
        configuration = parse(override(read_yaml(Path(config)), arguments.overrides))
        parameters = EvaluationParameters(
            **{
                entry.name: getattr(configuration.monitor, entry.name)
                for entry in table(EvaluationParameters)
            }
        )
        namespace = namespace or configuration.namespace
    elif arguments.overrides:
        raise ConfigurationError(
            f'overrides {arguments.overrides} have no configuration to apply to', 'give --config'
        )
    out = Path(arguments.out) if arguments.out else bag.parent / 'analysis'
    with tqdm(unit='frame', desc='analyse') as bar:

        def progress(closed: int, total: int) -> None:
            bar.total = total or None
            bar.update(closed - bar.n)

        verdict = analyse(bag, out, parameters, namespace, progress, by_cv_bridge)
    _print_results(out)
    return verdict.exit_code


def _report(arguments: argparse.Namespace) -> int:
    from vlm_misalign_ros.app.runs import expected_frames
    from vlm_misalign_ros.core.records.merge import is_merged
    from vlm_misalign_ros.core.report.finalise import finalise
    from vlm_misalign_ros.core.report.verdict import parse_limits
    from vlm_misalign_ros.core.settings.configuration import parse, read_yaml

    folder = Path(arguments.run)
    configuration = parse(read_yaml(folder / 'config.yaml'))
    verdict = finalise(
        folder,
        minimum_coverage=configuration.monitor.minimum_coverage,
        limits=parse_limits(configuration.monitor.limits),
        expected_frames=None if is_merged(folder) else expected_frames(configuration) or None,
        notes=[],
    )
    _print_results(folder)
    return verdict.exit_code


def _truth(arguments: argparse.Namespace) -> int:
    import cv2

    from vlm_misalign_ros.core.datasets import open_dataset
    from vlm_misalign_ros.core.report.drawing import draw_truth
    from vlm_misalign_ros.core.settings.configuration import override
    from vlm_misalign_ros.core.settings.nodes import TruthParameters, truth_settings
    from vlm_misalign_ros.core.settings.parameters import build

    settings = truth_settings(
        build(TruthParameters, override({}, arguments.overrides), 'the truth')
    )
    dataset = open_dataset(
        arguments.dataset,
        split=arguments.split,
        cities=tuple(arguments.cities),
        limit=arguments.limit,
    )
    out = Path(arguments.out)
    try:
        out.mkdir(parents=True, exist_ok=True)
        for frame in tqdm(dataset, unit='frame', desc='truth'):
            drawn = draw_truth(frame, settings)
            (out / f'{frame.key}.jpg').write_bytes(
                cv2.imencode('.jpg', drawn, [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes()
            )
    except OSError as error:
        raise RecordError(
            f'{out} cannot be written: {error.strerror}', 'free space or choose another folder'
        ) from error
    print(f'{len(dataset)} pictures are in {out}')
    return 0


def _merge(arguments: argparse.Namespace) -> int:
    from vlm_misalign_ros.core.records.merge import merge
    from vlm_misalign_ros.core.report.finalise import finalise
    from vlm_misalign_ros.core.report.verdict import parse_limits
    from vlm_misalign_ros.core.settings.configuration import parse, read_yaml

    out = Path(arguments.out)
    merge(out, [Path(folder) for folder in arguments.runs])
    monitor = parse(read_yaml(out / 'config.yaml')).monitor
    verdict = finalise(
        out,
        minimum_coverage=monitor.minimum_coverage,
        limits=parse_limits(monitor.limits),
        expected_frames=None,
        notes=[],
    )
    _print_results(out)
    return verdict.exit_code


def _compare(arguments: argparse.Namespace) -> int:
    from vlm_misalign_ros.core.records.store import difference

    paths = [
        path / 'records.jsonl' if path.is_dir() else path
        for path in (Path(arguments.first), Path(arguments.second))
    ]
    found = difference(*paths)
    for line in found:
        print(line)
    if not found:
        print('the records are identical but for times')
    return 1 if found else 0


def _mentions(arguments: argparse.Namespace) -> int:
    from vlm_misalign_ros.core.language.lexicon import open_lexicon
    from vlm_misalign_ros.core.language.reading import read, to_plain

    lexicon = open_lexicon(arguments.lexicon or '')
    sys.stdin.reconfigure(encoding='utf-8', errors='replace')  # type: ignore[union-attr]
    for line in sys.stdin:
        text = line.rstrip('\n').replace('\\n', '\n')
        print(json.dumps(to_plain(read(text, lexicon))), flush=True)
    return 0


def _calibrate(arguments: argparse.Namespace) -> int:
    from vlm_misalign_ros.core.evaluation.calibrating import calibrate_model
    from vlm_misalign_ros.core.settings.configuration import override
    from vlm_misalign_ros.core.settings.nodes import TruthParameters, truth_settings
    from vlm_misalign_ros.core.settings.parameters import build

    settings = truth_settings(
        build(TruthParameters, override({}, arguments.overrides), 'the truth')
    )

    with tqdm(unit='frame', desc='calibrate') as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        found = calibrate_model(
            arguments.model,
            arguments.dataset,
            arguments.split,
            tuple(arguments.cities),
            arguments.limit,
            arguments.prompt,
            progress=progress,
            settings=settings,
        )
    found.save(Path(arguments.out))
    print(f'{"class":<14} {"AUROC":>6} {"AP":>6} {"from":>6} {"there":>6} {"absent":>6}')
    for name, point in found.points.items():
        print(
            f'{name:<14} {point.auroc:6.3f} {point.average_precision:6.3f} '
            f'{point.threshold:6.3f} {point.positives:6d} {point.negatives:6d}'
        )
    missing = found.content()['without_point']
    if missing:
        print('too few frames for a point of its own: ' + ', '.join(missing))
    print(f'operating points: {arguments.out}')
    return 0


def _doctor(arguments: argparse.Namespace) -> int:
    from vlm_misalign_ros.app.doctor import main as doctor

    return doctor()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='vlm-misalign',
        description='Measure how vision-language models misalign when the camera degrades.',
    )
    commands = parser.add_subparsers(dest='command', required=True, metavar='COMMAND')

    def command(name: str, function: Any, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(function=function)
        return added

    run = command('run', _run, 'run an evaluation or a live monitor')
    run.add_argument('config', help='configuration: a path, or a name in config/')
    run.add_argument(
        'overrides', nargs='*', metavar='key=value', help='overrides, such as replay.limit=3'
    )
    run.add_argument('--name', help='name of the run (default: the time of its start)')
    run.add_argument('--out', help='folder that holds the run folders (default: runs)')
    run.add_argument('--overwrite', action='store_true', help='replace a run of this name')
    run.add_argument(
        '--single-process', action='store_true', help='compose the nodes in one process'
    )

    demo = command('demo', _demo, 'draw street scenes and run the miniature models over them')
    demo.add_argument('overrides', nargs='*', metavar='key=value')
    demo.add_argument('--out', default='runs')
    demo.add_argument('--frames', type=int, default=8)
    demo.add_argument('--seed', type=int, default=0)
    demo.add_argument('--single-process', action='store_true')

    command('doctor', _doctor, 'say what this machine has and lacks, and the remedies')

    scenes = command('scenes', _scenes, 'write synthetic street scenes in Cityscapes layout')
    scenes.add_argument('out')
    scenes.add_argument('--frames', type=int, default=12)
    scenes.add_argument('--seed', type=int, default=0)
    scenes.add_argument('--width', type=int, default=1024)
    scenes.add_argument('--height', type=int, default=512)
    scenes.add_argument(
        '--split',
        default='val',
        help='train, val and test have cities of their own (default: val)',
    )
    scenes.add_argument('--cities', nargs='*', default=[], help="cities (default: the split's)")
    scenes.add_argument(
        '--sequence-length',
        type=int,
        default=1,
        help='frames of a sequence, 0.1 s apart (default: 1; Cityscapes: 30)',
    )

    train = command('train', _train, 'train the miniature models on the synthetic world (hours)')
    train.add_argument('name', help='samples (first), then the name of a miniature, or all')
    train.add_argument('--data', default='runs/.training', help='folder of the samples')
    train.add_argument('--out', default='runs/.training/models')
    train.add_argument('--work', help='folder of checkpoints (default: work in the data)')
    train.add_argument('--frames', type=int, default=12000, help='frames to learn from')
    train.add_argument('--seed', type=int, default=20)
    train.add_argument('--threads', type=int, default=1)
    train.add_argument(
        '--share', type=float, default=1.0, help="part of the recipe's steps, to try things out"
    )

    untrained = command(
        'untrained', _untrained, 'write small untrained checkpoints in the standard formats'
    )
    untrained.add_argument('out')
    untrained.add_argument('--seed', type=int, default=0)

    analyse = command('analyse', _analyse, 'score a recorded bag offline')
    analyse.add_argument('bag', help='rosbag2 folder or .mcap file')
    analyse.add_argument('overrides', nargs='*', metavar='key=value')
    analyse.add_argument('--config', help="configuration (default: the recorded run's)")
    analyse.add_argument('--out', help='folder of the results (default: analysis beside the bag)')
    analyse.add_argument('--namespace', default='', help='namespace of the recorded topics')

    report = command('report', _report, 'write tables, verdict and report of a run again')
    report.add_argument('run', help='run folder')

    truth = command(
        'truth', _truth, 'draw what has to be said of labelled frames, and the ego corridor'
    )
    truth.add_argument('dataset', help='labelled data in Cityscapes layout')
    truth.add_argument(
        'overrides',
        nargs='*',
        metavar='key=value',
        help='settings of the monitor, e.g. stopping_distance=30',
    )
    truth.add_argument('--out', default='truth')
    truth.add_argument('--split', default='')
    truth.add_argument('--cities', nargs='*', default=[])
    truth.add_argument('--limit', type=int, default=0)

    merge = command('merge', _merge, 'join runs over different frames into one run')
    merge.add_argument('out', help='folder of the new run')
    merge.add_argument('runs', nargs='+', help='run folders of one evaluation')

    mentions = command(
        'mentions',
        _mentions,
        'read texts, one a line (\\n is a line break), and print what each says as JSON',
    )
    mentions.add_argument('--lexicon', help='YAML file of additions to the lexicon')

    calibrate = command(
        'calibrate', _calibrate, 'set the operating points of a contrastive model on clean frames'
    )
    calibrate.add_argument('model', help='open_clip:NAME/PRETRAINED or open_clip:local-dir:DIR')
    calibrate.add_argument(
        'overrides',
        nargs='*',
        metavar='key=value',
        help='settings of the truth, those of the evaluation, e.g. stopping_distance=30',
    )
    calibrate.add_argument('--dataset', required=True, help='labelled data in Cityscapes layout')
    calibrate.add_argument('--split', default='')
    calibrate.add_argument(
        '--cities',
        nargs='*',
        default=[],
        help='cities (default: all; take others than those you evaluate on)',
    )
    calibrate.add_argument('--limit', type=int, default=0)
    calibrate.add_argument('--prompt', default='', help='id of a prompt set, or FILE#ID')
    calibrate.add_argument('--out', default='calibration.json')

    compare = command('compare', _compare, 'compare the records of two runs, times aside')
    compare.add_argument('first')
    compare.add_argument('second')
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; errors a user can mend are one line on stderr."""
    parser = _parser()
    arguments, rest = parser.parse_known_args(argv)
    # argparse gives up positionals that follow an option: these are the overrides.
    if rest and (
        any(word.startswith('-') for word in rest) or not hasattr(arguments, 'overrides')
    ):
        parser.error(f'unrecognized arguments: {" ".join(rest)}')
    if rest:
        arguments.overrides += rest
    try:
        return int(arguments.function(arguments))
    except MisalignError as error:
        print(f'vlm-misalign: error: {error}', file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130


if __name__ == '__main__':
    sys.exit(main())
