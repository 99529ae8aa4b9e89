"""Makers are described by what they were built with, alike in every process."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import vidfake.synth
from vidfake.synth import MAKERS, MadeClip, MakerClip
from vidfake.synth.compose import build_maker
from vidfake.synth.version import describe_maker, synth_version


def another(value: object, weights: Callable[[int], str]) -> object:
    """Another value that a maker's option takes."""
    if isinstance(value, str):
        return weights(1)
    if isinstance(value, tuple):
        return value[:-1] if isinstance(value[0], str) else (*value[:-1], another(value[-1], weights))
    if value is None:
        return "lag"
    assert isinstance(value, int | float)
    return value - 1 if isinstance(value, int) else 0.95 * value or 0.01


@pytest.mark.parametrize("name", MAKERS.names())
def test_no_option_is_forgotten(name: str, weights: Callable[[int], str]) -> None:
    """Whichever option of a row is changed, its maker is described otherwise."""
    told = describe_maker(MAKERS.build(name))
    json.dumps(told, allow_nan=False)
    assert told["function"].startswith(f"vidfake.synth.{name}.")
    for option, parameter in MAKERS.row(name).options().items():
        changes = {option: another(parameter.default, weights)}
        changed = MAKERS.build(name, **changes)
        assert describe_maker(changed) != told, f"{option} does not reach the key of cached features"


def test_values_are_told() -> None:
    assert describe_maker(MAKERS.build("self_blend", shift=0.01))["options"]["shift"] == 0.01
    composed = json.dumps(describe_maker(build_maker("self_blend+resynthesis")))
    assert composed.index("self_blend.<locals>.make") < composed.index("resynthesis.<locals>.make")
    assert composed != json.dumps(describe_maker(build_maker("resynthesis+self_blend")))

    def own(clip: MakerClip, rng: np.random.Generator, *, table: np.ndarray, level: int) -> MadeClip:
        raise NotImplementedError

    tables = np.arange(3), np.arange(3) + 1
    first, same, other = (
        describe_maker(partial(own, table=t, level=2)) for t in (tables[0], tables[0].copy(), tables[1])
    )
    assert first == same != other
    assert first["options"]["level"] == 2


def test_the_version_is_that_of_the_source_files() -> None:
    folder = Path(vidfake.synth.__file__).parent
    digest = hashlib.sha256()
    for path in [*sorted(folder.glob("*.py"), key=lambda path: path.name), folder.parent / "geometry.py"]:
        data = path.read_bytes()
        digest.update(path.name.encode() + b"\0" + str(len(data)).encode() + b"\0" + data)
    assert synth_version() == digest.hexdigest()


def test_another_process_says_the_same() -> None:
    code = (
        "import json; from vidfake.synth.compose import build_maker\n"
        "from vidfake.synth.version import describe_maker\n"
        "print(json.dumps(describe_maker(build_maker('pasted_face+swap_warp'))))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert json.loads(told) == describe_maker(build_maker("pasted_face+swap_warp"))
