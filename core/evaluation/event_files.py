"""Learning curves as TensorBoard event files, one folder per fold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def write(folder: Path, history: Sequence[Mapping[str, Any]], started: float) -> None:
    """Write a row per epoch as scalars; what lies in the folder is replaced.

    Parameters
    ----------
    history
        A mapping per epoch with ``epoch`` and numbers, such as ``train_loss``.
    started
        Wall time of the first epoch, s since 1970.
    """
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("events.out.tfevents.*"):
        old.unlink()
    writer = EventFileWriter(str(folder))
    at = started
    for row in history:
        at += float(row.get("seconds", 0.0))
        values = [
            Summary.Value(tag=tag, simple_value=float(value))
            for tag, value in row.items()
            if tag not in ("epoch", "seconds") and isinstance(value, int | float)
        ]
        writer.add_event(Event(wall_time=at, step=int(row["epoch"]), summary=Summary(value=values)))
    writer.close()
