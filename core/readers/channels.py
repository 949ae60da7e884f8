"""What a channel is: its type, its unit turned into the house's, and its name in the 10-20 spelling.

A channel whose type or unit cannot be told stays ``misc``: it is listed, and not analysed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from core.dsp.montage import HYDROCEL_128
from core.readers.base import Options, refuse, visible
from core.settings import EEG_LEAST_RATE
from core.types import CHANNEL_TYPES, UNITS, InputFile, Notice, Signal

# --- Electrode positions of the 10-10 system, with the four old names of the 10-20 system
_ROWS = {
    "Fp": "1z2", "AF": "9 7 5 3 1 z 2 4 6 8 10", "F": "9 7 5 3 1 z 2 4 6 8 10", "FT": "9 7 8 10",
    "FC": "5 3 1 z 2 4 6", "T": "9 7 8 10 3 4 5 6", "C": "5 3 1 z 2 4 6", "TP": "9 7 8 10", "CP": "5 3 1 z 2 4 6",
    "P": "9 7 5 3 1 z 2 4 6 8 10", "PO": "9 7 5 3 1 z 2 4 6 8 10",
    "O": "1z2", "I": "1z2", "N": "z", "A": "12", "M": "12",
}  # fmt: skip
POSITIONS = {
    (row + place).lower(): row + place
    for row, places in _ROWS.items()
    for place in (places.split() if " " in places else list(places))
}
_OLD_NAMES = {"T3": "T7", "T4": "T8", "T5": "P7", "T6": "P8"}
# what stands behind a position when it was measured against a common reference
_COMMON = "ref|reference|le|re|avg|av|ave|car|cle|a1a2|m1m2|a1|a2|m1|m2|common|g2|gnd|lm|rm"
_ELECTRODE = re.compile(
    rf"^(?:(?:eeg|raw|ch)[\s_.:\-]*)?([a-z]{{1,2}}(?:\d{{1,2}}|z))[\s.]*(?:[\-_/:]\s*(?:{_COMMON}))?$"
)
_BIPOLAR = re.compile(r"^(?:eeg[\s_.:\-]*)?([a-z]{1,2}(?:\d{1,2}|z))\s*[\-–/]\s*([a-z]{1,2}(?:\d{1,2}|z))$")
_NET_NUMBER = re.compile(r"(?:eeg[ ._-]?)?(e\d{1,3})$")
_CAP_NUMBER = re.compile(r"^([A-I])(\d{1,2})$")
# a unit behind a name without brackets: "eda_uS", "ECG mV", "Fp1/µV", "Fp1, uV", "Fp1 in uV"
_TAIL = re.compile(
    r"^(?P<name>.+?)(?:_|\s|\s*[/,.:]\s*|\s+in\s+)"
    r"(?P<unit>[uµμmn][vV]|[uµμ]S|degC|°C|m/s2|m/s\^2|m/s²|(?:(?<=[/,])|(?<=[/,]\s)|(?<=\sin\s))V)$"
)
_EXG = re.compile(r"^(?:exg|ex)[\s_]*(?:channel[\s_]*)?\d{1,3}$")
_NUMBERED_EEG = re.compile(r"^eeg[\s_.:\-]*(?:channel[\s_]*|ch[\s_]*)?\d{0,4}$")

# --- Words in a channel's name
_NOT_A_SIGNAL = {
    "rate", "hr", "ibi", "rr", "nn", "bpm", "status", "trigger", "trig", "stim", "sti", "event", "events", "marker",
    "markers", "annotations", "quality", "counter", "battery", "timestamp", "time", "index", "interpolated", "cq", "eq",
    "pow", "sample", "packet", "label", "valid", "confidence", "flag", "sync", "impedance", "version",
}  # fmt: skip
_WORDS = {
    "ecg": {"ecg", "ekg", "mlii", "mli", "mliii", "electrocardiogram"},
    "eda": {"eda", "gsr", "scl", "electrodermal", "galvanic", "skinconductance"},
    "ppg": {"ppg", "bvp", "pleth", "plet", "plethysmogram", "photoplethysmogram"},
    "resp": {"resp", "respiration", "respiratory", "breathing", "breath", "thorax", "thoracic",
    "abdomen", "abdominal", "rsp"},
    "temp": {"temp", "temperature", "skt"},
    "acc": {"acc", "accel", "accelerometer", "acceleration", "accx", "accy", "accz"},
    "emg": {"emg"},
    "eog": {"eog", "heog", "veog", "reog", "leog", "ieog", "heogl", "heogr", "veogu", "veogl", "veogo"},
}  # fmt: skip
_LEADS = {"i", "ii", "iii", "avr", "avl", "avf", "v1", "v2", "v3", "v4", "v5", "v6", "vx", "vy", "vz"}
ALIASES = {"gsr": "eda", "bvp": "ppg", "ekg": "ecg", "temperature": "temp", "respiration": "resp", "rsp": "resp"}

# --- Units: factor and offset into the house's unit
_MICRO = str.maketrans({"µ": "u", "μ": "u", "²": "2", "°": "", " ": "", "^": "", "℃": "C"})
_VOLTS = {"v": 1.0, "mv": 1e-3, "uv": 1e-6, "nv": 1e-9, "volt": 1.0, "volts": 1.0,
"microvolt": 1e-6, "microvolts": 1e-6,
          "millivolt": 1e-3, "millivolts": 1e-3}  # fmt: skip
_SIEMENS = {"s": 1e6, "ms": 1e3, "us": 1.0, "ns": 1e-3, "umho": 1.0, "mho": 1e6, "microsiemens": 1.0, "usiemens": 1.0,
            "siemens": 1e6}  # fmt: skip
_DEGREES = {"c": (1.0, 0.0), "degc": (1.0, 0.0), "celsius": (1.0, 0.0), "deg": (1.0, 0.0), "degree": (1.0, 0.0),
            "degrees": (1.0, 0.0), "f": (5 / 9, -160 / 9), "degf": (5 / 9, -160 / 9), "fahrenheit": (5 / 9, -160 / 9),
            "k": (1.0, -273.15), "kelvin": (1.0, -273.15)}  # fmt: skip
_GRAVITY = 9.80665  # m/s², standard gravity
_PULLS = {"g": 1.0, "mg": 1e-3, "m/s2": 1 / _GRAVITY, "ms-2": 1 / _GRAVITY, "m/s/s": 1 / _GRAVITY, "1/64g": 1 / 64}
_NO_UNIT = {
    "",
    "n/a",
    "na",
    "none",
    "arb",
    "arb.unit",
    "au",
    "a.u.",
    "a.u",
    "unknown",
    "1",
    "-",
    "boolean",
    "counts",
    "adc",
}
_PER_MINUTE = {"bpm", "/min", "1/min", "rpm", "breaths/min", "brpm"}

# --- What a signal of a type looks like in its unit, to tell a unit that nobody stated: largest and smallest spread
# (95th percentile of the distance from the median) that a person gives
_PLAUSIBLE_SPREAD = {"eeg": (1.0, 3000.0), "eog": (1.0, 5000.0), "emg": (0.5, 10000.0), "ecg": (0.03, 5.0)}
_PLAUSIBLE_LEVEL = {"eda": (0.01, 100.0), "temp": (10.0, 45.0)}
_LARGEST_PULL_G = 4.0


@dataclass(frozen=True)
class Raw:
    """A channel as a file gives it, before anybody says what it is.

    ``unit`` None or empty: the file states none. ``kind`` is the type a file itself declares, ``origin`` its array.
    """

    name: str
    unit: str | None
    data: np.ndarray
    sfreq: float
    onset_s: float = 0.0
    rate_known: bool = True
    kind: str | None = None
    origin: str = ""


def typed(raw: Sequence[Raw], options: Options, notices: list[Notice], file: InputFile) -> tuple[Signal, ...]:
    """Channels with type, house unit and name; what could not be told is said in ``notices``.

    Parameters
    ----------
    raw : sequence of Raw
        All the channels of one file: some types are told by the company a channel keeps.
    options : Options
        Its ``mapping`` wins over everything the file says.
    notices : list of Notice
        Added to.
    file : InputFile
        For messages.
    """
    cap, net = _numbered_cap([r.name for r in raw]), _net([r.name for r in raw])
    only_exg = all(_EXG.match(r.name.strip().lower()) or _is_not_a_signal(r.name) for r in raw)
    said: dict[str, list[str]] = {}
    made: list[Signal] = []
    kinds: list[str] = []
    units: list[str | None] = []
    for r in raw:
        kind, unit = _told(r, options, file) or _guessed(r, cap, net, only_exg, said)
        kinds.append(kind)
        units.append(unit)
    acc_fits = _acc_fits([r for r, k, u in zip(raw, kinds, units, strict=True) if k == "acc" and _blank(u)])
    old_names = not any(_electrode(r.name) in _OLD_NAMES.values() for r in raw)
    for r, kind, unit in zip(raw, kinds, units, strict=True):
        base, in_name = split_unit(r.name)
        unit = in_name if _blank(unit) and in_name else unit
        name = visible(base if kind != "misc" and in_name else r.name) or "unnamed"
        if kind != "misc" and not r.rate_known and options.sfreq is None:
            kind = "misc"
        data = np.asarray(r.data)
        data = data.astype(np.float32) if data.dtype.kind != "f" or data.itemsize > 4 else data
        house = UNITS.get(kind, "")
        if kind != "misc":
            data, unit_note = _converted(data, kind, unit, acc_fits)
            if unit_note:
                said.setdefault(unit_note, []).append(name)
            if unit_note in _LEAVES_OUT:
                kind, data = "misc", np.asarray(r.data, dtype=np.float32)
        if kind == "misc":
            house = visible(unit or "", 16)
        if kind == "eeg":
            name = net.get(r.name) or _eeg_name(r.name, name, cap, old_names, said)
        if kind == "eeg" and r.sfreq < EEG_LEAST_RATE:
            said.setdefault("slow", []).append(name)
        made.append(Signal(name, kind, house, float(r.sfreq), data, float(r.onset_s)))
        if visible(r.name) != r.name.strip() or re.search(r"[^\x20-\x7eµμ°²]|[<>]|^\s*[=+@\-]|\]\(|\$", r.name):
            said.setdefault("characters", []).append(name)
    _notices(said, made, notices)
    return tuple(made)


def _told(r: Raw, options: Options, file: InputFile) -> tuple[str, str | None] | None:
    """Type and unit that a person gave for this column, or None."""
    key = next((k for k in (r.name, r.name.strip(), visible(r.name), _electrode(r.name)) if k in options.mapping), None)
    if key is None:
        return None
    options.used.add(key)
    said = options.mapping[key]
    kind = ALIASES.get(str(said.get("type", "")).lower(), str(said.get("type", "")).lower())
    if not kind:
        kind = r.kind or type_of(r.name, said.get("unit"))
    if kind not in CHANNEL_TYPES:
        raise refuse(
            "E-MAP", file, f'the map gives column "{visible(key)}" the type "{visible(kind)}", which is none of ours.',
            f"Use one of {', '.join(CHANNEL_TYPES)}.",
        )  # fmt: skip
    unit = said.get("unit")
    if unit and kind != "misc" and factor(kind, unit) is None:
        raise refuse(
            "E-MAP", file,
            f'the map gives column "{visible(key)}" the unit "{visible(unit)}", which does not fit {kind}.',
            f"Use a unit such as {UNITS[kind]}.",
        )  # fmt: skip
    return kind, unit or r.unit or (UNITS.get(kind) if r.kind == kind else None)


def _guessed(
    r: Raw, cap: bool, net: Mapping[str, str], only_exg: bool, said: dict[str, list[str]]
) -> tuple[str, str | None]:
    """Type and unit as the file and the channel's name say."""
    if r.kind is not None:
        if r.kind == "eeg" and _NUMBERED_EEG.match(r.name.strip().lower()) and not r.origin:
            said.setdefault("no position", []).append(visible(r.name))
        return r.kind, r.unit if r.unit is not None else (UNITS.get(r.kind) if r.origin else None)
    voltage = not _blank(r.unit) and factor("eeg", r.unit or "") is not None
    name = r.name.strip()
    if cap and _CAP_NUMBER.match(name):
        if voltage:
            said.setdefault("cap", []).append(name)
        return ("eeg" if voltage else "misc"), r.unit
    if r.name in net:
        return ("eeg" if voltage else "misc"), r.unit
    if _EXG.match(name.lower()):
        if only_exg and voltage:
            said.setdefault("no position", []).append(visible(name))
            return "eeg", r.unit
        return "misc", r.unit
    kind = type_of(r.name, r.unit)
    if kind == "eeg" and not _electrode(r.name) and not _BIPOLAR.match(name.lower()):
        said.setdefault("no position", []).append(visible(name))
    return kind, r.unit


