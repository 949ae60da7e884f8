"""Small files in the shape that other people's programs write them, each of 10 s, with known values."""

from __future__ import annotations

import json
import pickle
import struct

import numpy as np

from tests.core.readers.conftest import SFREQ, eeg

BOUNDARY = bytes.fromhex("43A546DCCBF5410FB30ED5467383CBE4")


# ------------------------------------------------------------------------------------------------ XDF
def xdf_chunk(tag, content):
    size = len(content) + 2
    return (bytes([1, size]) if size < 256 else b"\x04" + struct.pack("<I", size)) + struct.pack("<H", tag) + content


def xdf_header(stream, *, name="Amp", kind="EEG", n=2, rate="128", fmt="float32", chans="", desc=""):
    text = (
        f"<info><name>{name}</name><type>{kind}</type><channel_count>{n}</channel_count><nominal_srate>{rate}"
        f"</nominal_srate><channel_format>{fmt}</channel_format><hostname>ADAS-LAPTOP</hostname>"
        f"<desc><subject><id>Ada Lovelace</id></subject><channels>{chans}</channels>{desc}</desc></info>"
    )
    return xdf_chunk(2, struct.pack("<I", stream) + text.encode())


def xdf_channel(label, unit="microvolts", kind="EEG"):
    return f"<channel><label>{label}</label><unit>{unit}</unit><type>{kind}</type></channel>"


def xdf_samples(stream, t, rows):
    """``rows``: an array (n, n_channels), or a list of lists of str."""
    body = struct.pack("<I", stream) + b"\x04" + struct.pack("<I", len(t))
    for at, row in zip(t, rows, strict=True):
        body += b"\0" if at is None else b"\x08" + struct.pack("<d", at)
        if isinstance(row, np.ndarray):
            body += row.tobytes()
        else:
            body += b"".join(bytes([1, len(w.encode())]) + w.encode() for w in row)
    return xdf_chunk(3, body)


def xdf_clock(stream, when, offset):
    return xdf_chunk(4, struct.pack("<Idd", stream, when, offset))


def xdf_start(date="2024-05-01T10:00:00+0200"):
    return b"XDF:" + xdf_chunk(1, f"<info><version>1.0</version><datetime>{date}</datetime></info>".encode())


def xdf(t0=5000.0):
    """Two EEG channels for 10 s and two markers."""
    x = eeg(2).T.astype("<f4")
    t = t0 + np.arange(len(x)) / SFREQ
    out = xdf_start() + xdf_header(1, chans=xdf_channel("Fp1") + xdf_channel("Fp2"))
    out += xdf_header(2, name="Keys", kind="Markers", n=1, rate="0", fmt="string")
    for a in range(0, len(t), 128):
        out += xdf_samples(1, t[a : a + 128], x[a : a + 128]) + xdf_clock(1, t[a], 0.25) + xdf_clock(2, t[a], 0.25)
    return out + xdf_samples(2, [t0 + 1, t0 + 2.5], [["start"], ["end"]]) + xdf_chunk(5, BOUNDARY)


# ------------------------------------------------------------------------------------------------ DEAP
def deap(trials=2, n_times=1280, *, protocol=2, data=None):
    """Sample k of channel i of trial t is 1000 t + i + k / n_times, each counted from 0."""
    t, i, k = np.ogrid[:trials, :40, :n_times]
    data = 1000.0 * t + i + k / n_times if data is None else data
    return pickle.dumps({"labels": np.full((len(data), 4), 5.0), "data": data}, protocol)


# ------------------------------------------------------------------------------------------------ WFDB
def wfdb(name="x", *, gain="100(0)/mV", fs="128", n=1280, dat=None, fmt="16", labels=("II", "V5"), more=""):
    """Two leads of 10 s as (header, samples); 100 steps of the converter are 1 mV."""
    x = np.rint(eeg(2) * 10).astype("<i2")
    lines = [f"{name} {len(labels)} {fs} {n}{more}"]
    lines += [
        f"{dat or name + '.dat'} {fmt} {gain} 16 0 {x[i][0]} {int(x[i].sum()) & 0xFFFF} 0 {label}"
        for i, label in enumerate(labels)
    ]
    return ("\n".join(lines) + "\n# 69 M Lovelace\n").encode(), x.T.tobytes()


