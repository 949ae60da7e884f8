"""The kit of the pages: formats, words, figures, menu and settings."""

from __future__ import annotations

import math
import re
import subprocess
import sys
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from app.ui import charts, components, formats, insight_cards, nav, palette, research, wording
from app.ui.charts import base
from app.ui.charts.signals import spacing
from core.features import eeg
from core.services.clinic.insights import Card
from core.services.clinic.patients import Baseline, Event
from core.services.clinic.sessions import SessionRow, SignalPage, WindowSeries
from core.types import Annotation, BadSpan, Insight, Measure, ModelInfo, Reason

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 7, 14, 8, 5, tzinfo=UTC)
LONDON, UTC_ZONE = ZoneInfo("Europe/London"), ZoneInfo("UTC")


def row(k: int, value: float | None, *, low_quality: bool = False, n: int = 30) -> SessionRow:
    """One weekly session with a valence, or without one."""
    measure = Measure("valence", "prediction", "index", reason=Reason.LOW_QUALITY)
    if value is not None:
        measure = Measure("valence", "prediction", "index", value, value - 0.05, value + 0.05, threshold=0.5)
    return SessionRow(
        f"P-0001/S-{k + 1:02d}", "P-0001", NOW - timedelta(days=7 * (n - k)), "ok", (), False, False, 0.9, low_quality,
        "good", {"valence": measure}, None, "calm", 10,
    )  # fmt: skip


def own_range(low: float | None, high: float | None, kind: str = "own") -> dict[str, Baseline]:
    """A baseline of valence."""
    return {"valence": Baseline("valence", "index", kind, 0.5, 0.05, low, high, 12)}


# --- formats


def test_a_prediction_reads_as_value_and_interval():
    assert formats.value(Measure("valence", "prediction", "index", 0.62, 0.48, 0.74)) == "0.62 (0.48-0.74)"


def test_an_interval_below_zero_does_not_read_as_a_dash():
    shown = formats.value(Measure("alpha_asymmetry", "marker", "ln ratio", -0.1, -0.2, 0.05))
    assert shown == "-0.10 ln ratio (-0.20 to 0.05)"


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_has_words(reason):
    assert formats.value(Measure("rmssd", "marker", "ms", reason=reason)) == f"not computed: {wording.REASONS[reason]}"


@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
def test_a_number_that_is_none_is_said(value):
    assert formats.number(value) == "not computed"
    assert formats.share(value) == "Not known"


def test_no_number_is_shown_as_minus_zero():
    assert (formats.number(-0.001), formats.span(-0.001, 0.5)) == ("0.00", "0.00-0.50")
    assert formats.span(-0.25, 0.5) == "-0.25 to 0.50"
    assert research.difference({"value": 0.1, "low": -0.001, "high": 0.2}) == "+0.10 (+0.00 to +0.20)"
    frame = pd.DataFrame({"a": [-0.004, -0.2, None], "b": [-0.0004, 0.1, 1.0], "c": ["x", "y", "z"]})
    shown = components.plain_zeros(frame, {"b": 3})
    assert shown["a"].tolist()[:2] == [0.0, -0.2] and math.copysign(1, shown["a"][0]) == 1
    assert shown["b"].tolist() == [0.0, 0.1, 1.0] and frame["a"][0] == -0.004, "what leaves keeps its digits"


def test_every_block_of_the_eegs_features_has_words():
    assert set(wording.EEG_BLOCKS) == set(eeg.blocks())


def test_a_time_is_shown_in_the_zone_with_its_offset():
    assert formats.when(NOW, LONDON) == "14 Jul 2026 09:05 (UTC+01:00)"
    assert formats.when(datetime(2026, 1, 14, 9, 5, tzinfo=UTC), LONDON) == "14 Jan 2026 09:05 (UTC+00:00)"
    assert formats.when(NOW, ZoneInfo("America/St_Johns")) == "14 Jul 2026 05:35 (UTC-02:30)"


@pytest.mark.parametrize(
    ("ago", "said"),
    [
        (timedelta(seconds=5), "just now"),
        (timedelta(minutes=1), "1 minute ago"),
        (timedelta(days=3), "3 days ago"),
        (timedelta(days=400), "1 year ago"),
        (timedelta(days=-2), "in the future"),
    ],
)
def test_an_age_is_said_in_its_largest_unit(ago, said):
    assert formats.age(NOW - ago, NOW) == said


