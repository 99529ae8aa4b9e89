"""Detectors on data sets: what is measured, what is noted, and what is refused because it would not be a test."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from vidfake.errors import ManifestError, ProtocolError, UsageError
from vidfake.evaluate.options import Options
from vidfake.evaluate.run import evaluate
from vidfake.evaluate.scoring import Source, open_source, score_source
from vidfake.inference.load import LoadedDetector, load_detector
from vidfake.inference.profiles import Profile
from vidfake.losses.heads import HeadLoss
from vidfake.metrics.levels import video_auc
from vidfake.metrics.sections import Resampling
from vidfake.metrics.threshold import at_threshold
from vidfake.scores import ScoreTable
from vidfake.settings import ScoreSettings

FEW = Options(how=Resampling(num_resamples=50))


def detector_of(runs: Path, name: str, readout: str | None = None) -> LoadedDetector:
    return load_detector(runs / name / "best.vidfake", readout=readout)


@pytest.fixture(scope="module")
def binary(runs: Path) -> LoadedDetector:
    return detector_of(runs, "binary")


@pytest.fixture(scope="module")
def makers(runs: Path) -> LoadedDetector:
    return detector_of(runs, "makers")


@pytest.fixture(scope="module")
def home(sets: Path) -> Source:
    return open_source(sets / "home")


@pytest.fixture(scope="module")
def away(sets: Path) -> Source:
    return open_source(sets / "away")


def test_every_detector_on_every_set_and_against_the_control(
    binary: LoadedDetector, makers: LoadedDetector, home: Source, away: Source, tmp_path: Path
) -> None:
    found = evaluate([binary, makers], [home, away], work=tmp_path, options=replace(FEW, margin=0.9))
    places = [("binary", "home"), ("binary", "away"), ("makers", "home"), ("makers", "away")]
    assert [(r.detector, r.dataset) for r in found.results] == places
    assert list(found.tables) == places
    assert [r.role for r in found.results] == ["in-dataset", "cross-dataset"] * 2
    for result in found.results:
        assert result.headline().value == video_auc(found.tables[result.detector, result.dataset])
        assert 0.6 < result.headline().value < 1, "a third of the reals look fake"
        assert result.sections[0].levels[-1].coverage.reasons == {"no_face": 1}
        assert result.calibration[-1].method != "none"
    assert [(c.dataset, c.detector, c.control) for c in found.comparisons] == [
        ("home", "makers", "binary"),
        ("away", "makers", "binary"),
    ]
    for row in found.comparisons:
        areas = [video_auc(found.tables[name, row.dataset]) for name in ("makers", "binary")]
        assert (row.auc_detector, row.auc_control) == tuple(areas)
        assert row.difference.value == areas[0] - areas[1]
        assert row.holm_p_value == row.p_value, "each data set is a family of its own"
        assert row.verdict in ("equivalent", "different but within the margin")
    assert found.notes == ()


def test_the_second_run_reads_the_kept_tables(
    binary: LoadedDetector, home: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = score_source(binary, home, tmp_path)
    monkeypatch.setattr("vidfake.evaluate.scoring.predict", None)
    again = score_source(binary, home, tmp_path)
    assert np.array_equal(first.clip_score, again.clip_score)
    with pytest.raises(TypeError):
        score_source(binary, replace(home, records=home.records[:-1]), tmp_path)


def test_workers_read_what_one_process_reads(binary: LoadedDetector, home: Source, tmp_path: Path) -> None:
    alone = score_source(binary, home, tmp_path / "one", workers=1)
    shared = score_source(binary, home, tmp_path / "two", workers=2)
    assert np.array_equal(alone.clip_score, shared.clip_score)
    assert list(alone.video_id) == list(shared.video_id)


def test_what_was_trained_on_is_no_test(binary: LoadedDetector, runs: Path, tmp_path: Path) -> None:
    trained = open_source(runs / "store")
    with pytest.raises(ProtocolError, match=r"trained on 13 of the sources .*--split test.*--allow-overlap"):
        evaluate([binary], [trained], work=tmp_path, options=FEW)
    assert not list(tmp_path.iterdir()), "refused before anything is scored"
    found = evaluate([binary], [trained], work=tmp_path, options=replace(FEW, allow_training_overlap=True))
    assert found.results[0].role == "in-dataset"
    assert "was trained on 13 of the sources" in found.notes[0]
    assert "not a test" in found.notes[0]


def test_without_names_of_corpora_there_is_no_role(binary: LoadedDetector, home: Source, tmp_path: Path) -> None:
    nameless = replace(home, records=tuple(replace(r, dataset="") for r in home.records))
    mixed = replace(
        home,
        name="mixed",
        records=tuple(replace(r, dataset=f"toy{i % 2 or ''}") for i, r in enumerate(home.records)),
    )
    found = evaluate([binary], [nameless, mixed], work=tmp_path, options=FEW)
    assert [r.role for r in found.results] == ["", "cross-dataset"]


def test_the_threshold_is_of_the_read_out_that_training_chose(runs: Path, home: Source, tmp_path: Path) -> None:
    chosen, other = detector_of(runs, "binary"), replace(detector_of(runs, "binary", "knn"), name="by knn")
    found = evaluate([chosen, other], [home], work=tmp_path, options=FEW)
    with_it, without = found.results
    kept = chosen.checkpoint.extra["threshold"]["value"]
    table = found.tables["binary", "home"]
    rows = table.status == "ok"
    scores = np.array([table.clip_score[table.clip_video == i].mean() for i in np.flatnonzero(rows)])
    assert with_it.threshold.value == kept
    assert with_it.balanced_accuracy.value == at_threshold(scores, table.label[rows], kept).balanced_accuracy
    assert (without.threshold, without.balanced_accuracy, without.at_threshold) == (None, None, None)
    assert [c.method for c in without.calibration] == ["none"]
    assert found.notes == (
        "detector 'by knn' is read out by 'knn'; training chose its threshold and calibration for 'native', so "
        "neither is used here.",
    )


def test_a_comparison_that_does_not_exist_is_noted(
    binary: LoadedDetector, makers: LoadedDetector, home: Source, away: Source, tmp_path: Path
) -> None:
    ours = score_source(binary, home, tmp_path)
    theirs = replace(ours, detector="theirs")
    fakes_only = replace(ours.select(ours.label == 1), detector="fakes only")
    found = evaluate(
        [binary], [home, away], work=tmp_path, foreign={"home": [theirs, fakes_only]},
        options=Options(how=Resampling(num_resamples=0), control="theirs"),
    )  # fmt: skip
    (row,) = found.comparisons
    assert (row.detector, row.control, row.difference.value, row.p_value) == ("binary", "theirs", 0.0, None)
    fakes, elsewhere = found.notes
    assert fakes.startswith("'fakes only' is not compared with 'theirs' on home: ")
    assert elsewhere == "'binary' is not compared on away: 'theirs' has no scores there."
    alone = evaluate([binary], [home], work=tmp_path, options=replace(FEW, margin=0.01))
    assert alone.notes == ("nothing is compared on home: 'binary' is the only detector there.",)
    assert evaluate([binary], [home], work=tmp_path, options=FEW).notes == ()


def test_comparisons_pool_each_detector_as_its_own_figures_are(
    binary: LoadedDetector, home: Source, tmp_path: Path
) -> None:
    config = replace(binary.checkpoint.config, score=ScoreSettings(track_pooling="max"))
    highest = replace(binary, name="highest", checkpoint=replace(binary.checkpoint, config=config))
    found = evaluate([highest, binary], [home], work=tmp_path, options=FEW)
    (row,) = found.comparisons
    assert row.auc_control == found.results[0].headline().value
    assert row.auc_detector == found.results[1].headline().value


def test_names_and_controls_are_checked_first(binary: LoadedDetector, home: Source, tmp_path: Path) -> None:
    table = ScoreTable(video_id=["a", "b"], label=[0, 1], detector="binary", video_score=[0.0, 1.0])
    with pytest.raises(ProtocolError, match="two detectors are called 'binary' on home"):
        evaluate([binary], [home], work=tmp_path, foreign={"home": [table]})
    with pytest.raises(ProtocolError, match="two datasets are called 'home'"):
        evaluate([binary], [home, home], work=tmp_path)
    with pytest.raises(UsageError, match=r"called 'binry'.*Detectors here: binary\. Did you mean 'binary'\?"):
        evaluate([binary], [home], work=tmp_path, options=Options(control="binry"))
    with pytest.raises(UsageError, match="nothing to measure"):
        evaluate([], [home], work=tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_source_has_both_classes_and_known_splits(sets: Path, tmp_path: Path) -> None:
    assert len(open_source(sets / "away", splits=["test"]).records) == 15
    assert len(open_source(sets / "away", splits=["test", "rest"]).records) == 19
    with pytest.raises(ManifestError, match=r"no video has split 'tset'\. Splits there: rest, test"):
        open_source(sets / "away", splits=["test", "tset"])
    manifest = tmp_path / "m.csv"
    manifest.write_text("path,label,split\na.mp4,0,test\nb.mp4,0,test\nc.mp4,1,more\n")
    with pytest.raises(ManifestError, match=r"m\.csv, split test: 2 real and 0 fake videos"):
        open_source(manifest, splits=["test"], check_files=False)
    with pytest.raises(ManifestError, match="3 of 3 files do not exist"):
        open_source(manifest)
    assert len(open_source(manifest, check_files=False).records) == 3


def class_scores(detector: LoadedDetector, source: Source, *, mirrored: bool = False) -> dict[str, np.ndarray]:
    """Mean logits per video, clip by clip from the stored pictures: the long way round."""
    assert isinstance(detector.loss, HeadLoss)
    assert source.store is not None
    found: dict[str, list[np.ndarray]] = {}
    for clip in source.store.clips:
        frames = torch.from_numpy(source.store.read_faces(clip).copy()).permute(0, 3, 1, 2)[None]
        times = torch.from_numpy(clip.pts_seconds - clip.pts_seconds[0]).float()[None]
        with torch.no_grad():
            for picture in (frames, frames.flip(-1)) if mirrored else (frames,):
                output = detector.scorer.detector(picture, torch.ones(times.shape, dtype=torch.bool), times)
                logits = detector.loss.logits(output.embeddings)[0].numpy()
                found.setdefault(clip.video.video_id, []).append(logits)
    return {video: np.mean(rows, axis=0) for video, rows in found.items()}


def test_attribution_and_what_was_never_seen(
    makers: LoadedDetector, binary: LoadedDetector, home: Source, away: Source, tmp_path: Path
) -> None:
    found = evaluate([makers, binary], [home, away], work=tmp_path, options=FEW)
    at_home, elsewhere, *of_binary = found.results
    assert [(r.attribution, r.open_set_auc) for r in of_binary] == [(None, None)] * 2

    names = ("real", "mouth", "swap")
    assert at_home.attribution.class_names == elsewhere.attribution.class_names == names
    assert at_home.open_set_auc is None, "every manipulation there was seen"
    assert (at_home.attribution.num_rows, elsewhere.attribution.num_rows) == (18, 12), "without the unseen 'dub'"
    assert elsewhere.attribution.absent == ("mouth",)

    logits = class_scores(makers, away)
    kinds = {record.video_id: record.manipulation for record in away.records}
    called = {video: names[int(np.argmax(row))] for video, row in logits.items()}
    reals = [video for video in logits if kinds[video] == "none"]
    assert elsewhere.attribution.recall["real"] == np.mean([called[video] == "real" for video in reals])
    fakes = [video for video in logits if kinds[video] != "none"]
    expected = roc_auc_score([kinds[video] == "dub" for video in fakes], [-logits[video].max() for video in fakes])
    assert elsewhere.open_set_auc.value == pytest.approx(expected, abs=1e-9)


def test_classes_are_of_both_mirror_images_where_scores_are(
    makers: LoadedDetector, away: Source, tmp_path: Path
) -> None:
    both = replace(away, profile=Profile("both", 1.0, 1.0, True, ""))
    (plain,) = evaluate([makers], [away], work=tmp_path, options=FEW).results
    (found,) = evaluate([makers], [both], work=tmp_path, options=FEW).results
    assert found.sections[0].levels != plain.sections[0].levels, "nor are kept scores of the other profile taken"
    logits = class_scores(makers, away, mirrored=True)
    assert max(np.abs(logits[video] - row).max() for video, row in class_scores(makers, away).items()) > 1e-3
    kinds = {record.video_id: record.manipulation for record in away.records}
    fakes = [video for video in logits if kinds[video] != "none"]
    expected = roc_auc_score([kinds[video] == "dub" for video in fakes], [-logits[video].max() for video in fakes])
    assert found.open_set_auc.value == pytest.approx(expected, abs=1e-9)


def test_attribution_without_a_clip_is_blank(makers: LoadedDetector, away: Source, tmp_path: Path) -> None:
    nobody = replace(away, records=tuple(r for r in away.records if r.video_id == "elsewhere-nobody"))
    (result,) = evaluate([makers], [nobody], work=tmp_path, options=FEW).results
    assert (result.attribution, result.open_set_auc) == (None, None)
    assert result.sections[0].levels == ()
