"""The report of a study: complete, self-contained, safe with hostile names, equal for equal results."""

from __future__ import annotations

import csv
import re
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from made_studies import exclude, make_study
from pages import HIDDEN, Page, browse, markdown_tables
from typer.testing import CliRunner

from vidfake.cli.main import app
from vidfake.losses import LOSSES
from vidfake.report.text import latex
from vidfake.study import report_maps
from vidfake.study.report import build_study_report
from vidfake.study.report_maps import logit_curves, principal_components, stored_embeddings, umap_plane
from vidfake.study.results import StudyFolder

HOSTILE = '"><script>document.title="owned"</script><img src=x onerror=alert(1)>\u202e\x07|`=1+1\\input{x}%'
FILES = {"report.html", "report.md", "table.csv", "table.tex", "classes.csv"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    made = make_study(
        tmp_path_factory.mktemp("made"),
        {"softmax": 1.0, "=cmd": 1.0, "cosface": 1.6},
        tasks=("binary", "manipulation"),
        name=f"study {HOSTILE}",
        failed_trials={"cosface": 2},
    )
    exclude(made, "binary", "npair", f"needs 3 classes {HOSTILE}")
    trial = made.records("binary", "cosface", "search")[0]
    made.write_record(replace(trial, reason=f"diverged {HOSTILE}"))
    state = made.state()
    change = {"what": "code", "before": "aa", "after": "bb", "differing": [HOSTILE]}
    made.write_state(replace(state, changes=[change]))
    return made


@pytest.fixture(scope="module")
def report(folder: StudyFolder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_study_report(folder, tmp_path_factory.mktemp("report"), num_resamples=100)


def test_the_page_needs_nothing_outside_and_runs_nothing(report: Path) -> None:
    page = Page(report.read_text("utf-8"))
    assert not {tag for tag, _ in page.tags} & {
        "script",
        "iframe",
        "object",
        "embed",
        "link",
        "base",
        "form",
        "img",
    }
    for _, attributes in page.tags:
        assert not any(name.startswith("on") for name in attributes)
        if "href" in attributes:
            assert (attributes["href"] or "").startswith("#")
    policy = next(a["content"] for _, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert (policy or "").startswith("default-src 'none'")
    assert '<script>document.title="owned"</script>' in page.text, "shown as text"
    assert "nan" not in page.text.replace("loss is NaN", "").lower().split()


@pytest.mark.parametrize("name", sorted(FILES))
def test_no_control_or_direction_character_survives(report: Path, name: str) -> None:
    text = report.with_name(name).read_text("utf-8")
    assert not HIDDEN.search(text)


def test_everything_that_a_study_says_is_there(report: Path) -> None:
    text = Page(report.read_text("utf-8")).text
    for words in (
        "The code changed after the first run",
        "Effect against 'softmax'",
        "The tests behind the claims",
        "p (Holm)",
        "Losses by test",
        "Levels on",
        "Thresholds and calibration on",
        "balanced accuracy",
        "coverage",
        "Read-outs",
        "prototype",
        "Rank on the primary test",
        "critical difference",
        "Which manipulation",
        "macro f1",
        "best so far",
        "Budget of every loss",
        "1: diverged",
        "Sensitivity",
        "Target logits",
        "Embeddings",
        "silent share",
        "where choosing among the trials at random would give",
        "Weights of pairs",
        "Maps of embeddings",
        "Time and memory",
        "peak memory",
        "What this study cannot show",
        "not applicable",
        "needs 3 classes",
        "two one-sided tests",
    ):
        assert words in text, words


def test_tables_hold_against_hostile_cells(report: Path) -> None:
    markdown = report.with_name("report.md").read_text("utf-8")
    assert len(markdown_tables(markdown)) >= 4
    assert "<script" not in markdown.replace("\\<script", "")
    assert "The study did not run as registered" in markdown, "a warning is not cut"
    with open(report.with_name("table.csv"), encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert rows[0]["arm"] == "cosface"
    assert "'=cmd" in {r["arm"] for r in rows}
    assert not any(cell.startswith(("=", "@")) for r in rows for cell in r.values())
    assert float(rows[0]["difference"]) > 0
    assert "not applicable" in rows[-1]["verdict"]
    tex = report.with_name("table.tex").read_text("utf-8")
    assert tex.count(r"\begin{longtable}") == tex.count(r"\end{longtable}") == 2 + 2 * 2, (
        "tasks; two for each test with classes"
    )
    for table in tex.split("\\begin{longtable}{")[1:]:
        columns = len(table.partition("}")[0])
        assert {len(re.findall(r"(?<!\\)&", line)) for line in table.splitlines() if " & " in line} == {columns - 1}
    assert latex(HOSTILE).count(r"\input") == 0
    assert "\\textbackslash{}input\\{x\\}\\%" in latex(HOSTILE)


def test_equal_results_give_equal_bytes(folder: StudyFolder, report: Path, tmp_path: Path) -> None:
    build_study_report(folder, tmp_path, num_resamples=100)
    assert {p.name for p in tmp_path.iterdir()} == FILES
    for name in FILES:
        assert (tmp_path / name).read_bytes() == report.with_name(name).read_bytes()


def test_command(folder: StudyFolder, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["study", "report", str(folder.path), "--out", str(tmp_path), "--json"])
    assert result.exit_code == 0, result.output
    assert {p.name for p in tmp_path.iterdir()} == FILES
    table = CliRunner().invoke(app, ["study", "table", str(folder.path)])
    assert table.exit_code == 0
    assert "cosface" in table.stdout


def test_a_study_without_final_runs_has_a_report(tmp_path: Path) -> None:
    made = make_study(tmp_path / "study", {"softmax": 1.0, "cosface": 1.0}, seeds=2)
    shutil.rmtree(made.run_folder("binary", "softmax", "final"))
    shutil.rmtree(made.run_folder("binary", "cosface", "final"))
    text = Page(build_study_report(made, tmp_path / "out").read_text("utf-8")).text
    assert "Not finished: 0 of 4 final runs are there." in text
    assert "Nothing can be compared" in text


def test_curves_are_those_of_the_formula() -> None:
    loss = LOSSES.build("cosface", num_classes=2, embedding_dim=16, scale=8.0, margin=0.35).double().eval()
    curves = logit_curves(loss)
    assert curves is not None
    theta = np.deg2rad(curves[0][0])
    assert np.allclose(np.array(curves[0][1], float), np.cos(theta) - 0.35, atol=1e-6)
    assert logit_curves(LOSSES.build("triplet", num_classes=2, embedding_dim=16)) is None


def test_principal_components_keep_distances_of_a_plane() -> None:
    rng = np.random.default_rng(0)
    flat = rng.normal(size=(20, 2)) @ np.linalg.qr(rng.normal(size=(6, 2)))[0].T
    plane = principal_components(flat)
    between = [np.linalg.norm(x[:, None] - x[None], axis=2) for x in (flat, plane)]
    assert np.allclose(*between)


def test_maps_hold_points_of_all_videos(tmp_path: Path) -> None:
    labels = np.repeat([0, 1, 2], 250)  # in the order of the videos
    arrays = {"embeddings": np.eye(4, dtype=np.float32)[labels], "class_labels": labels}
    np.savez(tmp_path / "001.embeddings.npz", **arrays, class_names=np.array(["real", "a", "b"]))
    found = stored_embeddings(tmp_path)
    assert found is not None
    assert len(found[0]) <= report_maps.MOST_POINTS
    assert np.bincount(found[1]).tolist() == [84, 83, 83]
    assert np.array_equal(found[0].argmax(axis=1), found[1])


def test_umap_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = SimpleNamespace(UMAP=lambda **_: SimpleNamespace(fit_transform=lambda z: z[:, :2]))
    monkeypatch.setattr(report_maps.importlib.util, "find_spec", lambda name: None)
    assert umap_plane(np.zeros((4, 3))) is None
    monkeypatch.setattr(report_maps.importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(report_maps.importlib, "import_module", lambda name: fake)
    found = umap_plane(np.zeros((4, 3)))
    assert found is not None
    assert found.shape == (4, 2)


def test_opens_in_a_browser(report: Path, tmp_path: Path) -> None:
    text = browse(report, tmp_path / "profile", "--dump-dom")
    assert "<title>Loss study study" in text
    assert "What this study cannot show" in text


def test_a_study_that_ran(finished: Path, tmp_path: Path) -> None:
    text = Page(build_study_report(StudyFolder(finished), tmp_path).read_text("utf-8")).text
    assert "2 seeds cannot carry 1 comparisons" in text
    assert "at least 6 seeds are needed" in text
    for words in ("Target logit / s", "cosface, PCA", "angle within reals"):
        assert words in text, words