def type_of(name: str, unit: str | None = None) -> str:
    """Channel type by name, with the unit where a name alone could mean two things; misc when it cannot be told.

    >>> type_of("EEG Fp1-Ref"), type_of("GSR"), type_of("BVP"), type_of("Event marker")
    ('eeg', 'eda', 'ppg', 'misc')
    """
    base = split_unit(name)[0].strip().lower()
    if _electrode(name):
        return "eeg"
    bipolar = _BIPOLAR.match(base)
    if bipolar and bipolar[1] in POSITIONS and bipolar[2] in POSITIONS:
        return "eeg"
    words = set(re.findall(r"[a-z]+\d*|\d+", re.sub(r"([a-z])([A-Z])", r"\1 \2", split_unit(name)[0]).lower()))
    letters = {re.sub(r"\d+$", "", w) for w in words} | words
    if letters & _NOT_A_SIGNAL:
        return "misc"
    if "conductance" in words:
        return "eda"
    if not _blank(unit) and (unit or "").lower().replace(" ", "") in _PER_MINUTE:
        return "misc"
    found = [kind for kind, known in _WORDS.items() if letters & known]
    if len(found) == 1:
        return found[0]
    if found:
        # "EEG EMG-ref", "ECG EMG artefact": two kinds in one name say neither
        return "misc"
    volts = not _blank(unit) and factor("ecg", unit or "") is not None
    if re.sub(r"^lead\s*", "", base) in _LEADS and (volts or base.startswith("lead")):
        return "ecg"
    if _NUMBERED_EEG.match(base):
        return "eeg"
    return "misc"


