"""Runs parts of the benchmark and, on request, writes their tables into docs/benchmarks.md."""

from __future__ import annotations

import argparse
import datetime
import importlib
import os
import platform
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from table import Table

ROOT = Path(__file__).resolve().parents[2]
PARTS = {
    "pipeline": "scoring a video: seconds per stage, times real time, ratio to decoding, peak memory",
    "reading": "what a frame costs beyond its decoding: thumbnail, shrunk, part of it, whole",
    "training": "clips per second, end to end and with cached features; clip store size and read rate",
    "synth": "makers of fakes: clips per second of one core, alone and composed; a whole video",
    "losses": "every loss against plain cross-entropy and pytorch-metric-learning",
    "study": "a loss study on cached features: seconds per run, overhead of the runner, memory, the whole study",
    "gpu": "the encoder on a graphics card: frames per second in single and half precision",
    "sandbox": "decoding in a confined child process against decoding in this one",
    "metrics": "evaluation of 100,000 videos x 32 frames with 2,000 bootstrap resamples",
}


def machine() -> str:
    """Processor, cores, memory and versions, without any name of the machine."""
    import torch

    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = re.findall(r"model name\s*:\s*(.+)", info.read_text())
        cpu = names[0] if names else cpu
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = len(os.sched_getaffinity(0))
    return (
        f"{cpu}, {cores} cores, {memory:.0f} GiB; Python {platform.python_version()}, torch {torch.__version__}, "
        f"{torch.backends.cpu.get_cpu_capability()}"
    )


def write(part: str, tables: list[Table], command: str = "") -> None:
    """Replace the part's section of docs/benchmarks.md; `command` made it, where that is not the part's name."""
    path = ROOT / "docs" / "benchmarks.md"
    text = path.read_text("utf-8") if path.exists() else "# Benchmarks\n"
    date = datetime.datetime.now(datetime.UTC).date().isoformat()
    body = "\n".join(table.markdown() for table in tables)
    section = f"## {part}\n\n`tools/bench {command or part}` on {date}: {machine()}\n\n{body}"
    pattern = re.compile(rf"^## {re.escape(part)}$.*?(?=^## |\Z)", re.M | re.S)
    text = pattern.sub(lambda _: section + "\n", text) if pattern.search(text) else f"{text.rstrip()}\n\n{section}"
    path.write_text(text.rstrip() + "\n", "utf-8")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="tools/bench", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--write", action="store_true", help="write the tables into docs/benchmarks.md")
    parser.add_argument(
        "--from", dest="folder", type=Path, metavar="DIR", help="study only: read a study that was run, run nothing"
    )
    arguments = parser.parse_args()
    if arguments.folder is not None:
        if arguments.parts != ["study"]:
            parser.error("--from is of the part study: tools/bench study --from DIR")
        name, tables = importlib.import_module("study").finished(arguments.folder)
        for table in tables:
            print(table.markdown())
        if arguments.write:
            write(f"study {name}", tables, "study --from DIR")
        return
    if not arguments.parts:
        for name, what in PARTS.items():
            print(f"{name:10} {what}")
        return
    for part in arguments.parts:
        tables = importlib.import_module(part).run()
        for table in tables:
            print(table.markdown())
        if arguments.write:
            write(part, tables)


if __name__ == "__main__":
    main()
