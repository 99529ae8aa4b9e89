"""Fakes of many files into one folder, with their parameters and a manifest of what is there."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from vidfake import __version__
from vidfake.data.animate_photo import animate_photo
from vidfake.data.decoding import Decoding
from vidfake.data.locking import writer_lock
from vidfake.data.manifest import read_manifest, write_manifest
from vidfake.data.render import Donor, RenderedFake, Report, WhichTracks, render_fake
from vidfake.data.render_files import PHOTO_SUFFIX
from vidfake.errors import ConfigError, MakerError, MediaError, UsageError
from vidfake.faces.photo import is_photo
from vidfake.files import write_json
from vidfake.seeding import derived_seed
from vidfake.settings import ExtractSettings
from vidfake.synth.compose import build_maker, maker_facts
from vidfake.synth.version import synth_version
from vidfake.types import FAKE, NO_MANIPULATION, REAL, VideoRecord

MANIFEST = "synth.csv"
LEAST_SECONDS, MOST_SECONDS = 0.2, 60.0  # of an animated photograph
_ODD = re.compile(r"[^\w.+-]+")


@dataclass(frozen=True)
class Order:
    """What is to be made of every file: arguments as of `render.render_fake`; `seed` is that of the whole batch.

    `animate_seconds`: photographs become videos of that length first (`animate_photo`); 0 leaves them as they are.
    """

    maker: str
    options: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    tracks: WhichTracks = "all"
    mask: bool = False
    real: bool = False
    crf: float = 18
    animate_seconds: float = 0.0

    def check(self, *, has_donor: bool) -> None:
        """Raises UnknownNameError and ConfigError for maker and options, UsageError for a donor that is missing."""
        build_maker(self.maker, **self.options)
        if maker_facts(self.maker).needs_donor and not has_donor:
            raise UsageError(
                f"maker '{self.maker}' puts another person's face on. Name a file of one with --donor."
            )
        if not 0 <= self.crf <= 51:
            raise ConfigError(f"crf is {self.crf}; it must be from 0 (lossless) to 51.")
        if self.animate_seconds and not LEAST_SECONDS <= self.animate_seconds <= MOST_SECONDS:
            raise ConfigError(
                f"a photograph cannot be animated for {self.animate_seconds} s; it takes {LEAST_SECONDS} to "
                f"{MOST_SECONDS:.0f} s, or 0 to leave it as it is."
            )


@dataclass(frozen=True)
class Synthesised:
    """What became of one file by one maker: `files` by what they are (``fake``, ``mask``, ``real``, ``animated``,
    ``parameters``) and `rendered`, or the `error` for which nothing was written but the animated photograph."""

    source: str
    maker: str
    files: dict[str, Path]
    rendered: RenderedFake | None = None
    error: str = ""

    def to_json(self) -> dict[str, Any]:
        """Its values as plain JSON."""
        found = {"input": self.source, "maker": self.maker, "status": "failed", "error": self.error, "files": {}}
        if self.rendered is None:
            return found
        files = {name: str(path) for name, path in self.files.items()}
        return found | {"status": "ok", "error": None, "files": files, **_plain(self.rendered)}


def synthesize(
    paths: Sequence[str],
    out: Path,
    order: Order,
    *,
    donor: str | None = None,
    settings: ExtractSettings | None = None,
    decoding: Decoding | None = None,
    report: Report | None = None,
) -> Iterator[Synthesised]:
    """Make a fake of each file, one after another; a file that cannot be used is told with its reason.

    Into the folder `out` go ``NAME.MAKER.SEED.mp4`` (.png for a photograph), where asked for ``….mask`` and
    ``NAME.real``, of an animated photograph ``NAME.animated.mp4``, ``….json`` with what was drawn for each track,
    and a row in ``synth.csv`` for each fake and real, whose other rows are kept. Every file appears whole; what an
    earlier run wrote under the same name is replaced.

    Raises as `Order.check`, before anything is read, UsageError for two files that would get one name, MediaError
    for the donor, ManifestError for a ``synth.csv`` that is none, StoreError where another process writes to `out`.
    """
    order.check(has_donor=donor is not None)
    settings, decoding = settings or ExtractSettings(), decoding or Decoding()
    names = _names(paths, out, order, donor)
    with writer_lock(out):
        rows = {record.video_id: record for record in _rows(out / MANIFEST)}
        lent = None if donor is None else Donor(donor, settings, decoding)
        for number, (path, files) in enumerate(zip(paths, names, strict=True)):
            if report is not None:
                report("files", number, len(paths))
            try:
                _refuse_itself(path, donor)
                rendered = render_fake(
                    _moving(path, files, order, settings, decoding),
                    files["fake"],
                    order.maker,
                    seed=derived_seed(order.seed, "synth", Path(path).name),
                    settings=settings,
                    options=order.options,
                    tracks=order.tracks,
                    donor=lent,
                    mask=files.get("mask"),
                    real=files.get("real"),
                    decoding=decoding,
                    crf=order.crf,
                    report=report,
                )
            except (MediaError, MakerError, UsageError) as error:
                yield Synthesised(path, order.maker, {}, error=str(error))
                continue
            write_json(files["parameters"], _parameters(path, files, order, donor, rendered))
            rows |= {record.video_id: record for record in _records(_plain_name(path), files, order)}
            write_manifest(out / MANIFEST, rows.values())
            yield Synthesised(path, order.maker, files, rendered)
        if report is not None:
            report("files", len(paths), len(paths))


def _names(paths: Sequence[str], out: Path, order: Order, donor: str | None) -> list[dict[str, Path]]:
    """Where everything goes, for every file."""
    names, taken = [], {os.path.abspath(path): path for path in [*paths, *([donor] if donor else [])]}
    for path in paths:
        name, animated = _plain_name(path), is_photo(path) and order.animate_seconds > 0
        suffix = PHOTO_SUFFIX if is_photo(path) and not animated else ".mp4"
        stem = f"{name}.{order.maker}.{order.seed}"
        files = {"fake": out / f"{stem}{suffix}", "parameters": out / f"{stem}.json"}
        if order.mask:
            files["mask"] = out / f"{stem}.mask{suffix}"
        if order.real:
            files["real"] = out / f"{name}.real{suffix}"
        if animated:
            files["animated"] = out / f"{name}.animated.mp4"
        for file in files.values():
            other = taken.setdefault(os.path.abspath(file), path)
            if other is not path:
                raise UsageError(
                    f"{path} and {other} cannot be used in one run: {file} would be written over. "
                    "Choose another --out, or other names."
                )
        names.append(files)
    return names


def _moving(
    path: str, files: Mapping[str, Path], order: Order, settings: ExtractSettings, decoding: Decoding
) -> Path | str:
    """The file to make a fake of: a photograph that is to be animated as a video, anything else itself."""
    if "animated" not in files:
        return path
    seed = derived_seed(order.seed, "animate", Path(path).name)
    animate_photo(
        path, files["animated"], seconds=order.animate_seconds, seed=seed, settings=settings, decoding=decoding
    )
    return files["animated"]


def _plain_name(path: str) -> str:
    """What all files made of `path` are called, and the source in the manifest: never where it lay."""
    return _ODD.sub("_", Path(path).stem)


def _refuse_itself(path: str, donor: str | None) -> None:
    if donor is not None and Path(path).exists() and Path(path).samefile(donor):
        raise UsageError(f"{path}: is the donor itself. Name a file of another person.")


def _rows(path: Path) -> list[VideoRecord]:
    if not path.exists():
        return []
    return read_manifest(path, require_labels=False, check_files=False, allow_split_overlap=True)


def _records(source: str, files: Mapping[str, Path], order: Order) -> list[VideoRecord]:
    """A row for the fake, and for the real that was written; both of one source."""

    def row(file: Path, label: int, manipulation: str, extra: dict[str, str]) -> VideoRecord:
        return VideoRecord(
            video_id=file.stem,
            path=str(file),
            label=label,
            manipulation=manipulation,
            source_id=source,
            pair_id=source,
            dataset="synth",
            extra=extra,
        )

    fake = row(files["fake"], FAKE, order.maker, {"parameters": files["parameters"].name})
    return [fake, *([row(files["real"], REAL, NO_MANIPULATION, {})] if "real" in files else [])]


def _parameters(
    path: str, files: Mapping[str, Path], order: Order, donor: str | None, rendered: RenderedFake
) -> dict[str, Any]:
    return {
        "source": path,
        "maker": order.maker,
        "options": dict(order.options),
        "seed": order.seed,
        "donor": donor,
        "crf": order.crf,
        "animate_seconds": order.animate_seconds if "animated" in files else None,
        "files": {name: file.name for name, file in files.items() if name != "parameters"},
        "made_by": {"vidfake": __version__, "makers_sha256": synth_version()},
        **_plain(rendered),
    }


def _plain(rendered: RenderedFake) -> dict[str, Any]:
    return {
        "num_frames": rendered.num_frames,
        "crop_size": rendered.crop_size,
        "tracks": [asdict(track) for track in rendered.tracks],
        "skipped": [{"track_id": number, "reason": reason} for number, reason in rendered.skipped.items()],
        "warnings": rendered.warnings,
    }