def _is_not_a_signal(name: str) -> bool:
    return type_of(name) == "misc" and bool(set(re.findall(r"[a-z]+", name.lower())) & (_NOT_A_SIGNAL | {"accel"}))


def _electrode(name: str) -> str | None:
    """The electrode position a name means, in the 10-20 spelling; None when it means none.

    >>> _electrode("EEG FP1-REF"), _electrode("fpz."), _electrode("EEG.AF3"), _electrode("C3-A2"), _electrode("X9")
    ('Fp1', 'Fpz', 'AF3', 'C3', None)
    """
    found = _ELECTRODE.match(split_unit(name)[0].strip().lower())
    return POSITIONS.get(found[1]) if found else None


def _eeg_name(original: str, name: str, cap: bool, old_names: bool, said: dict[str, list[str]]) -> str:
    """The name under which models look for an electrode."""
    if cap and _CAP_NUMBER.match(original.strip()):
        # C3 of a cap numbered A1 ... H16 is not the place C3 of the 10-20 system
        return f"cap {original.strip()}" if original.strip().lower() in POSITIONS else name
    found = _electrode(original)
    if found in _OLD_NAMES and old_names:
        said.setdefault("old names", []).append(f"{found} as {_OLD_NAMES[found]}")
        return _OLD_NAMES[found]
    if found:
        return found
    pair = _BIPOLAR.match(original.strip().lower())
    if pair and pair[1] in POSITIONS and pair[2] in POSITIONS:
        return f"{POSITIONS[pair[1]]}-{POSITIONS[pair[2]]}"
    return name


