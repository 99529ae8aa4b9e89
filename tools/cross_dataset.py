"""From dataset roots to the finished report: scan, protocol, prepare, train, evaluate. See tools/cross_dataset."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vidfake.cli import display
from vidfake.cli.evaluate import print_headline
from vidfake.cli.evaluation_inputs import open_scores
from vidfake.cli.options import worker_count
from vidfake.config import load, read_toml
from vidfake.corruptions import parse_corruption
from vidfake.data.manifest import read_manifest, write_manifest
from vidfake.data.prepare import prepare
from vidfake.datasets import scan_dataset
from vidfake.default.recipe import refuse_another
from vidfake.errors import UsageError, VidfakeError
from vidfake.evaluate.options import Options
from vidfake.evaluate.reporting import write_report
from vidfake.evaluate.robustness import all_corruption_points
from vidfake.evaluate.run import evaluate
from vidfake.evaluate.scoring import open_source
from vidfake.files import write_json
from vidfake.inference.load import load_detector
from vidfake.metrics.sections import Resampling
from vidfake.protocols import ResolvedProtocol, by_dataset, load_protocol, resolve
from vidfake.settings import RunConfig
from vidfake.train.run import run_folder, train_run
from vidfake.types import VideoRecord


@dataclass(frozen=True)
class Plan:
    """What was asked for. `roots` by (reader, name of the data set); `corrupt` are (kind, severity)."""

    arguments: Sequence[str]
    out: Path
    roots: dict[tuple[str, str], Path]
    manifests: list[Path]
    protocol: str
    tests: list[str] | None
    config: Path | None
    settings: list[str]
    checkpoint: Path | None
    scores: list[str]
    higher_is: str
    corrupt: list[tuple[str, int]]
    workers: int
    resamples: int


def collect(plan: Plan) -> list[VideoRecord]:
    """Records of every dataset: scanned roots (manifests are kept under OUT) and given manifests."""
    records: list[VideoRecord] = []
    for (reader, name), root in plan.roots.items():
        options: dict[str, Any] = {"dataset": name} if name != reader else {}
        result = scan_dataset(reader, root, **options)
        for warning in result.warnings:
            display.say(f"{name}: {warning}")
        write_manifest(plan.out / "manifests" / f"{name}.csv", result.records)
        records += result.records
    for path in plan.manifests:
        records += read_manifest(path, allow_split_overlap=True)
    return records


def roles(plan: Plan, resolved: ResolvedProtocol) -> dict[str, Path]:
    """A manifest per role under OUT/roles, its rows' `split` set to the role."""
    paths = {}
    for name, rows in resolved.roles().items():
        role = name.partition("/")[0]
        path = plan.out / "roles" / f"{name.replace('/', '-')}.csv"
        write_manifest(path, [replace(row, split=role) for row in rows])
        paths[name] = path
    write_json(plan.out / "protocol.json", resolved.summary())
    return paths


def trained(plan: Plan, paths: dict[str, Path], report: Any) -> Path:
    """The detector of this protocol: the given one, one finished before, or one trained now."""
    if plan.checkpoint is not None:
        return plan.checkpoint
    config = load(RunConfig, plan.config, plan.settings)
    config = replace(
        config,
        out=str(plan.out / "runs"),
        data=replace(
            config.data, store=str(plan.out / "store"), train_split="train", validation_split="validation"
        ),
    )
    folder = run_folder(config)
    records = [*read_manifest(paths["train"]), *read_manifest(paths["validation"])]
    refuse_another(plan.out / "training.json", plan.out, config, records)
    if not (folder / "result.json").exists():
        prepare(records, plan.out / "store", config.extract, workers=plan.workers, progress=report)
        train_run(config, resume=(folder / "resume.pt").exists(), report=report)
    return folder / "best.vidfake"