def test_axis_times_are_wall_clock_of_the_zone():
    ms = formats.local_ms([NOW], LONDON)[0]
    assert datetime.fromtimestamp(ms / 1000, UTC).hour == 9


def test_text_of_a_file_is_shown_without_control_and_bidi_characters():
    assert formats.visible("a\u202eb\nc") == "a\\u202eb\\u000ac"
    assert len(formats.visible("x" * 500)) == 80


def test_text_of_a_file_is_inert_in_figures_and_labels():
    assert "<" not in formats.in_figure("<b>x</b>")
    assert formats.in_label("![x](http://y)") == "\\!\\[x\\]\\(http\\://y\\)"


def test_a_state_without_a_value_is_said_in_words():
    assert formats.state("low_quality") == f"not computed: {wording.REASONS['low_quality']}"
    assert formats.state("calm") == "calm"


def test_the_line_of_a_model_carries_its_figure():
    line = wording.model_line(ModelInfo("m", "1", "simulated signals", 0.71, True))
    assert "0.71" in line and "(LOSO)" in line
    assert "not known" in wording.model_line(ModelInfo("m", "1", "x", None))


def test_a_remedy_names_a_place_on_the_screen_and_no_option_of_the_command_line():
    said = wording.on_screen("Say type and unit with --map. State the rate (--sfreq).")
    assert "--" not in said and said.count("step 2 of New recording") == 2


def test_an_unforeseen_error_is_kept_in_a_file_and_said_as_a_reference(tmp_path, monkeypatch):
    from app.ui import faults
    from core.settings import settings

    monkeypatch.setenv("AFFECTLINE_DATA_DIR", str(tmp_path))
    settings.cache_clear()
    try:
        raise KeyError("a name that must not be shown")
    except KeyError as error:
        said = faults.unforeseen(error).text
    (kept,) = (tmp_path / "errors").iterdir()
    assert kept.stem in said and "a name" not in said and "Traceback" not in said
    assert "a name that must not be shown" in kept.read_text() and "Traceback" in kept.read_text()
    assert kept.stat().st_mode & 0o077 == 0


# --- figures


def test_the_timeline_draws_low_quality_hollow_and_abstained_as_a_cross():
    rows = [row(0, 0.5), row(1, 0.52, low_quality=True), row(2, None)]
    made = charts.timeline(rows, ["valence"], own_range(0.4, 0.6), zone=UTC_ZONE)
    hollow, solid, cross = (t for t in made.figure.data if t.mode == "markers" and t.name == "Valence")
    assert list(hollow.marker.symbol) == ["circle-open"]
    assert list(solid.marker.symbol) == ["circle"]
    assert cross.marker.symbol == palette.SYMBOLS["not computed"]
    assert wording.REASONS["low_quality"] in cross.text[0]


def test_the_timeline_marks_above_and_below_own_range_by_shape():
    rows = [row(0, 0.9), row(1, 0.5), row(2, 0.1)]
    made = charts.timeline(rows, ["valence"], own_range(0.4, 0.6), zone=UTC_ZONE)
    points = next(t for t in made.figure.data if t.mode == "markers" and t.name == "Valence")
    assert list(points.marker.symbol) == ["triangle-up", "circle", "triangle-down"]


def test_a_learning_baseline_draws_no_band():
    made = charts.timeline([row(0, 0.5)], ["valence"], own_range(None, None, "learning"), zone=UTC_ZONE)
    assert not made.figure.layout.shapes
    assert any("learning: 12 of 10" in a.text for a in made.figure.layout.annotations)


def found_at(session: str, kind: str, **more) -> Insight:
    """An insight on valence at a session."""
    return Insight(
        kind,
        "valence",
        session,
        session,
        "info",
        "x",
        0.5,
        0.4,
        3,
        0.1,
        "default",
        f"{kind.lower()}/1",
        NOW,
        NOW,
        **more,
    )


