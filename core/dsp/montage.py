"""Where EEG electrodes lie, and one spelling for their names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from core.types import Recording

# 10-10 positions in mm (x right, y front, z up), the template that MNE-Python ships as standard_1005
POSITIONS_MM = {
    "Fp1": (-29, 84, -7), "Fpz": (0, 88, -2), "Fp2": (30, 85, -7), "AF7": (-55, 69, -11),
    "AF3": (-34, 77, 21), "AFz": (0, 81, 35), "AF4": (36, 78, 22), "AF8": (56, 70, -11),
    "F9": (-70, 42, -50), "F7": (-70, 42, -11), "F5": (-64, 48, 17), "F3": (-50, 53, 42),
    "F1": (-27, 57, 60), "Fz": (0, 59, 66), "F2": (30, 58, 60), "F4": (52, 54, 41),
    "F6": (68, 50, 16), "F8": (73, 44, -12), "F10": (72, 42, -50), "FT9": (-84, 15, -50),
    "FT7": (-81, 14, -11), "FC5": (-77, 19, 24), "FC3": (-60, 23, 56), "FC1": (-34, 26, 80),
    "FCz": (0, 27, 89), "FC2": (35, 26, 79), "FC4": (62, 24, 56), "FC6": (80, 20, 24),
    "FT8": (82, 15, -11), "FT10": (84, 14, -51), "T9": (-86, -16, -48), "T7": (-84, -16, -9),
    "C5": (-80, -14, 29), "C3": (-65, -12, 64), "C1": (-36, -10, 90), "Cz": (0, -9, 100),
    "C2": (38, -10, 88), "C4": (67, -11, 64), "C6": (83, -13, 29), "T8": (85, -15, -9),
    "T10": (86, -16, -48), "TP9": (-86, -47, -46), "TP7": (-85, -46, -7), "CP5": (-80, -47, 31),
    "CP3": (-64, -47, 66), "CP1": (-36, -47, 91), "CPz": (0, -47, 99), "CP2": (38, -47, 91),
    "CP4": (67, -47, 66), "CP6": (83, -46, 31), "TP8": (86, -46, -7), "TP10": (86, -47, -46),
    "P9": (-73, -74, -41), "P7": (-72, -73, -2), "P5": (-67, -76, 28), "P3": (-53, -79, 56),
    "P1": (-29, -81, 75), "Pz": (0, -81, 83), "P2": (32, -80, 77), "P4": (56, -79, 57),
    "P6": (68, -76, 28), "P8": (73, -73, -3), "P10": (74, -74, -41), "PO9": (-55, -98, -35),
    "PO7": (-55, -98, 3), "PO3": (-37, -101, 37), "POz": (0, -102, 51), "PO4": (37, -101, 36),
    "PO8": (56, -98, 3), "PO10": (55, -98, -36), "O1": (-29, -112, 9), "Oz": (0, -115, 15),
    "O2": (30, -112, 9), "Iz": (0, -119, -23),
}  # fmt: skip
# the 10-20 names of before 1991
OLD_NAMES = {"T3": "T7", "T4": "T8", "T5": "P7", "T6": "P8"}
# EGI HydroCel 128: the electrode nearest to each 10-10 place (Luu and Ferree 2005, EGI technical note)
HYDROCEL_128 = {
    "E22": "Fp1", "E9": "Fp2", "E23": "AF3", "E3": "AF4", "E33": "F7", "E24": "F3", "E11": "Fz", "E124": "F4",
    "E122": "F8", "E28": "FC5", "E117": "FC6", "E45": "T7", "E36": "C3", "E104": "C4", "E108": "T8", "E58": "P7",
    "E52": "P3", "E62": "Pz", "E92": "P4", "E96": "P8", "E70": "O1", "E75": "Oz", "E83": "O2",
}  # fmt: skip
# of the positions of a headset so many may be left out or not recorded at all (requirements d4: 4 of 14)
LACKING_SHARE = 4 / 14
_CANONICAL = {name.lower(): name for name in POSITIONS_MM} | {old.lower(): new for old, new in OLD_NAMES.items()}


def canonical(name: str) -> str:
    """The 10-10 spelling of an EEG channel's name (``fp1`` and ``FP1`` are Fp1, T3 is T7); others stay as they are."""
    return _CANONICAL.get(name.strip().lower(), name)


def places(names: Sequence[str]) -> list[str]:
    """The 10-10 spelling of all EEG channels of a recording; a HydroCel net of 128 is known by its names E1 to E128."""
    if sum(name in HYDROCEL_128 for name in names) == len(HYDROCEL_128) and len(names) <= 129:
        return [HYDROCEL_128.get(name, name) for name in names]
    return [canonical(name) for name in names]


def lacking(names: Sequence[str], wanted: Sequence[str]) -> tuple[str, ...]:
    """The wanted positions that are not among the EEG channels of a recording.

    Examples
    --------
    >>> lacking(["fp1", "T3", "O1"], ("T7", "O1", "O2"))
    ('O2',)
    """
    here = set(places(names))
    return tuple(place for place in wanted if place not in here)


def reduced(recording: Recording, wanted: Sequence[str]) -> Recording:
    """A recording whose EEG has only the wanted positions, where more were recorded and some of them are there.

    A net of 128 or a cap of 32 becomes what a headset would have seen, in studies and in the clinic alike, so that a
    model of one serves recordings of another. Channels are called by their positions from then on, and marks go with
    them.
    """
    eeg = recording.of_type("eeg")
    at = {s.name: place for s, place in zip(eeg, places([s.name for s in eeg]), strict=True)}
    kept = {name: place for name, place in at.items() if place in wanted}
    if len(eeg) <= len(wanted) or not kept:
        return recording
    signals = (
        replace(s, name=kept[s.name]) if s.type == "eeg" else s
        for s in recording.signals
        if s.type != "eeg" or s.name in kept
    )
    marks = (
        replace(a, description=f"{a.description.partition('@@')[0]}@@{kept[a.channel]}") if a.channel in kept else a
        for a in recording.annotations
        if a.channel in kept or a.channel not in at
    )
    return replace(recording, signals=tuple(signals), annotations=tuple(marks))


def neighbours(names: list[str], count: int) -> np.ndarray:
    """Which channels are the ``count`` nearest of each.

    Returns
    -------
    ndarray of bool, shape (n_channels, n_channels)
        Row i marks the neighbours of channel i. Where the position of a channel is unknown, its
        neighbours are all others.
    """
    n = len(names)
    near = ~np.eye(n, dtype=bool)
    known = [canonical(name) in POSITIONS_MM for name in names]
    if not all(known):
        return near
    place = np.array([POSITIONS_MM[canonical(name)] for name in names], dtype=float)
    distance = np.linalg.norm(place[:, None] - place[None], axis=-1)
    np.fill_diagonal(distance, np.inf)
    if n - 1 > count:
        near[:] = False
        np.put_along_axis(near, np.argsort(distance, axis=1, kind="stable")[:, :count], True, axis=1)
    return near
