"""Writes a study's report: ``report.html``, ``report.md``, ``table.tex``, ``table.csv``, and more tables."""

from __future__ import annotations

from pathlib import Path

from vidfake.files import write_text
from vidfake.study.analysis import Report, analyse
from vidfake.study.report_classes import classes_csv
from vidfake.study.report_html import render
from vidfake.study.report_rows import rows_of
from vidfake.study.report_tex import table_tex
from vidfake.study.report_text import report_md, table_csv
from vidfake.study.report_variants import variants_csv
from vidfake.study.results import StudyFolder


def build_study_report(
    folder: StudyFolder, out: Path | None = None, *, num_resamples: int = 0, report: Report | None = None
) -> Path:
    """Write the report beside the study, or into `out`, and return the path of ``report.html``.

    ``classes.csv`` only where final runs kept class scores, ``variants.csv`` only for a study of variants. Equal
    results give equal bytes, the costs apart. Raises StoreError for a folder that holds no study, and StorageError
    when a file cannot be written.
    """
    analysis = analyse(folder, num_resamples=num_resamples, report=report)
    rows = rows_of(analysis)
    target = out or folder.path
    pages = {
        "table.csv": table_csv(rows),
        "table.tex": table_tex(analysis, rows),
        "report.md": report_md(analysis, rows),
        "report.html": render(analysis, rows),
    }
    if classes := classes_csv(analysis):
        pages["classes.csv"] = classes
    if variants := variants_csv(analysis):
        pages["variants.csv"] = variants
    for name, text in pages.items():
        write_text(target / name, text)
    return target / "report.html"