def test_several_insights_of_one_session_are_one_mark_with_their_letters():
    rows = [row(k, 0.5) for k in range(4)]
    cards = [
        Card(str(i), "P-0001", found_at(rows[2].session, kind), "new", weight)
        for i, (kind, weight) in enumerate((("TREND", 1.0), ("PEAK", 3.0), ("TREND", 2.0)))
    ]
    made = charts.timeline(rows, ["valence"], {}, cards, zone=UTC_ZONE)
    (mark,) = [t for t in made.figure.data if t.name == "Insight"]
    assert list(mark.text) == ["PT"] and len(mark.x) == 1, "the heaviest kind stands first, each once"


def test_a_measure_without_a_single_value_is_one_line_with_its_reason():
    rows = [row(k, None) for k in range(3)]
    made = charts.timeline(rows, ["valence"], own_range(0.4, 0.6), zone=UTC_ZONE)
    texts = [a.text for a in made.figure.layout.annotations]
    assert f"not computed: {wording.REASONS['low_quality']}" in texts
    assert not any("own range" in t for t in texts)
    assert {s for ids in made.sessions.values() for s in ids} == {r.session for r in rows}, "its crosses open sessions"


def test_an_own_range_as_wide_as_the_scale_says_that_it_compares_nothing():
    wide = charts.timeline([row(0, 0.5)], ["valence"], own_range(0.0, 1.0), zone=UTC_ZONE)
    assert any("too wide to compare" in a.text for a in wide.figure.layout.annotations)
    narrow = charts.timeline([row(0, 0.5)], ["valence"], own_range(0.0, 0.9), zone=UTC_ZONE)
    assert not any("too wide" in a.text for a in narrow.figure.layout.annotations)


def test_the_numbers_of_an_insight_are_named_so_that_limits_do_not_read_as_its_interval():
    peak = found_at("P-0001/S-01", "PEAK", low=0.31, high=0.7, q=0.0001)
    said = insight_cards.insight_facts(Card("1", "P-0001", peak, "new", 1.0))
    assert said.startswith("value 0.50 · own range 0.31-0.70 · reference 0.40") and "q below 0.001" in said


def test_every_point_of_the_timeline_knows_its_session():
    rows = [row(k, 0.5 if k % 3 else None) for k in range(9)]
    made = charts.timeline(rows, ["valence"], {}, zone=UTC_ZONE)
    seen = set()
    for curve, sessions in made.sessions.items():
        assert len(sessions) == len(made.figure.data[curve].x)
        seen |= set(sessions)
    assert seen == {r.session for r in rows}


def test_a_long_history_is_thinned_but_keeps_sessions_with_an_insight():
    rows = [row(k, 0.5, n=3000) for k in range(3000)]
    found = Insight(
        "PEAK", "valence", rows[1].session, rows[1].session, "info", "x", 0.5, 0.4, 3, 0.1, "default", "peak/1",
        rows[1].started_at, rows[1].started_at,
    )  # fmt: skip
    made = charts.timeline(rows, ["valence"], {}, [Card("1", "P-0001", found, "new", 1.0)], zone=UTC_ZONE)
    assert made.n_drawn <= 1001
    assert any(rows[1].session in sessions for sessions in made.sessions.values())
    assert any(t.name == "Insight" for t in made.figure.data)


def test_a_thousand_sessions_make_a_small_figure():
    rows = [row(k, 0.5 + 0.1 * np.sin(k), n=1000) for k in range(1000)]
    made = charts.timeline(rows, ["valence"], own_range(0.4, 0.6), zone=UTC_ZONE)
    text = made.figure.to_json()
    assert len(text) < 400_000


def test_text_of_an_event_cannot_carry_a_tag_into_the_figure():
    event = Event("1", "P-0001", "life_event", "<a href='http://x'>moved</a>", NOW - timedelta(days=3), impact=-2)
    made = charts.timeline([row(0, 0.5)], ["valence"], {}, events=[event], zone=UTC_ZONE)
    assert "<a" not in made.figure.to_json()


def test_the_affect_plane_numbers_its_path_and_fades_it():
    def both(k: int) -> SessionRow:
        one = row(k, 0.4 + 0.02 * k)
        arousal = Measure("arousal", "prediction", "index", 0.5, 0.4, 0.6)
        return SessionRow(**{**one.__dict__, "measures": {**one.measures, "arousal": arousal}})

    figure = charts.affect_plane([both(k) for k in range(14)], {})
    path = figure.data[-1]
    assert list(path.text) == [str(i) for i in range(1, 11)]
    assert figure.layout.yaxis.scaleanchor == "x"


