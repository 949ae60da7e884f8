"""Predict: signals in the request, a stored session in the answer."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
from anyio.to_thread import run_sync
from fastapi import APIRouter, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from app.api import arrays, deps, schemas
from app.ui import wording
from core.errors import NoBundle, Refused
from core.services.clinic import patients, sessions
from core.services.research import models
from core.settings import settings
from core.storage.store import Store
from core.types import InputFile

router = APIRouter(tags=["predict"])
# analyses at one time: they are CPU work, and further ones wait for their turn
_turns = anyio.CapacityLimiter(2)
BODY = {"required": True, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/PredictRequest"}}}}


@router.post("/predict", response_model=schemas.PredictAnswer, openapi_extra={"requestBody": BODY})
async def predict(request: Request, store: deps.TheStore, now: deps.Now) -> dict:
    """Analyse 14-channel EEG (µV) and 2-lead ECG (mV) of a patient and store the session.

    The arrays are the file: sent twice, they are stored once. A poor recording is answered with `status: abstained` and
    no prediction. Nothing is stored of a request that is refused.
    """
    body = await request.body()
    return await run_sync(work, store, body, now, limiter=_turns)


def work(store: Store, body: bytes, now: datetime) -> dict:
    """Read the request, analyse and answer."""
    from core.readers import npz

    began = time.perf_counter()
    asked = parsed(body)
    patients.check_pseudonym(asked.user_id)
    recording = arrays.recording(
        asked.eeg_data,
        asked.ecg_data,
        eeg_fs=asked.eeg_fs,
        ecg_fs=asked.ecg_fs,
        eeg_baseline=asked.eeg_baseline,
        ecg_baseline=asked.ecg_baseline,
    )
    started_at = in_utc(asked.timestamp)
    if not any(model["state"] == "approved" for model in models.available(store)):
        raise NoBundle(
            "E-NO-MODEL", "no model is installed.", "", "Publish one, or use analyse or POST /recordings for markers."
        )
    with tempfile.TemporaryDirectory(prefix="affectline-") as folder:
        path = Path(folder) / "arrays.npz"
        with path.open("wb") as file:
            npz.write(recording, file)
        stored = sessions.analyse(
            store, [InputFile("arrays.npz", str(path))], asked.user_id, now=now, started_at=started_at
        )
    return answer(store, asked.user_id, stored, (time.perf_counter() - began) * 1000)


def parsed(body: bytes) -> schemas.PredictRequest:
    """The body as a request; wrong fields by name."""
    try:
        return schemas.PredictRequest.model_validate_json(body)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)
        raise RequestValidationError([{**item, "loc": ("body", *item["loc"])} for item in found]) from None


def in_utc(when: datetime | None) -> datetime | None:
    """A time in UTC; without an offset it is in the site's time zone."""
    if when is None:
        return None
    try:
        return (when if when.tzinfo else when.replace(tzinfo=settings().zone)).astimezone(UTC)
    except OverflowError:
        raise Refused("E-TIME", "this time is out of range.", "timestamp", "Send the start of the recording.") from None


def answer(store: Store, patient: str, stored: Mapping[str, Any], took_ms: float) -> dict:
    """A stored session in the source platform's words."""
    quality = stored["quality"]["grade"]
    notes = [*stored["reasons"], *(f"{item['code']} {item['text']}" for item in stored["warnings"])]
    prediction = None
    if stored["status"] == "ok":
        prediction = {
            **dimensions(stored["predictions"]),
            "n_windows": stored["n_windows"],
            "window_preds": window_predictions(store, stored["session"]),
            "signal_quality": quality,
            "quality_notes": notes,
            "model_version": version(stored["model"]),
            "processing_ms": round(took_ms, 1),
        }
    return {
        "status": stored["status"],
        "user_id": patient,
        "session_id": stored["session"],
        "timestamp": sessions.get(store, stored["session"]).row.started_at,
        "prediction": prediction,
        "signal_quality": quality,
        "quality_notes": notes,
        "reasons": stored["reasons"],
        "markers": stored["markers"],
        "state": stored["state"],
        "model": stored["model"],
        "insights": stored["insights"],
        "provenance": stored["provenance"],
        "message": message(stored),
    }


def dimensions(predictions: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Labels, probabilities, confidences and intervals per dimension; reasons where there is no value."""
    computed = {name: p for name, p in predictions.items() if "not_computed" not in p}
    flat: dict[str, Any] = {
        "labels": {name: p["label"] for name, p in computed.items()},
        "not_computed": {name: p["not_computed"] for name, p in predictions.items() if name not in computed},
    }
    for name, p in computed.items():
        flat[name] = p["label"]
        flat[f"{name}_prob"] = p["p_high"]
        flat[f"{name}_conf"] = max(p["p_high"], 1 - p["p_high"])
        flat[f"{name}_low"], flat[f"{name}_high"] = p["low"], p["high"]
    return flat


def window_predictions(store: Store, session: str) -> list[dict[str, Any]]:
    """Each usable window's probabilities; its label is the side of the model's cut it lies on."""
    series = sessions.windows(store, session)
    if series is None:
        return []
    measures = sessions.get(store, session).row.measures
    rows = []
    for target, proba in series.proba.items():
        measure = measures.get(target)
        cut = measure.threshold if measure and measure.threshold is not None else 0.5
        for index, p in enumerate(proba.tolist()):
            if p == p and series.usable[index]:
                rows.append(
                    {
                        "window_index": index,
                        "dimension": target,
                        "onset_s": float(series.onset_s[index]),
                        "label": "High" if p > cut else "Low",
                        "prob_high": p,
                        "prob_low": 1 - p,
                        "confidence": max(p, 1 - p),
                    }
                )
    return rows


def version(model: Mapping[str, Any] | None) -> str:
    """Name and version of the model that predicted."""
    return f"{model['name']} {model['version']}" if model else "none"


def message(stored: Mapping[str, Any]) -> str:
    """What a person must know beside the numbers."""
    lead = "Stored." if stored["status"] == "ok" else f"Stored; {wording.STATUS['abstained']}."
    model = stored["model"]
    basis = ""
    if model:
        simulated = "simulated" in model["basis"]
        basis = f" {version(model)}: {wording.DEMONSTRATION if simulated else 'trained on ' + model['basis']}."
    return f"{lead}{basis} {schemas.NOTICE}"
