"""Files in, Recording out. READERS is the door; ``isolation.read`` is how everybody but a test goes through it."""

from __future__ import annotations

from pathlib import Path

from core.errors import Refused
from core.readers import (
    adc_text,
    brainvision,
    deap,
    e4,
    edf,
    eeglab,
    emotiv,
    fif,
    imotions,
    matlab,
    muse,
    npz,
    openbci,
    openface,
    pyfeat,
    rr,
    tables,
    tiva,
    wfdb,
    xdf,
)
from core.readers.base import Options, Reader, visible
from core.types import InputFile

# asked in this order: the content decides, the suffix does not
READERS: dict[str, Reader] = {
    "edf": Reader(edf.sniff_edf, edf.read_edf, "EDF, EDF+", "one file; annotations are kept"),
    "bdf": Reader(edf.sniff_bdf, edf.read_bdf, "BDF, BDF+", "one file; annotations are kept"),
    "brainvision": Reader(brainvision.sniff, brainvision.read, "BrainVision", ".vhdr, .vmrk and .eeg together"),
    "fif": Reader(fif.sniff, fif.read, "FIF"),
    "eeglab": Reader(eeglab.sniff, eeglab.read, "EEGLAB .set", "one file, or the .set with its .fdt"),
    "matlab": Reader(matlab.sniff, matlab.read, "MATLAB .mat (version 5 to 7.3)", "a matrix with its rate as fs"),
    "deap": Reader(deap.sniff, deap.read, "DEAP .dat (preprocessed)", "one file: the 40 trials of a participant"),
    "xdf": Reader(xdf.sniff, xdf.read, "XDF", "one file; its streams come on one clock"),
    "wfdb": Reader(wfdb.sniff, wfdb.read, "WFDB (PhysioNet)", "the .hea with its .dat or .mat files, and .atr"),
    "parquet": Reader(tables.sniff_parquet, tables.read_parquet, "Parquet", "a column per channel"),
    "npz": Reader(npz.sniff, npz.read, "NPZ", "arrays by channel type"),
    "e4": Reader(e4.sniff, e4.read, "Empatica E4", "the zip as it was exported, or its CSV files together"),
    "openbci": Reader(openbci.sniff, openbci.read, "OpenBCI text"),
    "adc_text": Reader(adc_text.sniff, adc_text.read, "text of a converter with a header (BioSPPy)"),
    "openface": Reader(openface.sniff, openface.read, "OpenFace"),
    "imotions": Reader(imotions.sniff, imotions.read, "iMotions text (FACET, Affectiva)"),
    "pyfeat": Reader(pyfeat.sniff, pyfeat.read, "Py-Feat"),
    "muse": Reader(muse.sniff, muse.read, "Muse (Mind Monitor CSV)"),
    "emotiv": Reader(emotiv.sniff, emotiv.read, "EmotivPRO CSV"),
    "tiva": Reader(tiva.sniff, tiva.read, "tables of face, band powers, eyes and events by unix time (TIVA)"),
    "rr": Reader(rr.sniff, rr.read, "RR intervals"),
    "csv": Reader(tables.sniff_text, tables.read_csv, "CSV, TSV", "a column per channel"),
}

__all__ = ["READERS", "Options", "expand"]


def expand(path: Path) -> list[InputFile]:
    """A file as itself; a folder that is one exported recording (E4) as its files; any other folder is refused."""
    path = Path(path)
    if not path.is_dir():
        return [InputFile(path.name, str(path))]
    found = sorted(p for p in path.iterdir() if p.is_file() and not p.is_symlink() and e4.part_of(p.name))
    parts = [e4.part_of(p.name) for p in found]
    if not {"EDA", "BVP", "ACC", "TEMP"} & set(parts) or len(set(parts)) != len(parts):
        raise Refused(
            "E-FOLDER", "this folder is not one exported recording (Empatica E4).", visible(path.name),
            "Name the files of one session themselves.",
        )  # fmt: skip
    return [InputFile(p.name, str(p)) for p in found]