def page(**more) -> SignalPage:
    """One second of two EEG channels, one of them bad."""
    t = np.arange(128) / 128
    rows = tuple(
        {"name": n, "type": "eeg", "unit": "µV", "x0": 0.0, "dx": 1 / 128, "y": (20 * np.sin(60 * t)).astype("f4"),
         "decimated": False, "bad": n == "F4", "spans": (BadSpan(0.2, 0.3, "flat"),) if n == "F4" else ()}
        for n in ("F3", "F4")
    )  # fmt: skip
    return SignalPage(0.0, 1.0, rows, (Annotation(0.5, 0.0, "<img src=x>"),), np.array([]), False, **more)


def test_eeg_is_drawn_negative_up_and_says_so():
    shown, upside = charts.signals(page()), charts.signals(page(), negative_up=False)
    first, second = shown.data[0].y, upside.data[0].y
    np.testing.assert_allclose(first, -np.asarray(second), atol=1e-6)
    assert "negative up" in shown.layout.annotations[0].text
    assert "positive up" in upside.layout.annotations[0].text


def test_the_scale_bar_says_what_one_row_stands_for():
    figure = charts.signals(page())
    assert spacing(page().rows) == 50.0
    assert any(a.text == "50 µV" for a in figure.layout.annotations)


def test_a_bad_channel_is_named_and_its_span_shaded():
    figure = charts.signals(page())
    assert list(figure.layout.yaxis.ticktext) == ["F3", "F4 ✕"]
    assert any(s.fillcolor == palette.SHADE for s in figure.layout.shapes)


def test_marks_of_a_file_cannot_carry_a_tag_into_the_figure():
    assert "<img" not in charts.signals(page()).to_json()


def test_labels_of_marks_do_not_pile_up_and_times_are_read_as_a_clock():
    notes = tuple(Annotation(600 + 0.1 * k, 0.0, "Stimulus/S253") for k in range(20))
    one = {"name": "EDA", "type": "eda", "unit": "µS", "x0": 600.0, "dx": 0.25, "y": np.ones(40, "f4"),
           "decimated": False, "bad": False, "spans": ()}  # fmt: skip
    figure = charts.signals(SignalPage(600.0, 10.0, (one,), notes, np.array([]), False))
    assert sum(a.text == "Stimulus/S253" for a in figure.layout.annotations) == 2, "twenty in two seconds"
    assert sum(s.type == "line" and s.x0 == s.x1 for s in figure.layout.shapes) == 20, "every mark keeps its line"
    assert figure.layout.xaxis.ticktext[0] == "10:00"


def test_the_strip_of_a_recording_without_windows_shows_where_most_channels_cannot_be_used():
    rows = tuple(
        {"name": f"E{k}", "type": "eeg", "unit": "µV", "x0": 0.0, "dx": 0.1, "y": np.ones(1000, "f4"),
         "decimated": True, "bad": False, "spans": (BadSpan(0.0, 50.0, "jump"),) if k < 3 else ()}
        for k in range(4)
    )  # fmt: skip
    strip, at = charts.overview(100.0, None, SignalPage(0.0, 100.0, rows, (), np.array([]), True), (), t0=0, page_s=10)
    colours = np.asarray(strip.data[-1].marker.color)
    assert set(colours[at < 50]) == {palette.transparent(palette.CATEGORIES[1], 0.75)}
    assert set(colours[at > 50]) == {palette.FAINT}


def test_signals_travel_as_float32_without_a_time_column():
    trace = charts.signals(page()).data[0]
    assert trace.x is None and trace.y.dtype == np.float32


def test_a_signal_without_a_sample_on_the_page_says_so():
    empty = {"name": "EDA", "type": "eda", "unit": "µS", "x0": 0.0, "dx": 0.25, "y": np.array([], "f4"),
             "decimated": False, "bad": False, "spans": ()}  # fmt: skip
    figure = charts.signals(SignalPage(0.0, 1.0, (empty,), (), np.array([]), False))
    assert any("no sample on this page" in a.text for a in figure.layout.annotations)


