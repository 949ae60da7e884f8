"""A fault of the program itself: its traceback is kept for the administrator, a person gets a reference."""

from __future__ import annotations

import os
import secrets
import traceback

from core.errors import AffectlineError


class Unforeseen(AffectlineError):
    """A fault of the program itself."""


def unforeseen(error: BaseException) -> Unforeseen:
    """What may be said of an error that nobody foresaw; its traceback goes to a file that only this account reads."""
    reference = secrets.token_hex(4).upper()
    where = keep(reference, "".join(traceback.format_exception(error)))
    return Unforeseen(
        "E-UNFORESEEN",
        f"something unforeseen happened (ref {reference}).",
        "",
        f"Tell your administrator the reference{where}.",
    )


def keep(reference: str, text: str) -> str:
    """Write a traceback where only this account reads it; says where, or nothing when it cannot be written."""
    from core.settings import Settings

    try:
        folder = Settings().data_dir / "errors"
        folder.mkdir(parents=True, exist_ok=True)
        kept = os.open(folder / f"{reference}.txt", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(kept, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
    except (OSError, ValueError):
        return ", and set AFFECTLINE_DEBUG=1 to see more"
    return "; the details are in the folder errors of the data folder"
