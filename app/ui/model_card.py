"""The card of a model in words, tables and figures: what it is for, whom it works for, what its score is worth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from app.ui import components, formats, research, state, wording
from app.ui.charts import research as charts
from core.reports import words

Card = Mapping[str, Any]
WORST = 5


def intended(card: Card) -> None:
    """What it is for, and what it is not for."""
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown("##### Intended use")
        st.markdown(formats.in_label(card["intended_use"], 600))
    with right:
        st.markdown("##### Not for")
        st.markdown(formats.in_label(card["not_for"], 600))


def scores(card: Card) -> None:
    """Each target beside chance and the models that know nothing, and beside a clock where that was asked."""
    st.markdown("##### How well on people it has not seen?")
    rows = [
        {"Target": formats.name(target), "Model": title,
         "Balanced accuracy": research.interval(of["balanced_accuracy"]),
         "AUC": research.interval(of["roc_auc"]) if of.get("roc_auc") else wording.NO_RANKING,
         "Chance": formats.span(found["chance"]["low"], found["chance"]["high"])}
        for target, found in card["loso"].items()
        for title, of in (
            ("this model", found),
            ("Majority class", {"balanced_accuracy": found["majority"]}),
            ("Stratified draw", {"balanced_accuracy": found["dummy"]}),
        )
    ]  # fmt: skip
    components.table(pd.DataFrame(rows), kind="model-scores", subject=card["name"], key="model-scores")
    st.caption(f"One subject left out at a time, by trial. {wording.OVER_SUBJECTS}")
    if at_other_cuts := words.raised(card):
        st.caption(formats.in_label(at_other_cuts, 400))
    for target, said in words.people_not_target(card).items():
        st.warning(formats.in_label(f"▲ {formats.name(target)}: {said}", 400))
    told = card.get("controls") or {}
    if told.get("meaning"):
        st.warning(f"What it tells: {formats.in_label(told['meaning'], 200)}.")
    own, clock = (told.get(k, {}).get("roc_auc", {}).get("value") for k in ("pure", "clock"))
    if own is not None and clock is not None and clock >= own:
        st.warning(
            f"A clock alone reaches an AUC of {clock:.2f}, this model {own:.2f}: the order of tasks was the same for "
            "everybody, so a score of left-out people says little by itself."
        )


def data(card: Card) -> None:
    """The study it learned from, and what it reads."""
    told = card["training"]
    signals = card["signals"]
    fusion = f", {told['fusion']} fusion" if len(signals["required"]) > 1 else ""
    needs = [f"{wording.CHANNEL_TYPES.get(t, t)}{f' ({len(names)} channels)' if names else ''}, trained on "
             f"{signals['sfreq'][t]:g} Hz" for t, names in signals["required"].items()]  # fmt: skip
    facts = {
        "Trained on": card["basis"],
        "Study": told["study"],
        "Licence": told["licence"],
        "Simulated": "yes" if told["simulated"] else "no",
        "Subjects": f"{told['n_subjects']:,}",
        "Trials": f"{told['n_trials']:,}",
        "Windows": f"{told['n_windows']:,}, each {card['pipeline']['window_s']:g} s",
        "Kind of model": f"{research.model_title(told['model'])}{fusion}, seed {told['seed']}",
        "Needs": "; ".join(needs),
        "Signals are scaled": wording.NORM_MODES.get(card["pipeline"]["norm_mode"], card["pipeline"]["norm_mode"]),
        **words.given(card),
    }
    for name, target in card["targets"].items():
        facts[f"{formats.name(name)} is High"] = (
            f"above {target['cut']:g} on a scale of {target['lowest']:g} to {target['highest']:g}; "
            f"said from an index of {target['threshold']:.2f}"
        )
    pairs(facts, card["name"], "model-data")


def pairs(facts: Mapping[str, str], subject: str, key: str) -> None:
    """What and value, a row each."""
    rows = [{"What": what, "Value": formats.visible(value, 400)} for what, value in facts.items()]
    components.wrapped(pd.DataFrame(rows), kind=key, subject=subject, key=key)


def subjects(card: Card) -> None:
    """Every left-out person, the lowest first and named."""
    rows = [
        {"Target": formats.name(target), "Subject": s["subject"], "Balanced accuracy": s["balanced_accuracy"],
         "AUC": s["roc_auc"], "Brier": s["brier"], "Trials": s["n_trials"], "Threshold": s["threshold"]}
        for target, found in card["loso"].items()
        for s in found["subjects"]
    ]  # fmt: skip
    for target in card["loso"]:
        st.markdown(formats.in_label(worst(card, target), 400))
    frame = pd.DataFrame(rows).astype({"AUC": float}).sort_values(["Target", "Balanced accuracy"], kind="stable")
    components.table(frame, kind="model-subjects", subject=card["name"], key="model-subjects")
    st.caption("AUC is not computed for a subject whose trials are all of one class.")
    subgroups(card)


def subgroups(card: Card) -> None:
    """The people of each group that the study names, and by what rule."""
    st.markdown("##### For which groups of people?")
    rows = words.subgroups(card, research.interval, formats.name)
    if rows:
        columns = ["Target", "Field", "Group", "People", "Balanced accuracy", "AUC", "Reading"]
        frame = pd.DataFrame(rows, columns=columns)
        frame[["Field", "Group"]] = frame[["Field", "Group"]].map(formats.visible)
        components.table(frame, kind="model-subgroups", subject=card["name"], key="model-subgroups")
        st.caption(f"{wording.OVER_SUBJECTS} {words.SUBGROUPS_ARE}")
    for line in words.subgroup_rules(card):
        st.markdown(f"- {formats.in_label(line, 400)}")


def worst(card: Card, target: str) -> str:
    """The lowest five by name."""
    found = sorted(card["loso"][target]["subjects"], key=lambda s: (s["balanced_accuracy"], s["subject"]))
    named = ", ".join(f"{s['subject']} {s['balanced_accuracy']:.2f}" for s in found[:WORST])
    return f"Lowest balanced accuracy, {formats.name(target)}: {named}."


def calibration(card: Card) -> None:
    """Whether a probability means what it says, by target."""
    for target, found in card["calibration"].items():
        bins = found["bins"]
        components.chart(
            charts.reliability(bins), key=f"reliability-{target}",
            title=f"{formats.name(target)}: does a probability mean what it says?",
            caption=f"By trial of left-out people, n = {formats.counted(sum(b['n'] for b in bins), 'trial')}. "
            f"Calibration error (ECE) {found['ece']:.3f}, Brier score {found['brier']:.3f}, "
            f"spread between calibrators {found['spread']:.3f} (SD).",
            alt="; ".join(f"said {b['mean_p']:.2f}, High in {b['share_high']:.2f} of {b['n']}" for b in bins),
            make_table=partial(_bins, bins),
            kind="reliability", subject=card["name"], filters={"target": target},
            how="Ten bins of equal width, empty ones left out. The interval of an index is never narrower than the "
            "spread between the calibrators of the folds.",
        )  # fmt: skip


def _bins(bins: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame(
        [{"From": b["low"], "To": b["high"], "Mean probability": b["mean_p"], "Share High": b["share_high"],
          "Trials": b["n"]} for b in bins]
    )  # fmt: skip


def leaks(card: Card) -> None:
    """What the score would have been with a leak, and every check by name."""
    told = card["leak_audit"]
    rows = [
        {"Target": formats.name(t),
         "Leak premium": research.interval(premium) if premium.get("low") is None else research.difference(premium),
         "Scores of windows": ", ".join(f"{wording.SPLITS.get(s, s).partition(':')[0]} {v:.2f}"
                                        for s, v in told["scores"].get(t, {}).items()) or "none stored"}
        for t, premium in told["premium"].items()
    ]  # fmt: skip
    components.wrapped(pd.DataFrame(rows), kind="model-premium", subject=card["name"], key="model-premium")
    st.caption("Balanced accuracy of windows under random windows, which leak, less that of people left out.")
    checks = [
        {"Check": formats.visible(c["name"]).capitalize(), "Result": wording.OUTCOMES.get(c["outcome"], c["outcome"]),
         "Evidence": formats.visible(c["evidence"], 400)} for c in told["checks"]
    ]  # fmt: skip
    components.wrapped(pd.DataFrame(checks), kind="model-checks", subject=card["name"], key="model-checks")


def controls(card: Card) -> None:
    """What else could have made the score, beside it: the clock first."""
    told = card.get("controls")
    if not told:
        st.info("No controls are on this card: it says nothing of what a clock or movement alone would reach.")
        return
    found = [{"Control": label, "Score": score, "Value": value} for label, score, value in _controls(told)]
    components.table(pd.DataFrame(found), kind="model-controls", subject=card["name"], key="model-controls")
    if told.get("n_settings_compared"):
        st.caption(f"{told['n_settings_compared']} settings were compared by hand on these people before this one.")


def _controls(told: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Every score among the controls, the model's own and the clock's first."""
    for name, label in wording.CONTROLS.items():
        part = told.get(name)
        if not isinstance(part, Mapping):
            continue
        for key, value in part.items():
            score = wording.CONTROL_SCORES.get(key)
            if score and isinstance(value, Mapping):
                more = f", worst quarter {value['worst_quarter']:.2f}" if value.get("worst_quarter") is not None else ""
                yield label, score, research.interval(value) + more
            elif score and isinstance(value, int | float):
                yield label, score, f"{value:.2f}"


