"""Quality of the EEG (requirements d4)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from core.dsp import grid, spectral
from core.dsp.filters import highpass, lowpass, notch
from core.dsp.montage import LACKING_SHARE, neighbours
from core.quality.common import (
    BLOCKING,
    GOOD_SHARE,
    LINE_HALF_HZ,
    LINE_SHARE,
    VOLTS_BELOW,
    WORDS,
    Cut,
    Verdict,
    by_share,
    first_look,
    flag_reasons,
    flat_run,
    leave_out_blocked,
    rail,
    share_of,
    share_reason,
    spread,
    type_quality,
)
from core.types import Grade, Pipeline, Signal, TypeQuality

# windows are judged after this high-pass, Hz (EPOC raw data carries an offset of 4200 µV)
HIGHPASS_HZ = 0.5
FLAT_SD_UV = 0.5
FLAT_RUN_S = 0.5
AMPLITUDE_UV = 200.0  # 0.5-99.5 percentile range
JUMP_UV, JUMP_S, JUMP_SHARE = 30.0, 1 / 128, 0.01
WHOLE_HZ = (1.0, 45.0)
MUSCLE_HZ, BRAIN_HZ, MUSCLE_RATIO = (30.0, 45.0), (1.0, 30.0), 1.0
LONELY_R, LONELY_NEAREST, LONELY_SHARE, LONELY_CHANNELS = 0.1, 4, 0.6, 3
DUPLICATE_R = 0.99999  # own: a bridge or a copied column; noise alone keeps two electrodes below it
OTHER_FLAGS, OTHER_CHANNELS = 2, 4 / 14
GOOD_BAD_CHANNELS, DEGRADED_BAD_CHANNELS = 1 / 14, LACKING_SHARE
OTHERS = ("amplitude", "jump", "line", "muscle")


def judge(signals: Sequence[Signal], onset_s: np.ndarray, pipeline: Pipeline) -> tuple[list[Verdict], TypeQuality]:
    """Each channel and window by the rules of d4, then the type by its windows and the channels left."""
    verdicts, clean, cuts = [], [], []
    for signal in signals:
        verdict, part = first_look(signal, onset_s, pipeline)
        flat_run(verdict, part, FLAT_RUN_S)
        rail(verdict, part)
        x = highpass(part.filled, signal.sfreq, HIGHPASS_HZ) if len(part.filled) > 1 else part.filled
        if len(part.at):
            x = _eeg_windows(verdict, part, x, pipeline.line_hz)
        seen = part.filled[~part.gap]
        if seen.size and 0 < np.abs(seen).max() < VOLTS_BELOW:
            verdict.whole.append("volts")
        leave_out_blocked(verdict)
        verdicts.append(verdict)
        clean.append(x)
        cuts.append(part)
    _related(verdicts, cuts, clean)
    return verdicts, _grade_eeg(verdicts, onset_s)


def _eeg_windows(verdict: Verdict, part: Cut, x: np.ndarray, line_hz: float) -> np.ndarray:
    """The rules that look at one window of one channel in µV, high-passed; gives what the chain keeps of it.

    Amplitude and slew are asked of the signal up to 45 Hz without mains: the limits are those of a headset that
    passes no more, and hum that the filters take out is the line rule's affair.
    """
    sfreq, n = verdict.signal.sfreq, part.n
    windows = part.windows(x.astype(np.float32))
    verdict.mark("flat", spread(windows.std(axis=1, dtype=np.float64) < FLAT_SD_UV, part, verdict))
    kept = notch(lowpass(x, sfreq, WHOLE_HZ[1]), sfreq, line_hz, Pipeline.notch_q)
    # sorting float32 is eight times faster, and 200 µV need no more digits
    ordered = np.sort(part.windows(kept.astype(np.float32)), axis=1)
    low, high = (_quantile(ordered, q) for q in (0.005, 0.995))
    verdict.mark("amplitude", spread(high - low > AMPLITUDE_UV, part, verdict))

    lag = max(1, round(JUMP_S * sfreq))
    if n > lag:
        limit = JUMP_UV * lag / (JUMP_S * sfreq)  # the same slew at another rate
        steps = np.abs(kept[lag:] - kept[:-lag]) > limit
        verdict.mark("jump", spread(grid.count_in(steps, part.start, n - lag) > JUMP_SHARE * (n - lag), part, verdict))

    freqs, psd = spectral.window_psd(x, part.start, n, sfreq)

    def power(low: float, high: float) -> np.ndarray:
        return spectral.band_power(psd, freqs, low, high)

    with np.errstate(divide="ignore", invalid="ignore"):
        if line_hz + LINE_HALF_HZ < sfreq / 2:
            hum = power(line_hz - LINE_HALF_HZ, line_hz + LINE_HALF_HZ) / power(*WHOLE_HZ)
            verdict.mark("line", spread(hum > LINE_SHARE, part, verdict))
        if sfreq / 2 >= MUSCLE_HZ[1]:
            verdict.mark("muscle", spread(power(*MUSCLE_HZ) / power(*BRAIN_HZ) > MUSCLE_RATIO, part, verdict))
    return kept


def _quantile(ordered: np.ndarray, q: float) -> np.ndarray:
    """Quantile of sorted rows, linear between samples as numpy's."""
    place = q * (ordered.shape[1] - 1)
    low, part = int(place), place - int(place)
    return ordered[:, low] + part * (ordered[:, min(low + 1, ordered.shape[1] - 1)] - ordered[:, low])


