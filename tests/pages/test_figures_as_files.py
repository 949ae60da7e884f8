"""Every figure of the pages leaves as PNG and SVG, with its words, by the export service."""

from __future__ import annotations

import io
import json
import re
import zipfile

import plotly.graph_objects as go
import pytest
import streamlit as st
from PIL import Image

from app.ui import charts, formats
from app.ui.charts import picture
from app.ui.charts import research as figures
from core.services import admin
from core.services.exports import exports
from tests.pages.conftest import IMPORTED, NOW, RECORDED, open_page
from tests.pages.research_site import FULL, NET, VALUE


def shown(monkeypatch, script: str, **params: str) -> list[go.Figure]:
    """The figures that a page draws."""
    found, real = [], st.plotly_chart

    def kept(figure, *args, **kwargs):
        found.append(figure)
        return real(figure, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(st, "plotly_chart", kept)
        assert not open_page(script, **params).exception
    return found


def words(svg: bytes) -> str:
    return " ".join(re.findall(r">([^<>]+)</text>", svg.decode()))


def drawn(figure: go.Figure) -> str:
    made = picture.files(figure, "A title & more", "n = 5 subjects")
    image = Image.open(io.BytesIO(made["png"])).convert("L")
    assert image.width > 1800 and image.getextrema()[0] < 60, "something is drawn"
    return words(made["svg"])


@pytest.mark.parametrize(
    ("run", "tab", "axis"),
    [
        (FULL, "Confusion", "Predicted"),
        (FULL, "Calibration", "Share of trials rated High"),
        (NET, "Learning curves", "Loss"),
        (VALUE, "Subjects", "Rating"),
    ],
)
def test_figures_of_a_run_are_drawn_with_their_axes(run, tab, axis, research, monkeypatch):
    found = shown(monkeypatch, "experiments", run=run, tab=tab)
    assert found and axis in " ".join(drawn(f) for f in found)


@pytest.mark.parametrize(
    ("script", "params"),
    [
        ("patient", {"patient": IMPORTED}),
        ("session", {"session": f"{RECORDED}/S-01", "tab": "Windows"}),
        ("session", {"session": f"{RECORDED}/S-01", "tab": "Signals"}),
        ("insights", {"patient": IMPORTED}),
    ],
)
def test_figures_of_the_clinic_are_drawn(script, params, filled, monkeypatch):
    found = shown(monkeypatch, script, **params)
    assert found
    for figure in found:
        said = drawn(figure)
        assert "A title &amp; more" in said and "n = 5 subjects" in said
        for note in figure.layout.annotations:
            assert picture.words(note.text).split()[0] in said.replace("&amp;", "&")


def test_the_other_figures_of_research_are_drawn():
    rows = [{"name": "EEG + ECG", "value": 0.05, "low": -0.1, "high": 0.2, "sure": True}]
    splits = [{"name": n, "value": 0.6, "low": None, "high": None, "leaky": n == "Trials"} for n in ("Trials", "LOSO")]
    each = [{"subject": "S01", "balanced_accuracy": 0.6, "low": 0.2, "high": 0.8, "n": 8}]
    curve = {"name": "High", "n_of": 2, "false_positive": [0, 1], "recall": [0.5, 1], "precision": [1, 0.5]}
    made = {
        "chance, mean": figures.by_subject(each, 0.6, {"low": 0.4, "high": 0.6}),
        "True positive rate": figures.roc([curve, {**curve, "name": "Low"}]),
        "Precision": figures.precision_recall([curve], 4),
        "Difference": figures.forest(rows),
        "LEAKY": figures.splits(splits, {"low": 0.4, "high": 0.6}),
        "Low, n = 1": charts.group_dots({"a": 1.0, "b": 2.0, "c": None}, ["a", "c"], ["b"], "x"),
        "Score ei": charts.score_histogram({"a": 1.0, "b": 2.0}, (1.5, 1.5), "ei"),
        "+0.40": charts.contribution_bars(["heart", "skin"], [0.4, -0.2], signed=True, unit="logit"),
        "logit": charts.contribution_strip([0.0, 2.0], 4.0, {"heart": [0.1, -0.2]}),
        "1 is an equal share": charts.attention_line([0.0, 1.0], [0.8, 1.2], "Time"),
        "Difference in balanced accuracy": figures.lines({"ecg": {"S01": 0.1, "S02": None}}, difference=True),
    }
    for word, figure in made.items():
        assert word in drawn(figure)


def test_the_same_figure_gives_the_same_bytes_and_hostile_names_are_text():
    name = formats.in_figure('<b onload="x">$\\frac{1}{2}$</b> 李')
    figure = charts.contribution_bars([name], [0.4], signed=True, unit="logit")
    one, again = (picture.files(figure, "t", "c") for _ in range(2))
    assert one == again and b"onload" in one["svg"] and b"<b onload" not in one["svg"]
    assert "$\\frac{1}{2}$" in words(one["svg"]) and "李" in words(one["svg"])


def test_what_cannot_be_drawn_is_refused_and_never_left_out():
    with pytest.raises(TypeError, match="pie"):
        picture.files(go.Figure(go.Pie(values=[1, 2])), "t", "c")
    figure = go.Figure(go.Scatter(x=[0, 1], y=[0, 1]))
    figure.add_shape(type="circle", x0=0, x1=1, y0=0, y1=1)
    with pytest.raises(TypeError, match="circle"):
        picture.files(figure, "t", "c")


def test_a_figure_leaves_by_the_export_service_with_its_caption_and_an_audit_row(filled):
    figure = charts.attention_line([0.0, 1.0], [0.8, 1.2], "Time")
    made = exports.export_figure(filled, "why", picture.files(figure, "t", "c"), "P-0001", "said of it", now=NOW)
    with zipfile.ZipFile(io.BytesIO(made.zip())) as bag:
        names = bag.namelist()
        manifest = json.loads(bag.read("manifest.json"))
    assert [n.rpartition(".")[2] for n in names] == ["png", "svg", "json", "json"]
    assert set(manifest["files"]) == set(names[:2]) and manifest["caption"] == "said of it"
    assert exports.recent(filled)[0]["kind"] == "why-figure" and admin.audit(filled)[0]["action"] == "export"


def test_every_chart_has_its_figure_beside_it(research):
    at = open_page("ablation")
    labels = [b.proto.label for b in at.get("download_button")]
    assert labels.count("Export figure") == len(at.get("plotly_chart")) == 2