def _numbered_cap(names: Iterable[str]) -> bool:
    """Whether the names count electrodes of a cap (A1 ... A32, B1 ...) rather than name places of the 10-20 system."""
    found = [m for m in (_CAP_NUMBER.match(n.strip()) for n in names) if m]
    return len(found) >= 16 and {m[1] for m in found} >= {"A", "B"} and any(int(m[2]) > 10 for m in found)


def _net(names: Iterable[str]) -> dict[str, str]:
    """The electrodes of a HydroCel net of 128 (E1 ... E129, with or without EEG before) by the names in the file.

    Only where all are there whose place is known: E1 and E2 of a sleep recording are the eyes.
    """
    found = {n: m[1].upper() for n in names if (m := _NET_NUMBER.match(n.strip().lower()))}
    return found if set(HYDROCEL_128) <= set(found.values()) else {}


def split_unit(name: str) -> tuple[str, str | None]:
    """A name and the unit written in it.

    >>> split_unit("ECG (mV)"), split_unit("eda_uS"), split_unit("Fp1")
    (('ECG', 'mV'), ('eda', 'uS'), ('Fp1', None))
    """
    bracket = re.match(r"^(.*?)\s*[\[(]\s*([^\[\]()]{1,16}?)\s*[\])]\s*$", name)
    if bracket and _known_unit(bracket[2]):
        return bracket[1], bracket[2]
    tail = _TAIL.match(name)
    return (tail["name"], tail["unit"]) if tail else (name, None)


