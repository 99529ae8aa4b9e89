"""Detectors on a recipe's validation, by maker: each figure against its own reals, videos and photographs apart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from toy_runs import TOY_EXTRACT, toy_config, write_toy_store

from vidfake.default.validation import MEAN, MakerRow, by_maker, markdown
from vidfake.inference.load import load_detector
from vidfake.inference.predict import predict
from vidfake.settings import ExtractSettings
from vidfake.train.data import build_data


def drawn_as_photo(path: str) -> bool:
    """Two of the four validation sources of the toy store."""
    return path.startswith(("/toy/02-", "/toy/05-"))


@pytest.fixture
def rows(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[MakerRow]:
    def prepare(records: object, store: Path, extract: ExtractSettings, **_: object) -> None:
        assert extract == replace(TOY_EXTRACT, max_clips=7), "as the detector was trained, but for max_clips"
        write_toy_store(store, shuffled=True)
        text = (store / "store.json").read_text("utf-8")
        (store / "store.json").write_text(text.replace('"max_clips": 32', '"max_clips": 7'), "utf-8")

    monkeypatch.setattr("vidfake.default.validation.prepare", prepare)
    monkeypatch.setattr("vidfake.default.validation.is_photo", drawn_as_photo)
    detector = load_detector(trained / "best.vidfake")
    config = toy_config(Path("unused"), Path("unused"))
    return by_maker(detector, "mine", config, [], tmp_path, max_clips=7)


def test_every_figure_is_that_of_its_maker_and_part(rows: list[MakerRow], trained: Path, tmp_path: Path) -> None:
    assert [(row.part, row.maker, row.num_real, row.num_fake) for row in rows] == [
        ("videos", "mouth", 2, 2), ("videos", "swap", 2, 2), ("videos", MEAN, 2, 4),
        ("photographs", "mouth", 2, 2), ("photographs", "swap", 2, 2), ("photographs", MEAN, 2, 4),
    ]  # fmt: skip
    detector = load_detector(trained / "best.vidfake")
    table = predict(
        detector.scorer,
        build_data(toy_config(write_toy_store(tmp_path / "again", shuffled=True), tmp_path)).validation,
    )
    of_frame, of_clip = table.video_id[table.frame_video], table.video_id[table.clip_video]
    assert len({row.clip_auc for row in rows}) > 2, "a toy that is told perfectly would hide a mix-up"
    for row in rows:
        assert row.detector == "mine"
        if row.maker == MEAN:
            continue
        sources = ("02", "05") if row.part == "photographs" else ("08", "11")
        real, fake = ([f"{source}-{kind}" for source in sources] for kind in ("none", row.maker))
        for ids, scores, found in (
            (of_frame, table.frame_score, row.frame_auc),
            (of_clip, table.clip_score, row.clip_auc),
        ):
            chosen = np.isin(ids, [*real, *fake])
            assert found == pytest.approx(roc_auc_score(np.isin(ids, fake)[chosen], scores[chosen]))
        means = [table.clip_score[of_clip == name].mean() for name in [*real, *fake]]
        assert row.video_auc == pytest.approx(roc_auc_score([0, 0, 1, 1], means))


def test_the_mean_is_over_makers(rows: list[MakerRow]) -> None:
    for first, second, mean in (rows[:3], rows[3:]):
        for level in ("frame_auc", "clip_auc", "video_auc"):
            values = [getattr(first, level), getattr(second, level)]
            assert getattr(mean, level) == pytest.approx(np.mean(values))


def test_as_a_table_and_as_json(rows: list[MakerRow]) -> None:
    lines = markdown(rows).splitlines()
    assert sum(line.startswith("| mine |") for line in lines) == len(rows)
    assert lines[2].startswith("| mine | videos | mouth | 2 | 2 |")
    assert rows[0].to_json()["frame_auc"] == rows[0].frame_auc
