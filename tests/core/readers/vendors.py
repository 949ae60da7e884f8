"""Small files in the shape that other people's programs write them, each of 10 s, with known values."""

from __future__ import annotations

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


# by reader: a table of 10 s
TABLES = {"openbci": lambda: openbci()[0], "adc_text": adc_text}
