"""One family of errors whose text a user may read: what, where, what to do, and a stable code."""

from __future__ import annotations

from collections.abc import Iterable


def in_words(what: str, where: str = "", what_to_do: str = "", code: str = "") -> str:
    """A refusal as one line for a person; a full stop parts what was wrong from what to do."""
    lead = f"{where}: {what}" if where else what
    stop = "." if what_to_do and lead and not lead.endswith((".", "!", "?", ":")) else ""
    return " ".join(part for part in (lead + stop, what_to_do, f"[{code}]" if code else "") if part)


class AffectlineError(Exception):
    """What went wrong, in which file, channel or field, and what would mend it.

    ``code`` is stable and may be looked up; ``exit_code`` and ``http_status`` are what a front answers; ``repairs``
    names those of ``core.readers.repairs`` that may mend it.
    """

    exit_code = 1
    http_status = 500

    def __init__(self, code: str, what: str, where: str = "", what_to_do: str = "", repairs: Iterable[str] = ()):
        self.code, self.what, self.where, self.what_to_do = code, what, where, what_to_do
        self.repairs = tuple(repairs)
        super().__init__(self.text)

    @property
    def text(self) -> str:
        """The whole message as one line for a person."""
        return in_words(self.what, self.where, self.what_to_do, self.code)

    def as_dict(self) -> dict[str, str]:
        """The message as the API and the command line give it."""
        return {"code": self.code, "what": self.what, "where": self.where, "what_to_do": self.what_to_do}

    def __reduce__(self):
        return type(self), (self.code, self.what, self.where, self.what_to_do, self.repairs)


class Refused(AffectlineError):
    """An input that is not accepted; nothing was stored."""

    exit_code = 3
    http_status = 422


class TooLarge(Refused):
    """An input over a size limit."""

    http_status = 413


class NotFound(AffectlineError):
    """A patient, session, model or study that is not there."""

    exit_code = 5
    http_status = 404


class Conflict(AffectlineError):
    """Something changed meanwhile; nothing was overwritten."""

    exit_code = 3
    http_status = 409


class Forbidden(AffectlineError):
    """The caller's role may not do this."""

    exit_code = 3
    http_status = 403


class NoBundle(AffectlineError):
    """No model bundle at all is installed."""

    exit_code = 5
    http_status = 503
