"""The import doctor: every problem of a recording with the switches of its repairs, grouped by channel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import streamlit as st

from app.ui import formats, wording

if TYPE_CHECKING:
    from core.services.clinic.doctor import Problem

# the name under which problems and repairs of the files as a whole stand
WHOLE = "*"
DROP = "drop_channel"
Repairs = Mapping[str, tuple[str, ...]]
# more channels than fit a screen scroll inside themselves
MOST_SHOWN, HEIGHT = 8, 560
# from so many channels on a repair is offered for all of them at once
MANY = 3


def _key(of: str, channel: str, repair: str) -> str:
    return f"mend|{of}|{channel}|{repair}"


def forget() -> None:
    """Let go of every switch, for other files."""
    for key in [k for k in st.session_state if str(k).startswith("mend|")]:
        del st.session_state[key]


def switches(
    problems: Sequence[Problem], applied: Repairs, titles: Mapping[str, str], *, of: str
) -> dict[str, tuple[str, ...]]:
    """Show all problems, the files' first, then channel by channel; returns the repairs that are switched on.

    ``applied`` are those in force now, ``of`` tells the switches of one recording from those of another.
    """
    by_channel: dict[str, list[Problem]] = {}
    for problem in problems:
        if problem.code != "unknown":
            by_channel.setdefault(problem.channel, []).append(problem)
    for channel in applied:
        by_channel.setdefault(channel, [])
    unknown = [p.channel for p in problems if p.code == "unknown"]
    whole = by_channel.pop(WHOLE, [])
    on: dict[str, tuple[str, ...]] = {}
    if whole or applied.get(WHOLE):
        st.markdown("**The files**")
        if whole:
            st.text("\n".join(f"{formats.visible(wording.on_screen(p.what), 300)} [{p.code}]" for p in whole))
        on[WHOLE] = _toggles(WHOLE, whole, applied, titles, of)
    _for_all(by_channel, titles, of)
    with st.container(height=HEIGHT if len(by_channel) > MOST_SHOWN else "content"):
        for channel, found in by_channel.items():
            with st.container(border=True, key=f"problems-{of}-{channel}"):
                left, right = st.columns([3, 2], vertical_alignment="center")
                with left:
                    type_ = next((wording.CHANNEL_TYPES.get(p.type, p.type) for p in found), "")
                    st.markdown(f"**{formats.in_label(channel)}** {formats.in_label(type_)}")
                    nothing = "Left out." if DROP in applied.get(channel, ()) else "Mended."
                    st.text("\n".join(_sentence(p.what) for p in found) or nothing)
                with right:
                    on[channel] = _toggles(channel, found, applied, titles, of)
    if unknown:
        st.caption(
            f"{formats.counted(len(unknown), 'channel')} of unknown type, listed and not analysed: "
            f"{formats.in_label(', '.join(unknown), 160)}. What they are can be said in step 2."
        )
    if not by_channel and not whole:
        st.caption("No problem was found in any channel that is analysed.")
    return {channel: repairs for channel, repairs in on.items() if repairs}


def _sentence(what: str) -> str:
    text = formats.visible(what, 300)
    return f"{text[:1].upper()}{text[1:]}."


def _toggles(
    channel: str, found: Sequence[Problem], applied: Repairs, titles: Mapping[str, str], of: str
) -> tuple[str, ...]:
    """The switches of a channel: of every repair that is offered or in force; those that are on."""
    offered = list(dict.fromkeys([*applied.get(channel, ()), *(r for p in found for r in p.repairs)]))
    # leaving out is always the last way
    offered.sort(key=lambda r: r == DROP)
    return tuple(
        repair
        for repair in offered
        if st.toggle(
            _title(titles, repair),
            value=repair in applied.get(channel, ()),
            key=_key(of, channel, repair),
        )
    )


def _title(titles: Mapping[str, str], repair: str) -> str:
    text = titles.get(repair, repair)
    return f"{text[:1].upper()}{text[1:]}"


def _for_all(by_channel: Mapping[str, Sequence[Problem]], titles: Mapping[str, str], of: str) -> None:
    """Buttons that switch a repair on for every channel that it is offered for."""
    channels: dict[str, list[str]] = {}
    for channel, found in by_channel.items():
        for repair in dict.fromkeys(r for p in found for r in p.repairs if r != DROP):
            channels.setdefault(repair, []).append(channel)
    many = {repair: names for repair, names in channels.items() if len(names) >= MANY}
    if many:
        with st.container(horizontal=True):
            for repair, names in many.items():
                st.button(
                    f"{_title(titles, repair)} in all {len(names)} channels it is offered for",
                    key=f"all-{of}-{repair}",
                    on_click=_switch_on,
                    args=([_key(of, name, repair) for name in names],),
                )


def _switch_on(keys: Sequence[str]) -> None:
    for key in keys:
        st.session_state[key] = True


def refusal_switches(repairs: Sequence[str], applied: Repairs, titles: Mapping[str, str], *, of: str) -> Repairs:
    """The switches of repairs of the files as a whole, where reading them was refused; those that are on."""
    offered = list(dict.fromkeys([*applied.get(WHOLE, ()), *repairs]))
    on = tuple(
        repair
        for repair in offered
        if st.toggle(_title(titles, repair), value=repair in applied.get(WHOLE, ()), key=_key(of, WHOLE, repair))
    )
    rest = {channel: names for channel, names in applied.items() if channel != WHOLE}
    return rest | ({WHOLE: on} if on else {})
