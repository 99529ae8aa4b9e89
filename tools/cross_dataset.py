"""From dataset roots to the finished report: scan, protocol, prepare, train, evaluate. See tools/cross_dataset."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vidfake.cli import display
from vidfake.cli.evaluate import print_headline
from vidfake.cli.options import worker_count
from vidfake.config import load, read_toml
from vidfake.data.manifest import read_manifest, write_manifest
from vidfake.data.prepare import prepare
from vidfake.datasets import scan_dataset
from vidfake.errors import UsageError, VidfakeError
from vidfake.evaluate.options import Options
from vidfake.evaluate.reporting import write_report
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
    """What was asked for."""

    out: Path
    roots: dict[str, Path]
    manifests: list[Path]
    protocol: str
    tests: list[str] | None
    config: Path | None
    settings: list[str]
    checkpoint: Path | None
    workers: int
    resamples: int


def collect(plan: Plan) -> list[VideoRecord]:
    """Records of every dataset: scanned roots (manifests are kept under OUT) and given manifests."""
    records: list[VideoRecord] = []
    for name, root in plan.roots.items():
        result = scan_dataset(name, root)
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
    if not (folder / "result.json").exists():
        records = [*read_manifest(paths["train"]), *read_manifest(paths["validation"])]
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
    with display.progress() as report:
        checkpoint = trained(plan, paths, report)
        detector = load_detector(checkpoint)
        sources = [
            open_source(path, name=name.removeprefix("test/"))
            for name, path in paths.items()
            if name.startswith("test/")
        ]
        evaluation = evaluate(
            [detector],
            sources,
            work=plan.out / "work",
            options=Options(how=Resampling(num_resamples=plan.resamples), workers=plan.workers),
            report=report,
        )
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
        command=["tools/cross_dataset " + " ".join(sys.argv[1:])],
        protocol=facts,
        title=f"Protocol {plan.protocol}",
    )
    print_headline(result)
    display.say(f"Report: {plan.out / 'report' / 'report.html'}")


def parse(arguments: list[str]) -> Plan:
    """The command line."""
    parser = argparse.ArgumentParser(prog="tools/cross_dataset", description=__doc__)
    parser.add_argument("out", type=Path, help="folder for everything; the same command goes on there")
    parser.add_argument(
        "roots", nargs="*", metavar="NAME=ROOT", help="datasets as downloaded (vidfake datasets list)"
    )
    parser.add_argument(
        "--manifest", type=Path, action="append", default=[], help="a manifest with a dataset column"
    )
    parser.add_argument("--protocol", default="cross_dataset", help="a name in configs/protocols, or a .toml file")
    parser.add_argument("--test", action="append", help="only this test set of the protocol; repeatable")
    parser.add_argument("--config", type=Path, help="training config (.toml)")
    parser.add_argument("--set", action="append", default=[], dest="settings", metavar="KEY=VALUE")
    parser.add_argument("--checkpoint", type=Path, help="measure this detector instead of training one")
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--resamples", type=int, default=2000)
    given = parser.parse_args(arguments)
    roots = {}
    for text in given.roots:
        name, equals, root = text.partition("=")
        if not equals:
            raise UsageError(f"{text!r} is not NAME=ROOT, such as ffpp=/data/FaceForensics++.")
        roots[name] = Path(root)
    if not roots and not given.manifest:
        raise UsageError("No dataset was given. Name one as NAME=ROOT, or a manifest with --manifest.")
    if given.config is not None:
        read_toml(given.config)
    return Plan(
        given.out, roots, given.manifest, given.protocol, given.test, given.config, given.settings,
        given.checkpoint, worker_count(given.workers), given.resamples,
    )  # fmt: skip


if __name__ == "__main__":
    try:
        run(parse(sys.argv[1:]))
    except VidfakeError as error:
        display.say(f"tools/cross_dataset: {error}")
        sys.exit(error.exit_code)