def _related(verdicts: list[Verdict], cuts: list[Cut], clean: list[np.ndarray]) -> None:
    """Channels without any relation to their neighbours, and copies, among those with a signal."""
    kept = [i for i, v in enumerate(verdicts) if not v.bad and v.covered.any()]
    # windows can be compared sample by sample only at one rate; the commonest is enough
    rates = [verdicts[i].signal.sfreq for i in kept]
    kept = [i for i in kept if verdicts[i].signal.sfreq == max(set(rates), key=rates.count)]
    if len(kept) < LONELY_CHANNELS:
        return
    common = np.logical_and.reduce([verdicts[i].covered for i in kept])
    if not common.any():
        return
    near = neighbours([verdicts[i].signal.name for i in kept], LONELY_NEAREST)
    others = ~np.eye(len(kept), dtype=bool)
    places = [np.searchsorted(cuts[i].at, np.flatnonzero(common)) for i in kept]
    n, total = cuts[kept[0]].n, int(common.sum())
    lonely, copied = np.zeros(len(kept)), np.zeros(len(kept))
    views = [np.lib.stride_tricks.sliding_window_view(clean[i].astype(np.float32), n) for i in kept]
    for at in range(0, total, 64):
        block = np.stack(
            [v[cuts[i].start[p[at : at + 64]]] for v, i, p in zip(views, kept, places, strict=True)], axis=1
        )
        block -= block.mean(axis=2, keepdims=True)
        size = np.sqrt(np.einsum("wct,wct->wc", block, block))[:, :, None]
        np.divide(block, size, out=block, where=size > 0)
        r = np.abs(block @ block.transpose(0, 2, 1))
        lonely += np.where(near, r < LONELY_R, True).all(axis=2).sum(axis=0)
        copied += (others & (r > DUPLICATE_R)).any(axis=2).sum(axis=0)
    for place, i in enumerate(kept):
        if lonely[place] / total > LONELY_SHARE:
            verdicts[i].whole.append("lonely")
            verdicts[i].bad = True
        if copied[place] / total > LONELY_SHARE:
            verdicts[i].whole.append("duplicate")
            verdicts[i].bad = True


def _grade_eeg(verdicts: list[Verdict], onset_s: np.ndarray) -> TypeQuality:
    n, kept = len(verdicts), [v for v in verdicts if not v.bad]
    n_bad = n - len(kept)
    present = np.logical_or.reduce([v.covered for v in verdicts])
    usable = present.copy() if kept else np.zeros(len(onset_s), dtype=bool)
    kinds, channels = np.zeros(len(onset_s), dtype=int), np.zeros(len(onset_s), dtype=int)
    for v in kept:
        usable &= v.covered & ~v.any_of(BLOCKING)
        channels += v.any_of(OTHERS)
    for reason in OTHERS:
        kinds += np.logical_or.reduce([v.any_of([reason]) for v in kept]) if kept else 0
    usable &= (kinds <= OTHER_FLAGS) & (channels <= _of(n, OTHER_CHANNELS))
    share = share_of(usable, present)
    grade = by_share(share)
    reasons = flag_reasons("eeg", verdicts)
    if n_bad > _of(n, DEGRADED_BAD_CHANNELS):
        grade = Grade.POOR
    elif n_bad > _of(n, GOOD_BAD_CHANNELS) and grade is Grade.GOOD:
        grade = Grade.DEGRADED
    if grade is not Grade.GOOD and n_bad > _of(n, GOOD_BAD_CHANNELS):
        reasons.insert(0, f"EEG: {n_bad} of {n} channels are left out")
    reasons += share_reason("eeg", share)
    if share < GOOD_SHARE and kept:
        worst = {r: float(np.mean([share_of(v.any_of([r]), present) for v in kept])) for r in (*BLOCKING, *OTHERS)}
        common = max(worst, key=lambda r: worst[r])
        if worst[common] > 0:
            reasons.append(f"EEG: most often the signal {WORDS[common]}")
    reasons += [f"EEG: {v.signal.name} {WORDS['volts']}" for v in verdicts if "volts" in v.whole and not v.bad]
    return type_quality("eeg", grade, usable, present, reasons)


def _of(n: int, share: float) -> int:
    """A number of channels given for 14, as the same share of ``n``, rounded up."""
    return math.ceil(n * share - 1e-9)