def _known_unit(unit: str) -> bool:
    return any(factor(kind, unit) is not None for kind in ("eeg", "eda", "temp", "acc")) or _plain(unit) in _PER_MINUTE


def _plain(unit: str) -> str:
    return unit.strip().translate(_MICRO).lower()


def _blank(unit: str | None) -> bool:
    return unit is None or _plain(unit) in _NO_UNIT


def factor(kind: str, unit: str) -> tuple[float, float] | None:
    """Factor and offset that turn ``unit`` into the house's unit of a channel type; None when it does not fit.

    >>> factor("ecg", "uV"), factor("eeg", "S")
    ((0.001, 0.0), None)
    """
    # mS is a conductance and ms a time: only a capital S is siemens
    plain = _plain(unit)
    if kind in ("eeg", "eog", "emg", "ecg"):
        volts = _VOLTS.get(plain)
        # MV would be megavolts; devices write it for millivolts
        return None if volts is None else (float(f"{volts * (1e3 if kind == 'ecg' else 1e6):.12g}"), 0.0)
    if kind == "eda":
        siemens = _SIEMENS.get(plain)
        return None if siemens is None or (plain in ("s", "ms", "ns") and "S" not in unit) else (siemens, 0.0)
    if kind == "temp":
        return _DEGREES.get(plain)
    if kind == "acc":
        return (_PULLS[plain], 0.0) if plain in _PULLS else None
    return (1.0, 0.0)


_LEAVES_OUT = {"unit does not fit", "unit not told", "looks like volts"}


