"""Which bundles may predict here: approved, retired, or a draft that nobody has looked at; each with who and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from core.errors import NotFound, Refused
from core.models import bundle as bundles
from core.models.bundle import Bundle
from core.storage import research as rows
from core.storage.records import ModelDecisionRecord
from core.storage.store import Store

APPROVED, RETIRED, DRAFT = "approved", "retired", "draft"


def find(name: str) -> Bundle:
    """A bundle by its name, NotFound (E-MODEL) where there is none, BundleError where it does not load."""
    found = bundles.by_name(name)
    if found is None:
        known = ", ".join(b.name for b in bundles.available()) or "none"
        raise NotFound("E-MODEL", "there is no model of this name", name, f"Installed: {known}.")
    return found


def history(store: Store, name: str | None = None) -> list[ModelDecisionRecord]:
    """Who approved or retired which version of a model (of all where None), when and why; oldest first."""
    with store.read() as tx:
        return rows.decisions(tx, name)


def failed(bundle: Bundle) -> list[str]:
    """The checks of the leak audit on its card that failed."""
    return [c.name for c in bundle.card.leak_audit.checks if c.outcome == "fail"]


def decided(bundle: Bundle, decisions: Sequence[ModelDecisionRecord]) -> ModelDecisionRecord | None:
    """The newest decision on this version of a bundle."""
    own = (d for d in reversed(decisions) if (d.name, d.version) == (bundle.name, bundle.version))
    return next(own, None)


def state(bundle: Bundle, decisions: Sequence[ModelDecisionRecord]) -> str:
    """What was decided on this version; undecided it is approved, or a draft where a check of its audit failed."""
    found = decided(bundle, decisions)
    if found is not None:
        return found.state
    return DRAFT if failed(bundle) else APPROVED


def approved(store: Store) -> Callable[[Bundle], bool]:
    """Whether a bundle may be chosen without being named."""
    decisions = history(store)
    return lambda bundle: state(bundle, decisions) == APPROVED


def installed(store: Store, *, approving: str | None = None) -> list[Bundle]:
    """The bundles that may be chosen without being named, the one to prefer first; this is the rule of the default.

    Real before demonstration. Then those that this site published or somebody approved here before those that only
    ship; of the former the one published or approved last. Of them, the first whose required signals are all in a
    recording is used (``core.models.bundle.choose``).

    Parameters
    ----------
    approving
        As if this one were approved now.
    """
    decisions = history(store)
    last = datetime.max.replace(tzinfo=UTC)

    def since(bundle: Bundle) -> datetime | None:
        """When it came into use here, None where nobody here did anything for it."""
        if bundle.name == approving:
            return last
        found = decided(bundle, decisions)
        published = None if bundle.ships else _aware(datetime.fromisoformat(bundle.card.created_at))
        return max(filter(None, (published, found.at if found else None)), default=None)

    def rank(bundle: Bundle) -> tuple[bool, bool, float]:
        at = since(bundle)
        return bundle.card.demonstration, at is None, -at.timestamp() if at else 0.0

    usable = (b for b in bundles.available() if b.name == approving or state(b, decisions) == APPROVED)
    return sorted(usable, key=rank)


def _aware(at: datetime) -> datetime:
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def require(store: Store, name: str | None) -> None:
    """Refuse a model that is asked for by name and was retired, with the reason that was given."""
    if name is None:
        return
    bundle = find(name)
    found = decided(bundle, history(store, name))
    if found is not None and found.state == RETIRED:
        raise Refused(
            "E-MODEL-RETIRED", f"version {bundle.version} of this model was retired: {found.why}", name,
            "Name another model, or approve this one again.",
        )  # fmt: skip


def approve(store: Store, name: str, why: str, now: datetime) -> dict:
    """Let a model be used by default, before those that came earlier; returns name, version, state, why."""
    return _decide(store, name, APPROVED, why, now)


def retire(store: Store, name: str, why: str, now: datetime) -> dict:
    """Take a model out of use: it is never chosen, and refused by name; sessions that it analysed stay as they are."""
    return _decide(store, name, RETIRED, why, now)


def _decide(store: Store, name: str, new: str, why: str, now: datetime) -> dict:
    bundle, why = find(name), " ".join(why.split())
    if not why:
        raise Refused("E-REASON", "a reason is needed.", name, "Say why in a few words.")
    with store.write() as tx:
        decisions = rows.decisions(tx, name)
        found = decided(bundle, decisions)
        if found is not None and found.state == new == RETIRED:
            raise Refused("E-MODEL-STATE", f"version {bundle.version} is {new} already.", name)
        rows.decide(tx, name, bundle.version, new, why, now=now)
        tx.audit(f"model.{'approve' if new == APPROVED else 'retire'}", f"{name}/{bundle.version}", at=now, model=name,
                 reason=why)  # fmt: skip
    return {"name": name, "version": bundle.version, "state": new, "why": why}