def limits(card: Card, calm: Mapping[str, str]) -> None:
    """What the card itself says of where the model ends."""
    told = card["training"]
    said = [
        f"It learned from {formats.counted(told['n_subjects'], 'subject')} of one study; other people, devices and "
        "places were not seen unless the controls say so.",
        *(worst(card, target) for target in card["loso"]),
        wording.NORM_LIMITS.get(card["pipeline"]["norm_mode"], ""),
        "Recordings unlike its training are predicted with the warning W-DRIFT." if card.get("drift")
        else "This card keeps no distribution of its training features: it cannot warn of recordings unlike them.",
        *calm.values(),
    ]  # fmt: skip
    for line in filter(None, said):
        st.markdown(f"- {formats.in_label(line, 400)}")


def files(card: Card) -> None:
    """Files with their hashes, and where each fitted part lies."""
    facts = {f"File {name}, SHA-256": digest for name, digest in card["files"].items()}
    facts |= {f"Fitted {part} in": place for part, place in card["fitted"].items()}
    facts |= {
        "Pipeline hash": card["pipeline_hash"], "Training data, SHA-256": card["training"]["sha256"],
        "Card written": formats.when(pd.Timestamp(card["created_at"]).to_pydatetime(), state.zone()),
    }  # fmt: skip
    pairs(facts, card["name"], "model-files")
