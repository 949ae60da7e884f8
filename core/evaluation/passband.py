"""Only what was recorded: columns of bands outside a study's pass-band are not computed (requirements c21)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from core.settings import BANDS, BANDS_16

_ALL = (min(low for low, _ in BANDS.values()), max(high for _, high in BANDS.values()))
# what a column hangs on, Hz, where its name names no band: relative powers are shares of all bands (requirements d1)
_HANGS_ON = {
    "rel": _ALL, "ln_ab": (8.0, 30.0), "ln_ta": (4.0, 13.0), "ln_atb": (4.0, 30.0), "faa_comp": (8.0, 13.0),
    "engage_f": (4.0, 30.0), "ftheta_palpha": (4.0, 13.0), "sef95": (1.0, 45.0),
    **{f"psd_{band}": hertz for band, hertz in BANDS_16.items()},
}  # fmt: skip


def needs(column: str) -> tuple[float, float] | None:
    """Lowest and highest frequency, Hz, that an EEG column hangs on; None where it hangs on no band.

    Examples
    --------
    >>> needs("de_delta_AF3"), needs("rel_alpha_O1"), needs("ln_ta_F4"), needs("sd_F4")
    ((1.0, 4.0), (1.0, 30.0), (4.0, 13.0), None)
    """
    for lead, band in _HANGS_ON.items():
        if column == lead or column.startswith(f"{lead}_"):
            return band
    named = [BANDS[word] for word in re.split(r"[^a-z]+", column.lower()) if word in BANDS]
    return (min(low for low, _ in named), max(high for _, high in named)) if named else None


def recorded(column: str, band: tuple[float, float] | None) -> bool:
    """Whether all that a column hangs on was recorded; everything was where the study says no pass-band."""
    wanted = needs(column)
    return band is None or wanted is None or (band[0] <= wanted[0] and wanted[1] <= band[1])


def kept(columns: Mapping[str, Iterable[str]], bands: Mapping[str, tuple[float, float]]) -> dict[str, tuple[str, ...]]:
    """The columns of each channel type that the pass-bands of a study allow."""
    return {t: tuple(c for c in names if t != "eeg" or recorded(c, bands.get(t))) for t, names in columns.items()}