# ------------------------------------------------------------------------------------------------ text of boards
def openbci(dialect="v6", *, n=2500, index=None, t0=1_700_000_000.0, marker=None):
    """Two EXG channels at 250 Hz for 10 s; the index counts to 255."""
    rng = np.random.default_rng(5)
    x = rng.normal(0, 20, (n, 2))
    index = np.arange(n) % 256 if index is None else index
    head = f"%OpenBCI Raw {'EEG' if dialect == 'legacy' else 'EXG'} Data\n%Number of channels = 2\n"
    head += "%Sample Rate = 250 Hz\n" + ("" if dialect == "legacy" else "%Board = OpenBCI_GUI$BoardCytonSerial\n")
    if dialect == "v6":
        head += "Sample Index, EXG Channel 0, EXG Channel 1, Accel Channel 0, Accel Channel 1, Accel Channel 2, "
        head += "Not Used, Timestamp, Marker Channel, Timestamp (Formatted)\n"
    rows = []
    for i in range(n):
        acc = "0.000, 0.000, 0.000" if dialect == "legacy" and i % 10 else "0.100, 0.200, 0.900"
        row = f"{index[i]:g}, {x[i, 0]:.2f}, {x[i, 1]:.2f}, {acc}"
        stamp = t0 + i / 250
        if dialect == "legacy":
            row += f", 12:00:{i // 250:02d}.000, {stamp * 1000:.0f}"
        else:
            row += f", 0, {stamp:.3f}, {(marker or {}).get(i, 0)}, 2023-11-14 22:13:20"
        rows.append(row)
    return (head + "\n".join(rows) + "\n").encode(), np.round(x, 2)


def adc_text(labels="PPG", rate="100.00", n=1000, more="# Resolution:= 12\n"):
    t = np.arange(n) / float(rate)
    rows = np.tile(np.rint(2048 + 300 * np.sin(2 * np.pi * t))[:, None], (1, labels.count("\t") + 1))
    head = f"# Simple Text Format\n# Sampling Rate (Hz):= {rate}\n{more}# Labels:= {labels}\n"
    return (head + "\n".join("\t".join(f"{v:.1f}" for v in row) for row in rows) + "\n").encode()


def opensignals(n=1000, *, device="biosignalsplux", sensors=("ECG", "EDA", "RESP", "LUX"), rate=100, **changes):
    """Four channels of 16 bits: an ECG of 1 mV at its peaks, 5 µS, a breath, light."""
    t = np.arange(n) / rate
    told = {
        "sensor": list(sensors), "device name": "00:07:80:00:00:01", "device": device, "sampling rate": rate,
        "column": ["nSeq", "DI", "CH1", "CH2", "CH3", "CH4"], "channels": [1, 2, 3, 4], "resolution": [16] * 4,
        "label": ["CH1", "CH2", "CH3", "CH4"], "date": "2024-5-1", "time": "10:0:0.5", "comments": "Ada Lovelace",
    } | changes  # fmt: skip
    columns = [
        np.arange(n) % 65536, np.zeros(n), np.rint(65536 * (0.5 + (t % 1 < 0.05) / 3)), np.full(n, 65536 * 0.2),
        32768 + 3000 * np.sin(t), np.full(n, 7),
    ]  # fmt: skip
    head = f"# OpenSignals Text File Format. Version 1\n# {json.dumps({'00:07:80:00:00:01': told})}\n# EndOfHeader\n"
    return (head + "".join("\t".join(f"{v:.0f}" for v in row) + "\t\n" for row in zip(*columns, strict=True))).encode()


# ------------------------------------------------------------------------------------------------ faces
def rows(names, columns, sep=",", lead=""):
    return (lead + sep.join(names) + "\n" + "\n".join(sep.join(r) for r in zip(*columns, strict=True)) + "\n").encode()


