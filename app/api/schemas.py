"""The payloads: those of the source platform (requirements d7), and ours where it had none."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from core.settings import EPOC_14

NOTICE = (
    "Research software. Not a medical device, not cleared or certified by any authority. "
    "Do not use it for diagnosis or treatment decisions."
)


def _rows(n: int, names: str, unit: str) -> dict[str, Any]:
    row = {"type": "array", "items": {"type": "number"}, "minItems": n, "maxItems": n}
    text = f"A row for each time with {n} numbers in {unit}: {names}. At least 5 s."
    return {"type": "array", "items": row, "description": text}


# checked by app.api.arrays, which names the row and column of a wrong value
EegRows = Annotated[list[Any], WithJsonSchema(_rows(14, ", ".join(EPOC_14), "µV"))]
EcgRows = Annotated[list[Any], WithJsonSchema(_rows(2, "two leads", "mV"))]
ExperimentState = Literal["running", "partial", "done"]
# strict: true must not pass as 1 Hz
Rate = Annotated[float, Field(ge=0.1, le=100_000, allow_inf_nan=False, strict=True)]


class Strict(BaseModel):
    """A body whose unknown fields are refused: a misspelt rate must not pass as the default one."""

    model_config = ConfigDict(extra="forbid")


class PredictRequest(Strict):
    """Signals of one session. The same arrays for the same patient are stored once."""

    user_id: str = Field(description="Pseudonym of the patient; created when unknown. Never a name.", max_length=200)
    session_id: str | None = Field(None, description="Not used: sessions are numbered here.", max_length=200)
    timestamp: datetime | None = Field(
        None, description="Start of the recording, ISO 8601; without an offset in the site's time zone."
    )
    eeg_data: EegRows
    ecg_data: EcgRows
    eeg_fs: Rate = Field(128.0, description="Rate of the EEG in Hz; it is used as declared.")
    ecg_fs: Rate = Field(256.0, description="Rate of the ECG in Hz; it is used as declared.")
    eeg_baseline: EegRows | None = Field(None, description="A resting part that came before the data.")
    ecg_baseline: EcgRows | None = None
    metadata: dict[str, Any] = Field(default_factory=dict, description="Accepted and not stored.")


class ExportRequest(Strict):
    """What to export. The answer is the download; no path is taken."""

    format: Literal["csv", "parquet"]
    what: Literal["measures", "windows", "insights", "results"] = "measures"
    user_id: str | None = Field(None, description="One patient; everyone when left out.", max_length=200)
    since: datetime | None = None
    until: datetime | None = None


class Answer(BaseModel):
    """What is answered; services may add members."""

    model_config = ConfigDict(extra="allow")


class Health(Answer):
    """Whether it runs; says nothing of data."""

    status: str
    version: str
    model_loaded: bool
    db_connected: bool
    uptime_seconds: float


class WindowPrediction(BaseModel):
    """A window of a prediction; windows that are not usable are left out."""

    window_index: int
    dimension: str
    onset_s: float
    label: Literal["High", "Low"]
    prob_high: float
    prob_low: float
    confidence: float = Field(description="The larger of the two probabilities.")


class Predicted(Answer):
    """Per dimension a label (High, Low, Unsure), ``<dimension>_prob`` of High, ``<dimension>_conf`` and its interval
    ``<dimension>_low``, ``<dimension>_high``; dimensions without a value are in ``not_computed`` with their reason.
    """

    labels: dict[str, str]
    not_computed: dict[str, str]
    n_windows: int
    window_preds: list[WindowPrediction]
    signal_quality: str
    quality_notes: list[str]
    model_version: str
    processing_ms: float


class PredictAnswer(Answer):
    """A stored session. ``prediction`` is null when ``status`` is abstained; markers stay where they can be trusted."""

    status: Literal["ok", "abstained"]
    user_id: str
    session_id: str
    timestamp: datetime
    prediction: Predicted | None
    signal_quality: str
    quality_notes: list[str]
    reasons: list[str]
    markers: dict[str, Any]
    state: dict[str, Any]
    model: dict[str, Any] | None
    insights: list[dict[str, Any]]
    provenance: dict[str, Any]
    message: str


class History(Answer):
    """A page of sessions, newest first; ``total`` counts all of the period."""

    user_id: str
    days: int
    page: int
    size: int
    total: int
    sessions: list[dict[str, Any]]
    message: str


class ExperimentItem(BaseModel):
    """An experiment as far as it has come; ``groups`` are scores of subjects that its model was given too."""

    experiment: str
    study: str
    target: str
    inputs: str
    model: str
    fusion: str
    split: str
    seed: int
    task: str
    groups: list[str]
    state: ExperimentState = Field(description="running: not finished; partial: folds failed, so there is no score")
    leaky: bool = Field(description="The split has a person in training and in test.")
    created_at: datetime
    n_folds: int
    n_done: int
    n_failed: int
    seconds: float
    scores: dict[str, Any] | None = Field(description="The object of `evaluate --json`; null until it is done.")


class Experiments(Answer):
    """A page of experiments, newest first; ``total`` counts all that were asked for."""

    total: int
    page: int
    size: int
    experiments: list[ExperimentItem]


class InsightItem(BaseModel):
    """An insight as the source platform gave it, with the figures that tell what it is worth."""

    insight_id: str
    user_id: str
    session_id: str
    insight_type: str
    dimension: str
    title: str
    description: str
    severity: str
    value: float
    reference: float
    period_start: datetime
    period_end: datetime
    n: int
    expected_by_chance: float
    state: str
    tags: list[str]


class Insights(Answer):
    """Insights of a period, oldest first."""

    user_id: str
    days: int
    preset: str
    total: int
    regenerated: bool
    insights: list[InsightItem]
    message: str


class JobAnswer(BaseModel):
    """A piece of long work; ``result`` or ``error`` (code, what, where, what_to_do) once it ended."""

    id: str
    kind: str
    label: str
    state: Literal["queued", "running", "done", "failed", "cancelled"]
    progress: float
    message: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    attempts: int
    result: dict[str, Any] | None
    error: dict[str, Any] | None


class Problem(BaseModel):
    """Why something was refused (RFC 9457), and what would mend it."""

    type: str
    title: str
    status: int
    detail: str
    code: str = Field(description="Stable; may be looked up.")
    what: str
    where: str
    what_to_do: str
