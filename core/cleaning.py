"""Recording -> Recording: what a person marked, and the eyes taken out of the EEG; only where somebody asked for it.

Blinks and eye movements are found by independent component analysis (ICA): components that follow the EOG, or without
one the frontal channels (requirements S4-03). What is taken out of the EEG is a weighted sum of its own channels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from core import quality
from core.dsp.filters import bandpass
from core.dsp.montage import canonical
from core.types import Annotation, Notice, Pipeline, Quality, Reading, Reason, Recording, Signal

SEED = 97
COMPONENTS = 20
# S4-03 fits on 4-48 Hz. Blinks live below 4 Hz: on simulated ones the component then misses them, so the fit is from
# 1 Hz on, as MNE advises, and up to 40 Hz, where muscle and mains begin
FIT_HZ = (1.0, 40.0)
# components are compared with the EOG where eye movements are, as MNE does
EYE_HZ = (1.0, 10.0)
# never drop below this |r|, nor more than this many (S4-03)
LEAST_R, MOST_DROPPED = 0.3, 2
# the frontal channels of which the first pair that is there stands for an EOG
PROXIES = (("Fp1", "Fp2"), ("AF3", "AF4"), ("AF7", "AF8"))
# own: a frontal channel is a sum of the components, so one of them always follows it; what blinks is also rare and
# large, which a rhythm is not (excess kurtosis: sine -1.5, noise 0, blinks every 4 s about 10)
PROXY_KURTOSIS = 3.0
# own: fewer channels cannot be told apart; 20 samples for each weight and 20 s hold a few blinks
LEAST_CHANNELS, LEAST_S, SAMPLES_A_WEIGHT = 4, 20.0, 20
# more samples add time and nothing else: ICA asks for no order, so every k-th is as good as all
MOST_SAMPLES = 50_000
# directions with less than this share of the largest variance are rounding (channels that are a sum of others)
RANK_SHARE = 1e-7
# stretches that must not be learnt from
_UNUSABLE = ("gap", "flat", "rail", "marked")


@dataclass(frozen=True)
class Ocular:
    """Components of an EEG and how each follows the eyes.

    ``mixing`` has shape (n_channels, n_components), µV of each channel for a component of SD 1: what it looks like on
    the scalp; ``unmixing`` (n_components, n_channels) gives the components from the EEG. ``share`` is the share of the
    EEG's variance that each explains, largest first; ``r`` (n_components, n_against) the |r| with each channel of
    ``against``, which are EOG channels or frontal ones in their place (``proxy``). ``drop`` are the components that
    would be taken out. Without components, ``reason`` says why; ``text`` is a sentence for a person in any case.
    """

    channels: tuple[str, ...]
    mixing: np.ndarray
    unmixing: np.ndarray
    share: np.ndarray
    against: tuple[str, ...]
    proxy: bool
    r: np.ndarray
    drop: tuple[int, ...]
    reason: Reason | None = None
    text: str = ""

    def __len__(self) -> int:
        return self.mixing.shape[1]

    @property
    def strongest(self) -> np.ndarray:
        """The largest |r| of each component, 0 without a channel to compare with; shape (n_components,)."""
        return self.r.max(axis=1) if self.against else np.zeros(len(self))


def as_arrays(found: Ocular) -> dict[str, np.ndarray]:
    """Components as arrays that can be kept without pickling."""
    return {f.name: np.array("" if (value := getattr(found, f.name)) is None else value) for f in fields(found)}


def from_arrays(arrays: Mapping[str, np.ndarray]) -> Ocular:
    """Components from what ``as_arrays`` gave."""
    return Ocular(
        tuple(str(name) for name in arrays["channels"]), arrays["mixing"], arrays["unmixing"], arrays["share"],
        tuple(str(name) for name in arrays["against"]), bool(arrays["proxy"]), arrays["r"],
        tuple(int(i) for i in arrays["drop"]), Reason(str(arrays["reason"])) if str(arrays["reason"]) else None,
        str(arrays["text"]),
    )  # fmt: skip


def _nothing(reason: Reason, text: str) -> Ocular:
    return Ocular((), np.empty((0, 0)), np.empty((0, 0)), np.empty(0), (), False, np.empty((0, 0)), (), reason, text)


def cleaned(recording: Recording, reading: Reading, pipeline: Pipeline) -> tuple[Recording, tuple[Notice, ...]]:
    """A recording as a person wants it judged: channels and stretches marked, components of the eyes taken out.

    Without anything said, it is the recording itself. What was asked for and could not be done is a notice.
    """
    recording = marked(recording, reading)
    if reading.ocular is None:
        return recording, ()
    found = ocular(recording, pipeline)
    drop = chosen(found, reading.ocular)
    if drop:
        return without(recording, found, drop), ()
    return recording, (Notice("W-OCULAR", f"No component of the eyes was taken out. {found.text}"),)


def marked(recording: Recording, reading: Reading) -> Recording:
    """The recording with the channels and stretches that a person marked."""
    if not reading.bad and not reading.marks:
        return recording
    whole = ((-np.inf, np.inf),)
    signals = tuple(replace(s, marked=whole) if s.name in reading.bad else s for s in recording.signals)
    notes = sorted((*recording.annotations, *(Annotation(*m) for m in reading.marks)), key=lambda a: a.onset_s)
    return replace(recording, signals=signals, annotations=tuple(notes))


def chosen(found: Ocular, wanted: Sequence[str]) -> tuple[int, ...]:
    """The components that a reading names: ``("auto",)``, or their numbers."""
    if tuple(wanted) == ("auto",):
        return found.drop
    return tuple(sorted({int(w) for w in wanted if w.isdecimal() and int(w) < len(found)}))


def ocular(recording: Recording, pipeline: Pipeline, seed: int = SEED) -> Ocular:
    """Independent components of the EEG, and which of them are of the eyes.

    Channels that quality leaves out take no part, nor stretches with gaps or marks. Same input, same answer.
    """
    eeg = replace(recording, signals=recording.of_type("eeg"))
    if not eeg.signals:
        return _nothing(Reason.MISSING_CHANNEL, "There is no EEG in this recording.")
    verdict = quality.assess(replace(recording, signals=recording.of_type("eeg", "eog")), pipeline)
    signals = _together(eeg, verdict)
    if len(signals) < LEAST_CHANNELS:
        can = f"{len(signals)} EEG channel{'s' if len(signals) != 1 else ''} of one rate can be used"
        return _nothing(Reason.TOO_FEW, f"{can}, and components need {LEAST_CHANNELS}.")
    sfreq = signals[0].sfreq
    if 0.45 * sfreq < EYE_HZ[1]:
        return _nothing(Reason.NOT_SUPPORTED, f"At {sfreq:g} Hz the EEG does not hold what eyes do.")
    x = _band(signals, FIT_HZ)
    good = np.isfinite(x).all(axis=0) & _usable(signals, verdict)
    n = min(COMPONENTS, _rank(x[:, good])) if good.any() else 0
    if good.sum() < max(LEAST_S * sfreq, SAMPLES_A_WEIGHT * n**2) or n < 2:
        return _nothing(
            Reason.TOO_SHORT, f"{good.sum() / sfreq:.0f} s of the EEG can be used, and components need more."
        )
    channels = tuple(s.name for s in signals)
    mixing, unmixing, share = _decompose(x[:, good], channels, sfreq, n, seed)
    names, eyes, proxy = _eyes(recording, signals, verdict)
    if not names:
        text = "No EOG and no frontal channel to compare with: components can only be chosen by hand."
        return Ocular(channels, mixing, unmixing, share, (), False, np.empty((n, 0)), (), None, text)
    sources = unmixing @ np.nan_to_num(_band(signals, EYE_HZ))
    kept = good & np.isfinite(eyes).all(axis=0)
    r = np.abs(_correlations(sources[:, kept], eyes[:, kept]))
    able = r.max(axis=1) >= LEAST_R
    if proxy:
        able &= _kurtosis(sources[:, kept]) >= PROXY_KURTOSIS
    order = [int(i) for i in np.argsort(-r.max(axis=1), kind="stable") if able[i]][:MOST_DROPPED]
    said = _said(names, proxy, len(order))
    return Ocular(channels, mixing, unmixing, share, names, proxy, r, tuple(sorted(order)), None, said)


def without(recording: Recording, found: Ocular, drop: Sequence[int]) -> Recording:
    """The recording with components taken out of its EEG; every other sample is the same bit for bit.

    The EEG is not filtered by it: the weights are those of the fit, applied to the signals around their medians. A
    missing sample stays missing, and gives nothing to the other channels.
    """
    if not drop:
        return recording
    at = {name: i for i, name in enumerate(found.channels)}
    eeg = [s for s in recording.of_type("eeg") if s.name in at]
    rows = np.array([at[s.name] for s in eeg])
    data = np.stack([np.asarray(s.data, dtype=np.float64) for s in eeg])
    taken = remove(data, found, drop, rows)
    new = {id(s): taken[i].astype(np.asarray(s.data).dtype) for i, s in enumerate(eeg)}
    signals = tuple(replace(s, data=new[id(s)]) if id(s) in new else s for s in recording.signals)
    return replace(recording, signals=signals)


def remove(
    data: np.ndarray, found: Ocular, drop: Sequence[int], rows: np.ndarray, centre: np.ndarray | None = None
) -> np.ndarray:
    """EEG of shape (n, n_times) less some components; ``rows`` are the places of its channels in ``found``.

    ``centre`` (n,) are the levels of the channels, by default their medians here.
    """
    out = np.array(drop)
    level = np.nanmedian(data, axis=1) if centre is None else centre
    moved = np.nan_to_num(data - level[:, None])
    return data - found.mixing[np.ix_(rows, out)] @ (found.unmixing[np.ix_(out, rows)] @ moved)


# --- steps


def _together(eeg: Recording, verdict: Quality) -> list[Signal]:
    """The channels that are not left out and share rate, start and length; the largest such group."""
    bad = verdict.bad_names("eeg")
    groups: dict[tuple, list[Signal]] = {}
    for signal in eeg.signals:
        if signal.name not in bad:
            groups.setdefault((signal.sfreq, signal.onset_s, len(signal.data)), []).append(signal)
    return max(groups.values(), key=len, default=[])


def _usable(signals: Sequence[Signal], verdict: Quality) -> np.ndarray:
    """Samples outside gaps, flat stretches and marks of every channel, shape (n_times,)."""
    names, first = {s.name for s in signals}, signals[0]
    time_s = first.onset_s + np.arange(len(first.data)) / first.sfreq
    out = np.ones(len(time_s), dtype=bool)
    for span in {(b.onset_s, b.onset_s + b.duration_s) for s in verdict.signals if s.name in names
                 for b in s.spans if b.reason in _UNUSABLE}:  # fmt: skip
        out &= (time_s < span[0]) | (time_s >= span[1])
    return out


def _band(signals: Sequence[Signal], hz: tuple[float, float]) -> np.ndarray:
    """Signals of one rate in a band, its high cut below half the rate; shape (n, n_times)."""
    high = min(hz[1], 0.45 * signals[0].sfreq)
    # a copy in float32 must give the same components as the file it was made of
    data = [np.asarray(s.data, dtype=np.float32).astype(np.float64) for s in signals]
    return np.stack([bandpass(x, s.sfreq, hz[0], high, order=2) for x, s in zip(data, signals, strict=True)])


def _rank(x: np.ndarray) -> int:
    """How many directions the channels have."""
    power = np.linalg.eigvalsh(np.cov(x / x.std(axis=1, keepdims=True)))
    return int((power > RANK_SHARE * power.max()).sum())


def _decompose(
    x: np.ndarray, names: Sequence[str], sfreq: float, n: int, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(mixing, unmixing, share) of n components of SD 1, by MNE's FastICA; that which explains most comes first."""
    import warnings

    import mne

    raw = mne.io.RawArray(1e-6 * x, mne.create_info(list(names), sfreq, "eeg"), verbose="error")
    ica = mne.preprocessing.ICA(n, random_state=seed, method="fastica", max_iter=200, verbose="error")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # rhythms of noise do not converge; blinks do
        ica.fit(raw, decim=max(1, -(-x.shape[1] // MOST_SAMPLES)), reject_by_annotation=False, verbose="error")
    scale = ica.pre_whitener_  # V, shape (n_channels, 1): fitted on volts divided by it
    unmixing = ica.unmixing_matrix_ @ ica.pca_components_[:n] / scale.T * 1e-6
    mixing = scale * (ica.pca_components_[:n].T @ ica.mixing_matrix_) * 1e6
    sd = (unmixing @ x).std(axis=1)
    mixing, unmixing = mixing * sd, unmixing / sd[:, None]
    share = (mixing**2).sum(axis=0) / x.var(axis=1).sum()
    order = np.argsort(-share, kind="stable")
    return mixing[:, order], unmixing[order], share[order]


def _eyes(
    recording: Recording, signals: Sequence[Signal], verdict: Quality
) -> tuple[tuple[str, ...], np.ndarray, bool]:
    """(names, their signals in the band of the eyes at the EEG's times, whether they stand for an EOG)."""
    bad = verdict.bad_names("eog")
    eog = [s for s in recording.of_type("eog") if s.name not in bad and 0.45 * s.sfreq > EYE_HZ[1]]
    if eog:
        first = signals[0]
        time_s = first.onset_s + np.arange(len(first.data)) / first.sfreq
        rows = []
        for signal in eog:
            own_s = signal.onset_s + np.arange(len(signal.data)) / signal.sfreq
            rows.append(np.interp(time_s, own_s, _band([signal], EYE_HZ)[0], left=np.nan, right=np.nan))
        return tuple(s.name for s in eog), np.stack(rows), False
    by_name = {canonical(s.name): s for s in signals}
    for pair in PROXIES:
        found = [by_name[name] for name in pair if name in by_name]
        if found:
            return tuple(s.name for s in found), _band(found, EYE_HZ), True
    return (), np.empty((0, 0)), False


def _correlations(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Pearson r of each row of one with each row of the other, 0 where one is constant."""
    a, b = (x - x.mean(axis=1, keepdims=True) for x in (a, b))
    size = np.sqrt(np.outer((a**2).sum(axis=1), (b**2).sum(axis=1)))
    return np.divide(a @ b.T, size, out=np.zeros_like(size), where=size > 0)


def _kurtosis(x: np.ndarray) -> np.ndarray:
    """Excess kurtosis of each row."""
    x = x - x.mean(axis=1, keepdims=True)
    return (x**4).mean(axis=1) / (x**2).mean(axis=1) ** 2 - 3


def _said(names: Sequence[str], proxy: bool, n: int) -> str:
    """What was compared and what follows, as a sentence."""
    who = f"{' and '.join(names)} (in place of an EOG)" if proxy else " and ".join(names)
    if n == 0:
        return f"No component follows {who} closely enough."
    return f"{n} component{'s follow' if n > 1 else ' follows'} {who}."