def _converted(data: np.ndarray, kind: str, unit: str | None, acc_fits: bool) -> tuple[np.ndarray, str | None]:
    """Data in the house's unit and, where the file left a doubt, a word for it."""
    if _blank(unit):
        if kind in ("ppg", "resp", "face"):
            return data, None
        if fits(data, kind) and (kind != "acc" or acc_fits):
            return data, "unit assumed"
        return data, "looks like volts" if kind in _PLAUSIBLE_SPREAD and 0 < spread(data) < 3e-3 else "unit not told"
    scale = factor(kind, unit or "")
    if scale is None:
        return data, "unit does not fit"
    times, plus = scale
    if (times, plus) == (1.0, 0.0):
        return data, None
    return (data.astype(np.float64) * times + plus).astype(np.float32), None


def spread(data: np.ndarray) -> float:
    """95th percentile of the distance from the median, of at most 20,000 samples; 0 without any."""
    some = data[:: max(1, len(data) // 20_000)].astype(np.float64)
    some = some[np.isfinite(some)]
    return float(np.percentile(np.abs(some - np.median(some)), 95)) if some.size else 0.0


def _level(data: np.ndarray) -> float:
    some = data[:: max(1, len(data) // 20_000)]
    some = some[np.isfinite(some)]
    return float(np.median(some)) if some.size else float("nan")


def fits(data: np.ndarray, kind: str) -> bool:
    """Whether values without a stated unit look like a person's in the house's unit."""
    if kind in _PLAUSIBLE_SPREAD:
        low, high = _PLAUSIBLE_SPREAD[kind]
        return low <= spread(data) <= high
    if kind in _PLAUSIBLE_LEVEL:
        low, high = _PLAUSIBLE_LEVEL[kind]
        return low <= _level(data) <= high
    return True


def _acc_fits(axes: Sequence[Raw]) -> bool:
    """Whether accelerations without a unit look like g: together, for gravity may lie on any one axis."""
    return all(abs(_level(r.data)) + spread(r.data) <= _LARGEST_PULL_G for r in axes)


def _notices(said: dict[str, list[str]], made: Sequence[Signal], notices: list[Notice]) -> None:
    """One sentence for each kind of doubt, naming its channels."""
    sentences = {
        "unit assumed": ("W-UNIT", "No unit is stated for {n}; read in {units}, which their values fit."),
        "unit not told": (
            "W-UNIT", "No unit is stated for {n} and the values do not tell it: listed, not analysed. "
            "Say it with --map.",
        ),
        "looks like volts": (
            "W-UNIT", "No unit is stated for {n}; the values are so small that they may be volts: listed, "
            "not analysed. Say the unit with --map.",
        ),
        "unit does not fit": (
            "W-UNIT", "The unit stated for {n} does not fit the type its name says: listed, not analysed. "
            "Say type and unit with --map if you know them.",
        ),
        "slow": (
            "W-RATE", f"The sampling rate of {{n}} is below {EEG_LEAST_RATE:g} Hz: values that rest on faster rhythms "
            "are not computed, and no model of the EEG is used.",
        ),
        "no position": (
            "W-CHANNELS", "The channel names of {n} say no electrode position. Read as EEG; values that need a "
            "position are not computed.",
        ),
        "cap": (
            "W-CHANNELS", "The channel names number the electrodes of a cap ({n}) and are not places of the 10-20 "
            "system. Read as EEG; values that need a position are not computed.",
        ),
        "old names": ("W-CHANNELS", "Old channel names: {n} (the same positions)."),
        "characters": ("W-CHANNELS", "Channel names hold unusual characters, shown as they are: column names {n}."),
    }  # fmt: skip
    kind_of = {s.name: s.unit for s in made}
    for key, (code, sentence) in sentences.items():
        if said.get(key):
            units = sorted({kind_of.get(n, "") for n in said[key]} - {""})
            notices.append(Notice(code, sentence.format(n=listed(said[key]), units=" and ".join(units))))


def listed(names: Sequence[str], most: int = 4) -> str:
    """Some names in words: the first few, then how many more.

    >>> listed(["Cz", "Pz"]), listed([str(i) for i in range(9)], 2)
    ('"Cz", "Pz"', '"0", "1" and 7 more')
    """
    shown = ", ".join(f'"{n}"' for n in names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
