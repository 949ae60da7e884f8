"""Figures from core dataclasses, one file per subject; nothing here calls st.*."""

from app.ui.charts.affect import affect_plane
from app.ui.charts.affect import points as affect_points
from app.ui.charts.groups import group_dots, score_histogram
from app.ui.charts.insight import history
from app.ui.charts.lanes import MAX_MARKS_DENSE
from app.ui.charts.signals import overview, signals
from app.ui.charts.timeline import Timeline, timeline
from app.ui.charts.why import attention_line, contribution_bars, contribution_strip
from app.ui.charts.windows import window_strip

__all__ = [
    "MAX_MARKS_DENSE", "Timeline", "affect_plane", "affect_points", "attention_line", "contribution_bars",
    "contribution_strip", "group_dots", "history", "overview", "score_histogram", "signals", "timeline",
    "window_strip",
]  # fmt: skip
