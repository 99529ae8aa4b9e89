"""What a study stands on (its file, this code, its clips), and whether that is what its first run stood on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import vidfake
from vidfake.config import to_dict
from vidfake.errors import ProtocolError
from vidfake.files import sha256_json
from vidfake.study.definition import StudyDefinition, without_paths
from vidfake.study.results import FORMAT_VERSION, StudyState

CODE = ("losses", "models", "train", "data", "inference", "metrics", "scores", "synth", "study", "settings.py")
NOT_CODE = ("report", "analysis", "table", "export")  # modules of `study` that only read results


def code_version() -> str:
    """vidfake's version and a hash of the modules that decide what a run gives."""
    root = Path(vidfake.__file__).parent
    digest = hashlib.sha256()
    for part in CODE:
        for path in sorted((root / part).rglob("*.py")) if (root / part).is_dir() else [root / part]:
            if part == "study" and path.relative_to(root / part).parts[0].startswith(NOT_CODE):
                continue
            digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return f"{vidfake.__version__}+{digest.hexdigest()[:12]}"


def fingerprint(stores: Mapping[str, str], encoder: Mapping[str, Any]) -> str:
    """One hash of the stores' contents (by role) and of the encoder behind the features."""
    return sha256_json({"stores": dict(stores), "encoder": dict(encoder)})


def new_state(study: StudyDefinition, *, code: str, store: str) -> StudyState:
    """The state of a study that begins."""
    return StudyState(
        format=FORMAT_VERSION,
        definition=to_dict(study),
        hash=study.hash,
        first_hash=study.hash,
        basis=study.basis,
        code_version=code,
        store_fingerprint=store,
        class_names=[],
        arms=[],
    )


def compared(
    before: StudyState, study: StudyDefinition, *, code: str, store: str, has_runs: bool, accept: bool
) -> StudyState:
    """The state brought up to date. Raises ProtocolError for a change that old and new runs would differ by, unless
    `accept`ed; then the study is marked.

    More losses, seeds, tasks or trials, and other statistics, are no such change, but they are listed too.
    """
    fresh = new_state(study, code=code, store=store)
    if not has_runs:
        return fresh
    old = without_paths(before.study)
    new = without_paths(study)
    differing = sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
    found = [
        {"what": what, "before": was, "after": now, "differing": names}
        for what, was, now, names in (
            ("study", before.hash, study.hash, differing),
            ("basis", before.basis, study.basis, differing),
            ("code", before.code_version, code, []),
            ("store", before.store_fingerprint, store, []),
        )
        if was != now
    ]
    grave = [c for c in found if c["what"] != "study"]
    if grave and not accept:
        reasons = {
            "basis": f"the study file changed what a run is ({', '.join(differing)})",
            "code": f"the code changed ({before.code_version} -> {code})",
            "store": "the clips or the encoder changed",
        }
        raise ProtocolError(
            f"this study has runs, and since then {'; '.join(reasons[str(c['what'])] for c in grave)}. Both kinds "
            "would stand in one table. Take a new folder (--out), or --accept-change to go on and have the "
            "study marked."
        )
    return replace(fresh, first_hash=before.first_hash, changes=[*before.changes, *found], notes=before.notes)


def marks(state: StudyState) -> tuple[str, ...]:
    """What new records say of the changes so far."""
    return tuple(dict.fromkeys(f"{change['what']} changed" for change in state.changes))
