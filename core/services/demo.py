"""The demo patients: simulated recordings with planted courses, analysed like any other and marked on every screen."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from core import compute
from core.services import pseudonyms
from core.services.clinic import life_chart
from core.services.clinic.analysis import analyse
from core.settings import settings
from core.storage import patients as patient_rows
from core.storage import sessions as rows
from core.storage.records import PatientRecord
from core.storage.store import Store
from core.types import InputFile

Progress = Callable[[float, str], None]

DURATION_S = 62.0
EVERY_DAYS = 7
# what one SD of a course's index (0.08) is as an effect on the signals (-1 to 1)
EFFECT_PER_INDEX = 1 / 0.24
POOR = ("flat:AF3", "flat:F7", "flat:F3", "flat:T7", "flat:O1", "flat:P8", "ecg_noise")


@dataclass(frozen=True)
class Course:
    """A demo patient: what was planted, over how many weekly sessions, and which of them was recorded badly."""

    kind: str
    sessions: int
    seed: int
    tags: tuple[str, ...]
    poor: int | None = None
    size_sd: float = 3.0


COURSES: Mapping[str, Course] = {
    "P-D001": Course("calm", 14, 11, ("demo", "calm"), poor=6),
    "P-D002": Course("drift", 14, 12, ("demo", "drift"), size_sd=5.0),
    "P-D003": Course("spike", 14, 13, ("demo", "spike"), poor=4),
    "P-D004": Course("shift", 14, 14, ("demo", "lasting shift")),
    "P-D005": Course("calm", 4, 15, ("demo", "learning")),
    "P-D006": Course("calm", 1, 16, ("demo", "first visit")),
}


def loaded(store: Store) -> bool:
    """Whether all demo sessions were stored, whatever was done with them since."""
    with store.read() as tx:
        return all(_stored(tx, name) >= course.sessions for name, course in COURSES.items())


def load(store: Store, *, now: datetime, progress: Progress | None = None, processes: int | None = None) -> int:
    """Load what is not there yet; returns how many sessions were added. Safe to call again after it was stopped.

    By default ``JOBS`` processes take a patient each; one in a thread, for a Streamlit page runs in one and a new
    process would run its script again.
    """
    total = sum(course.sessions for course in COURSES.values())
    with store.write() as tx:
        for name, course in COURSES.items():
            if patient_rows.by_name(tx, name) is None:
                pseudonyms.add_in(tx, name, now=now, simulated=True, tags=course.tags)
        before = sum(min(_stored(tx, name), COURSES[name].sessions) for name in COURSES)
    missing = [name for name in COURSES if not _complete(store, name)]

    def tell(name: str) -> None:
        if progress is not None:
            with store.read() as tx:
                done = sum(min(_stored(tx, n), COURSES[n].sessions) for n in COURSES)
            progress(done / total, f"Demo patients: {done} of {total} sessions")

    if processes is None:
        alone = threading.current_thread() is not threading.main_thread() or settings().dask_scheduler
        processes = 1 if alone else settings().jobs
    if processes > 1 and len(missing) > 1 and not store.in_memory:
        with compute.pool(processes) as pool:
            running = [pool.submit(_load_apart, store.url, str(store.data_dir), name) for name in missing]
            while not all(future.done() for future in running):
                tell("")
                _wait(running)
            for future in running:
                future.result()
    else:
        for name in missing:
            load_patient(store, name, tell)
    tell("")
    with store.read() as tx:
        return sum(min(_stored(tx, name), COURSES[name].sessions) for name in COURSES) - before


def _wait(running: list) -> None:
    from concurrent.futures import FIRST_COMPLETED, wait

    wait([f for f in running if not f.done()], timeout=1.0, return_when=FIRST_COMPLETED)


def _load_apart(url: str, data_dir: str, name: str) -> None:
    """One patient, in a process of its own."""
    store = Store(url, data_dir=Path(data_dir))
    try:
        load_patient(store, name)
    finally:
        store.close()


def _complete(store: Store, name: str) -> bool:
    with store.read() as tx:
        return _stored(tx, name) >= COURSES[name].sessions


def _stored(tx, name: str) -> int:
    """How many sessions a demo patient was ever given; deleted and moved ones count."""
    record = patient_rows.by_name(tx, name)
    return 0 if record is None else patient_rows.numbers_given(tx, record.id)


def load_patient(store: Store, name: str, tell: Callable[[str], None] | None = None) -> None:
    """The sessions of one demo patient that are missing, oldest first, and its life chart."""
    from core import simulate

    course = COURSES[name]
    with store.read() as tx:
        record = pseudonyms.require(tx, name)
        known = {s.started_at for s in rows.history(tx, record.id, deleted=True)}
        charted = bool(patient_rows.events(tx, record.id) or patient_rows.self_reports(tx, record.id))
    start = _start(record, course)
    if not charted:
        _life_chart(store, name, course, start, record.created_at)
    visits = simulate.patient_course(
        course.kind, course.sessions, course.seed, start, EVERY_DAYS, size_sd=course.size_sd
    )
    with tempfile.TemporaryDirectory() as folder:
        for k, visit in enumerate(visits):
            if visit["started_at"] in known:
                continue
            path = simulate.write_edf(_recording(course, k, visit), Path(folder) / f"{name.lower()}-{k + 1:02d}.edf")
            analyse(
                store, [InputFile(path.name, str(path))], name, now=record.created_at, simulated=True,
                create_patient=False,
            )  # fmt: skip
            path.unlink()
            if tell is not None:
                tell(name)


def _start(record: PatientRecord, course: Course) -> datetime:
    """Of the first visit, so that the last was the day before the demo was loaded: the same after a restart."""
    last = (record.created_at - timedelta(days=1)).replace(hour=9, minute=0, second=0, microsecond=0)
    return last - timedelta(days=EVERY_DAYS * (course.sessions - 1))


def _recording(course: Course, k: int, visit: Mapping):
    from core import simulate

    values = visit["values"]
    effects = {
        d: min(max((values[d] - 0.5) * EFFECT_PER_INDEX, -1.5), 1.5) for d in ("valence", "arousal", "dominance")
    }
    return simulate.recording(
        seed=1000 * course.seed + k,
        duration_s=DURATION_S,
        heart_rate=values["heart_rate"],
        rmssd=values["rmssd"],
        alpha_peak=values["alpha_peak"],
        effects=effects,
        artefacts=POOR if k == course.poor else (),
        started_at=visit["started_at"],
    )


def _life_chart(store: Store, name: str, course: Course, start: datetime, now: datetime) -> None:
    """A treatment, a life event and two self-reports, so that every lane of the chart shows something."""
    span = timedelta(days=EVERY_DAYS * max(course.sessions - 1, 1))
    life_chart.add_event(store, name, "treatment", "Simulated: weekly talks", start, ended_at=start + span, now=now)
    life_chart.add_event(store, name, "life_event", "Simulated: moved house", start + span / 3, impact=-2, now=now)
    if course.sessions > 4:
        life_chart.add_event(store, name, "change", "Simulated: sleep plan changed", start + span / 2, now=now)
    for share, mood, low in ((0.0, 5.0, 11.0), (0.5, 6.0, 9.0), (1.0, 6.0, 8.0))[: 3 if course.sessions > 4 else 2]:
        at = start + span * share
        life_chart.add_self_report(store, name, "SAM valence", mood, at, now=now)
        life_chart.add_self_report(store, name, "PHQ-9", low, at, now=now)
