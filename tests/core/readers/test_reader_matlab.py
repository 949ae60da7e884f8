"""MATLAB files of arrays, by the conventions of NPZ: names, rates, types, and what is no recording."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from core.errors import Refused
from core.readers import Options, npz, session
from core.types import InputFile
from tests.core.readers.conftest import by_name, codes, eeg, said

X = eeg(3).T  # (n_times, 3)
NAMES = ("Fp1", "C3", "GSR_uS")


def given(path):
    return [InputFile(path.name, str(path))]


def hdf5(path, **variables):
    """Version 7.3 as MATLAB writes it: turned arrays, a cell of references."""
    with h5py.File(path, "w", userblock_size=512) as store:
        for name, value in variables.items():
            if isinstance(value, tuple):
                refs = [store.create_dataset(f"#refs#/{name}{i}", data=[[ord(c)] for c in t], dtype="u2")
                        for i, t in enumerate(value)]  # fmt: skip
                for ref in refs:
                    ref.attrs["MATLAB_class"] = np.bytes_("char")
                made = store.create_dataset(name, data=np.array([r.ref for r in refs], dtype=h5py.ref_dtype)[:, None],
                                            dtype=h5py.ref_dtype)  # fmt: skip
                made.attrs["MATLAB_class"] = np.bytes_("cell")
            else:
                made = store.create_dataset(name, data=np.atleast_2d(value).T)
                made.attrs["MATLAB_class"] = np.bytes_("double")
    with path.open("r+b") as stream:
        stream.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")


def written(folder, version, **variables):
    path = folder / "visit.mat"
    if version == "7.3":
        hdf5(path, **variables)
    else:
        cells = {k: np.array(v, dtype=object) if isinstance(v, tuple) else v for k, v in variables.items()}
        savemat(path, cells, do_compression=version == "7")
    return given(path)


@pytest.mark.parametrize("version", ["5", "7", "7.3"])
@pytest.mark.parametrize("rate", ["fs", "Fs", "srate", "sfreq"])
def test_a_matrix_with_its_rate_and_names_is_a_recording(tmp_path, version, rate):
    r = session.read(written(tmp_path, version, data=X, labels=NAMES, **{rate: 128.0}))
    assert [(s.name, s.type, s.sfreq) for s in r.signals] == [
        ("Fp1", "eeg", 128.0), ("C3", "eeg", 128.0), ("GSR", "eda", 128.0),
    ]  # fmt: skip
    assert r.format == "matlab"
    assert np.allclose(r.signals[1].data, X[:, 1], atol=1e-5)


@pytest.mark.parametrize("version", ["5", "7.3"])
def test_variables_of_our_layout_are_those_of_an_npz(tmp_path, version):
    x14 = eeg(14, 1280).T
    r = session.read(
        written(tmp_path, version, EEG=x14, eeg_sfreq=128.0, ecg=X[:, :1] / 100, ecg_sfreq=256.0, ecg_names=("II",))
    )
    assert [s.name for s in r.of_type("eeg")][:2] == ["AF3", "F7"]
    assert (by_name(r)["II"].sfreq, by_name(r)["II"].unit) == (256.0, "mV")


def test_columns_without_names_are_listed_and_typed_by_a_map(tmp_path):
    files = written(tmp_path, "5", data=X, fs=128.0)
    assert {(s.name, s.type) for s in session.read(files).signals} == {(f"data {i}", "misc") for i in (1, 2, 3)}
    told = session.read(files, Options(mapping={"data 1": {"type": "eeg", "unit": "uV"}}))
    assert by_name(told)["data 1"].type == "eeg"


@pytest.mark.parametrize("version", ["5", "7.3"])
def test_a_matrix_with_a_row_per_channel_is_read_so_and_never_in_silence(tmp_path, version):
    files = written(tmp_path, version, data=X.T, fs=128.0, names=NAMES)
    for options in (Options(), Options(repairs={"*": ("swap_axes",)})):
        r = session.read(files, options)
        assert np.allclose(by_name(r)["Fp1"].data, X[:, 0], atol=1e-5)
        assert '"data": read with a row per channel' in said(r, "W-SHAPE")
    assert "W-SHAPE" not in codes(session.read(written(tmp_path, version, data=X, fs=128.0, names=NAMES)))


def test_without_a_rate_columns_are_listed(tmp_path):
    r = session.read(written(tmp_path, "5", data=X, names=NAMES))
    assert {s.type for s in r.signals} == {"misc"}


def test_small_arrays_beside_the_samples_are_passed_over_with_a_notice(tmp_path):
    r = session.read(written(tmp_path, "5", data=X, fs=128.0, names=NAMES, positions=np.ones((2, 3)), made={"by": 1}))
    assert len(r.signals) == 3 and '"positions"' in said(r, "W-COLUMNS")


def test_names_of_columns_hold_for_an_npz_too(tmp_path):
    with (tmp_path / "x.npz").open("wb") as stream:
        np.savez(stream, samples=X, fs=128.0, channels=np.array(NAMES))
    r = npz.read(given(tmp_path / "x.npz"))
    assert [s.type for s in r.signals] == ["eeg", "eeg", "eda"]
    np.save(tmp_path / "ecg.npy", X[:, 0])
    bare = npz.read(given(tmp_path / "ecg.npy"), Options(sfreq=128.0))
    assert [(s.name, s.sfreq, len(s.data)) for s in bare.signals] == [("ECG", 128.0, 1280)]
    assert "W-COLUMNS" not in codes(bare)


@pytest.mark.parametrize("version", ["5", "7", "7.3"])
@pytest.mark.parametrize(("variable", "study"), [("DREAMER", "dreamer"), ("joined_data", "amigos")])
def test_a_corpus_is_refused_and_pointed_to_the_import(tmp_path, version, variable, study):
    with pytest.raises(Refused, match=f"study import {study}.*E-STUDY"):
        session.read(written(tmp_path, version, **{variable: X}))


def test_a_dataset_of_eeglab_by_another_name_stays_one(tmp_path):
    head = {"data": X.T, "nbchan": 3, "pnts": 1280, "trials": 1, "srate": 128.0}
    savemat(tmp_path / "x.mat", {"EEG": head})
    r = session.read(given(tmp_path / "x.mat"))
    assert (r.format, len(r.signals)) == ("eeglab", 3)


def test_texts_structures_and_epochs_are_no_recording(tmp_path):
    for variables in ({"note": "hello"}, {"s": {"a": 1.0}}, {"epochs": np.ones((4, 3, 100)), "fs": 128.0}):
        savemat(tmp_path / "x.mat", variables)
        with pytest.raises(Refused, match="without a table of numbers.*E-MAT"):
            session.read(given(tmp_path / "x.mat"))