def run(plan: Plan) -> None:
    """All of it."""
    records = collect(plan)
    resolved = resolve(
        load_protocol(plan.protocol), by_dataset(records), tests=plan.tests, hash_cache=plan.out / "hashes.json"
    )
    for name, why in resolved.skipped.items():
        display.say(f"test set {name} skipped: {why}")
    for note in resolved.notes:
        display.say(f"note: {note}")
    paths = roles(plan, resolved)
    sources = [
        open_source(path, name=name.removeprefix("test/"))
        for name, path in paths.items()
        if name.startswith("test/")
    ]
    foreign = open_scores(plan.scores, sources, plan.higher_is)
    with display.progress() as report:
        detector = load_detector(trained(plan, paths, report))
        evaluation = evaluate(
            [detector],
            sources,
            work=plan.out / "work",
            foreign=foreign,
            options=Options(how=Resampling(num_resamples=plan.resamples), workers=plan.workers),
            report=report,
        )
        points = all_corruption_points(
            [detector], sources, evaluation.tables, plan.corrupt, work=plan.out / "work", workers=plan.workers,
            report=report,
        )  # fmt: skip
    facts = {"name": plan.protocol, "hash": resolved.hash, "summary": resolved.protocol.summary}
    facts |= {
        f"{name} videos": f"{len(rows)} ({sum(r.label == 1 for r in rows)} fake)"
        for name, rows in resolved.roles().items()
    }
    result = write_report(
        evaluation,
        [detector],
        sources,
        plan.out / "report",
        work=plan.out / "work",
        command=[shlex.join(["tools/cross_dataset", *plan.arguments])],
        corruptions=points,
        protocol=facts,
        title=f"Protocol {plan.protocol}",
    )
    print_headline(result)
    display.say(f"Report: {plan.out / 'report' / 'report.html'}")


def parse(arguments: Sequence[str]) -> Plan:
    """The command line."""
    parser = argparse.ArgumentParser(prog="tools/cross_dataset", description=__doc__)
    parser.add_argument("out", type=Path, help="folder for everything; the same command goes on there")
    parser.add_argument(
        "roots",
        nargs="*",
        metavar="NAME=ROOT",
        help="datasets as downloaded (vidfake datasets list); folder:NAME=ROOT for a folder of your own",
    )
    parser.add_argument(
        "--manifest", type=Path, action="append", default=[], help="a manifest with a dataset column"
    )
    parser.add_argument("--protocol", default="cross_dataset", help="a name in configs/protocols, or a .toml file")
    parser.add_argument("--test", action="append", help="only this test set of the protocol; repeatable")
    parser.add_argument("--config", type=Path, help="training config (.toml)")
    parser.add_argument("--set", action="append", default=[], dest="settings", metavar="KEY=VALUE")
    parser.add_argument("--checkpoint", type=Path, help="measure this detector instead of training one")
    parser.add_argument("--scores", action="append", default=[], metavar="TEST:NAME=FILE",
                        help="another detector's scores of a test set; repeatable")  # fmt: skip
    parser.add_argument("--higher-is", default="", help="fake or real: what a high score means in --scores files")
    parser.add_argument("--corrupt", action="append", default=[], metavar="KIND:LEVEL",
                        help="also on damaged copies (vidfake list corruptions); repeatable")  # fmt: skip
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--resamples", type=int, default=2000)
    given = parser.parse_args(arguments)
    if not given.roots and not given.manifest:
        raise UsageError("No dataset was given. Name one as NAME=ROOT, or a manifest with --manifest.")
    if given.config is not None:
        read_toml(given.config)
    return Plan(
        arguments, given.out, roots_of(given.roots), given.manifest, given.protocol, given.test, given.config,
        given.settings, given.checkpoint, given.scores, given.higher_is,
        [pair for text in given.corrupt for pair in parse_corruption(text)], worker_count(given.workers),
        given.resamples,
    )  # fmt: skip


def roots_of(texts: Sequence[str]) -> dict[tuple[str, str], Path]:
    """``READER=ROOT`` or ``READER:NAME=ROOT`` as (reader, name) -> root. UsageError for a name given twice."""
    roots: dict[tuple[str, str], Path] = {}
    for text in texts:
        names, equals, root = text.partition("=")
        if not equals:
            raise UsageError(f"{text!r} is not NAME=ROOT, such as ffpp=/data/FaceForensics++.")
        reader, _, name = names.partition(":")
        name = name or reader
        if name in {other for _, other in roots}:
            raise UsageError(f"two roots are called '{name}'. Give each its own name: {reader}:NAME=ROOT.")
        roots[reader, name] = Path(root)
    return roots


def main(arguments: Sequence[str]) -> int:
    """The command: 0, or the exit code of what went wrong, which is said on stderr."""
    try:
        run(parse(arguments))
    except VidfakeError as error:
        display.say(f"tools/cross_dataset: {error}")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