def test_temperature_is_never_stretched_under_one_degree():
    warm = {"name": "TEMP", "type": "temp", "unit": "°C", "x0": 0.0, "dx": 0.25,
            "y": np.full(40, 33.0, "f4") + np.float32(0.01) * np.arange(40, dtype="f4"),
            "decimated": False, "bad": False, "spans": ()}  # fmt: skip
    low, high = charts.signals(SignalPage(0.0, 10.0, (warm,), (), np.array([]), False)).layout.yaxis.range
    assert high - low >= 1.0


def test_windows_that_cannot_be_used_are_gaps_in_the_strip():
    series = WindowSeries(
        np.arange(4) * 2.0, 4.0, {"valence": np.array([0.1, 0.2, 0.3, 0.4])}, np.array([True, False, True, True]),
        ("", "low_quality", "", ""),
    )  # fmt: skip
    z = np.asarray(charts.window_strip(series).data[0].z)
    assert np.isnan(z[0, 1]) and np.isfinite(z[0, [0, 2, 3]]).all()


@pytest.mark.parametrize(("value", "next_one"), [(0.7, 1), (1.2, 2), (3, 5), (51, 100), (0, 1), (float("nan"), 1)])
def test_scales_are_one_two_five(value, next_one):
    assert base.nice(value) == pytest.approx(next_one)


# --- menu, settings, colours


def test_every_page_is_listed_once_with_an_address():
    listed = {entry.script for entry in nav.PAGES.values()}
    there = {p.name for p in (ROOT / "pages").glob("*.py")} - {"__init__.py"}
    assert listed == there
    assert all(path and path == entry.url_path for path, entry in nav.PAGES.items())


def test_the_settings_of_the_server_are_the_safe_ones():
    config = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())
    assert config["server"]["address"] == "127.0.0.1"
    assert config["server"]["enableXsrfProtection"] and config["server"]["enableCORS"]
    assert config["browser"]["gatherUsageStats"] is False
    assert config["client"]["showErrorDetails"] == "none"
    assert config["client"]["disableDataExport"] is True
    assert config["client"]["toolbarMode"] == "minimal"


def test_the_theme_and_the_figures_have_the_same_colours_light_and_dark():
    theme = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())["theme"]
    assert tuple(theme["chartCategoricalColors"][:4]) == palette.CATEGORIES
    for ground in ("light", "dark"):
        assert {"backgroundColor", "secondaryBackgroundColor", "textColor", "sidebar"} <= set(theme[ground])


def luminance(colour: str) -> float:
    """Relative luminance of WCAG 2."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Contrast ratio of WCAG 2."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("ground", ["light", "dark"])
def test_text_and_marks_stand_out_from_their_ground(ground):
    theme = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())["theme"][ground]
    back = theme["backgroundColor"]
    assert contrast(theme["textColor"], back) >= 4.5
    assert contrast(theme["linkColor"], back) >= 4.5
    for colour in (*palette.CATEGORIES, palette.INK):
        assert contrast(colour, back) >= 2.95


@pytest.mark.parametrize("path", sorted((ROOT / "pages").glob("*.py")), ids=lambda p: p.name)
def test_pages_name_no_colour_no_outside_icon_and_no_raw_html(path):
    source = path.read_text()
    assert not re.search(r"#[0-9A-Fa-f]{6}\b|rgba?\(", source)
    assert ":material/" not in source
    assert "unsafe_allow_html" not in source and "st.html" not in source


LIGHT = """
import sys
from streamlit.testing.v1 import AppTest
at = AppTest.from_file("app/main.py", default_timeout=60).run()
assert not at.exception, at.exception
for script in {scripts!r}:
    at.switch_page("../pages/" + script).run()
    assert not at.exception, at.exception
heavy = {{"torch", "sklearn", "mne", "skops", "neurokit2", "shap", "scipy.signal", "skorch"}} & set(sys.modules)
print("HEAVY", sorted(heavy))
"""


def test_no_page_imports_the_heavy_libraries(tmp_path):
    scripts = [entry.script for entry in nav.PAGES.values()]
    done = subprocess.run(
        [sys.executable, "-c", LIGHT.format(scripts=scripts)],
        cwd=ROOT,
        env={"AFFECTLINE_DATA_DIR": str(tmp_path), "PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert "HEAVY []" in done.stdout, done.stdout + done.stderr[-2000:]