def openface(n=300, *, success=None, confidence=None, aus=(1.0, 2.0), more=None):
    """AU06 and AU12 at 30 frames a second, as OpenFace writes it: a space before each name."""
    success = ["1"] * n if success is None else success
    confidence = ["0.98"] * n if confidence is None else confidence
    names = ["frame", " timestamp", " confidence", " success", " pose_Rx", " x_0", " AU06_r", " AU12_r", " AU12_c"]
    columns = [
        [str(i + 1) for i in range(n)], [f"{i / 30:.3f}" for i in range(n)], confidence, success, ["0.1"] * n,
        ["300.5"] * n, [f"{aus[0] + 0.1 * (i % 3):.2f}" for i in range(n)], [f"{aus[1]:.2f}"] * n, ["1"] * n,
    ]  # fmt: skip
    for name, column in (more or {}).items():
        names.append(name)
        columns.append(column)
    return rows(names, columns)


def imotions(n=300, *, affectiva=False, faces=None):
    names = [
        "StudyName",
        "Name",
        "Age",
        "Gender",
        "StimulusName",
        "EventSource",
        "Timestamp",
        "NoOfFaces",
        "LiveMarker",
    ]
    lead = "#Study : Trial\n#Date : 20240501 11:00:00\n#TestRunDate : 20240501 10:00:00.500 (+02:00)\n\n"
    columns = [
        ["Trial"] * n, ["Ada Lovelace"] * n, ["36"] * n, ["FEMALE"] * n,
        ["cat" if i < n // 2 else "dog" for i in range(n)], ["Face"] * n, [str(round(i * 1000 / 30)) for i in range(n)],
        ["1"] * n if faces is None else faces, ["now" if i == 30 else "" for i in range(n)],
    ]  # fmt: skip
    if affectiva:
        names += ["Smile", "Valence", "Anger"]
        columns += [["-1" if i % 10 == 0 else "40" for i in range(n)], ["-1"] * (n // 2) + ["-20"] * (n - n // 2)]
        columns += [["9999" if i == 0 else "-999" if i == 1 else "0.5" for i in range(n)]]
    else:
        names += ["Joy Evidence", "Joy Intensity", "AU12 Evidence", "IsMale Probability", "Yaw Degrees"]
        columns += [["-1.5"] * n, ["0"] * n, [f"{0.5 + 0.01 * (i % 5):.2f}" for i in range(n)], ["0.9"] * n, ["3"] * n]
    return rows(names, columns, "\t", lead)


def tiva(n=300, *, t0=1_700_000_000_000.0, hz=30, more=None):
    """An Affectiva table with unix times in ms; the face is lost in every tenth row, the pupil too wide in one."""
    lost = [i % 10 == 9 for i in range(n)]
    scores = {"Joy": "60.5", "Anger": "0.25", "Fear": "0.5", "Smile": "80", "BrowFurrow": "3"}
    names = ["Timestamp", *scores, "ET_PupilLeft", "Comment", *(more or {})]
    columns = [[f"{t0 + 1000 * i / hz:.3f}" for i in range(n)]]
    columns += [["-1" if gone else v for gone in lost] for v in scores.values()]
    columns += [["8.5" if i == 3 else "9999" if i == 4 else "3.25" for i in range(n)], ["words"] * n]
    return rows(names, [*columns, *(more or {}).values()])


def tiva_bands(n=100, *, t0=1_700_000_002.0, hz=10):
    """A Muse's band powers with unix times in s, two seconds later."""
    x = [["-999" if i == 5 else f"{0.5 + i / 1000:.3f}" for i in range(n)]] * 2
    return rows(["UnixTime", "Alpha_TP9", "Alpha_AF8"], [[f"{t0 + i / hz:.3f}" for i in range(n)], *x])


def tiva_events(*, t0=1_700_000_000_000):
    columns = [["a", "b"], [str(t0 + 1000), str(t0 + 5000)], [str(t0 + 3500), str(t0 + 6000)], ["1", "0"]]
    return rows(["trial", "routineStart", "routineEnd", "label_correct"], columns)


def pyfeat(n=10, frames=None, width=0, scores=None):
    frames = list(range(n)) if frames is None else frames
    names = [
        "FaceScore",
        "Pitch",
        "AU06",
        "AU12",
        "Neutral",
        "Happy",
        "Sad",
        "Fear",
        "valence",
        "mouthSmileLeft",
        "input",
    ]
    columns = [
        scores or ["0.99"] * n,
        ["0.1"] * n,
        ["0.2"] * n,
        [f"{i / 100:.2f}" for i in range(n)],
        *[["0.25"] * n] * 6,
    ]
    columns += [["ada.mp4"] * n]
    for i in range(width):
        names.append(f"Identity_{i + 1}")
        columns.append(["0.5"] * n)
    return rows(
        [*names, "frame", "approx_time", "Identity"], [*columns, [str(f) for f in frames], ["00:00"] * n, ["Ada"] * n]
    )


# ------------------------------------------------------------------------------------------------ headbands
def muse(n=2560, *, worn=None):
    """Mind Monitor at 256 Hz for 10 s, with a blink in a row of its own after 2 s."""
    x = np.round(800 + np.tile(eeg(2), (1, 2))[:, :n], 3)
    names = ["TimeStamp", "Delta_TP9", "Alpha_AF7", "RAW_TP9", "RAW_AF7", "Accelerometer_X", "Gyro_X", "HeadBandOn"]
    names += ["HSI_TP9", "Battery", "Elements"]
    lines = [",".join(names)]
    for i in range(n):
        us = round(i * 1e6 / 256)
        at = f"2024-05-01 10:00:{us // 10**6:02d}.{us % 10**6:06d}"
        on = 1 if worn is None else worn[i]
        lines.append(f"{at},0.5,0.75,{x[0, i]},{x[1, i]},0.01,0.2,{on},1,90,")
        if i == 512:
            lines.append(f"{at},,,,,,,,,,/muse/elements/blink")
    return ("\n".join(lines) + "\n").encode(), x


def emotiv(n=1280, *, made_up=(), meta=True):
    """EmotivPRO at 128 Hz for 10 s, motion in every second row, a marker after 1 s."""
    x = np.round(4200 + eeg(2)[:, :n], 3)
    names = ["Timestamp", "EEG.Counter", "EEG.Interpolated", "EEG.AF3", "EEG.T7", "EEG.RawCq", "EEG.Battery"]
    names += ["MarkerIndex", "MarkerType", "MarkerValueInt", "CQ.Overall", "MOT.AccX", "POW.AF3.Theta"]
    head = "title:Ada's visit,start timestamp:1714557600.0,headset type:EPOCX,subject:Ada Lovelace,"
    head += "sampling rate:eeg_128;mot_64;pow_8,samples:1280,version:2.1\n"
    lines = [",".join(names)]
    for i in range(n):
        marker = "1,1,7" if i == 128 else ",,"
        moved, power = ("0.98" if i % 2 == 0 else ""), ("3.5" if i % 16 == 0 else "")
        lines.append(f"{1714557600 + i / 128:.6f},{i % 128},{int(i in made_up)},{x[0, i]},{x[1, i]},0,80,{marker},"
                     f"100,{moved},{power}")  # fmt: skip
    return ((head if meta else "") + "\n".join(lines) + "\n").encode(), x


def rr(n=10, heading="RR (ms)"):
    """Beats a second apart."""
    return (heading + "\n" + "1000\n" * n).encode()


# by reader: a table of 10 s
TABLES = {
    "openbci": lambda: openbci()[0], "adc_text": adc_text, "openface": openface, "imotions": imotions, "pyfeat": pyfeat,
    "muse": lambda: muse()[0], "emotiv": lambda: emotiv()[0], "rr": rr, "tiva": tiva,
}  # fmt: skip
