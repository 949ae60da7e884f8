"""A manifest names files, times and labels; everything it gets wrong is said by row, trial or column."""

import json

import numpy as np
import pytest

from core import simulate
from core.errors import Refused
from core.studies import folder, manifest

HEAD = (
    "subject,trial,file,onset_s,duration_s,baseline_onset_s,baseline_duration_s,label_valence,label_pain,group_site\n"
)
SCALES = {
    "valence": {"lowest": 1, "highest": 9, "cut": 5, "high": ">="},
    "pain": {"lowest": 0, "highest": 10, "cut": 4, "high": "<"},
}


@pytest.fixture
def lab(tmp_path):
    for name, seed in (("a.edf", 1), ("b.edf", 2)):
        simulate.write_edf(simulate.recording(seed=seed, duration_s=30), tmp_path / name)
    (tmp_path / "m.json").write_text(json.dumps(SCALES))
    return tmp_path


def write(lab, *rows, head=HEAD):
    (lab / "m.csv").write_text(head + "\n".join(rows) + "\n")
    return lab / "m.csv"


def test_trials_are_cut_from_their_files_with_labels_groups_and_baseline(lab):
    path = write(
        lab,
        "S1,1,a.edf,10,12,0,8,5,3,north",
        "S2,1,b.edf,,,,,2,,south",
        "S1,2,a.edf,22,8,,6,n/a,4,north",
        "S3,1,c.edf,,,,,2,2,south",
        "S1,3,a.edf,x,8,,,2,2,north",
    )
    study = folder.write(lab / "out", "m", manifest.source(path, {}))
    assert [(t.subject, t.trial) for t in study.trials] == [("S1", "1"), ("S1", "2"), ("S2", "1")]
    assert {(t.subject, t.trial, t.code) for t in study.left_out} == {("S1", "3", "E-TRIAL"), ("S3", "1", "E-NO-FILE")}
    assert study.inputs == ("eeg", "ecg")
    first, second, whole = study.trials
    assert (first.labels, second.labels, whole.labels) == ({"valence": 5, "pain": 3}, {"pain": 4}, {"valence": 2})
    assert (first.groups, whole.groups) == ({"site": "north"}, {"site": "south"})
    assert [study.is_high("valence", 5), study.is_high("pain", 3), study.is_high("pain", 4)] == [True, True, False]
    read = folder.recording(first)
    assert [(a.onset_s, a.duration_s, a.description) for a in read.annotations] == [(0, 8, "baseline")]
    eeg, truth = read.of_type("eeg")[0], simulate.recording(seed=1, duration_s=30).of_type("eeg")[0]
    assert np.allclose(eeg.data[: 8 * 128], truth.data[: 8 * 128], atol=0.02)
    assert np.isnan(eeg.data[8 * 128 : 9 * 128]).all()
    assert np.allclose(eeg.data[9 * 128 :], truth.data[10 * 128 : 22 * 128], atol=0.02)
    # a baseline right before its trial is not parted from it
    assert folder.recording(second).duration_s == 14
    assert folder.recording(whole).duration_s == 30


@pytest.mark.parametrize(
    ("rows", "head", "code"),
    [
        (["S1,1,../a.edf,,,,,2,2,x"], HEAD, "E-PATH"),
        (["S1,1,/etc/hostname,,,,,2,2,x"], HEAD, "E-PATH"),
        (["S1,1,a.edf,,,,,12,2,x"], HEAD, "E-LABEL"),
        (["S1,1,a.edf"], "subject,trial,path\n", "E-COLUMNS"),
        (["S1,1,a.edf,2"], "subject,trial,file,label_joy\n", "E-SCALE"),
        (["S1,1,a.edf,x@example.org"], "subject,trial,file,contact\n", "E-PRIVATE"),
        (["Ann Smith,1,a.edf"], "subject,trial,file\n", "E-PRIVATE"),
        (["S1,1"], "subject,trial,file\n", "E-ROWS"),
        (["S1,1,a.edf", ",2,a.edf"], "subject,trial,file\n", "E-ROWS"),
        (["S1,n/a,a.edf"], "subject,trial,file\n", "E-ROWS"),
    ],
)
def test_a_manifest_that_cannot_be_is_refused_before_anything_is_read(lab, rows, head, code):
    with pytest.raises(Refused, match=code):
        manifest.source(write(lab, *rows, head=head), {})


def test_a_manifest_without_scales_is_refused(lab):
    (lab / "m.json").unlink()
    with pytest.raises(Refused, match="E-SCALE"):
        manifest.source(write(lab, "S1,1,a.edf,,,,,2,2,x"), {})


@pytest.mark.parametrize("highest", ["NaN", "1" + "0" * 400, '"9"', "null"])
def test_a_scale_that_is_no_number_is_refused(lab, highest):
    (lab / "m.json").write_text(f'{{"joy": {{"lowest": 1, "highest": {highest}, "cut": 5}}}}')
    with pytest.raises(Refused, match="E-SCALE"):
        manifest.source(write(lab, "S1,1,a.edf,2", head="subject,trial,file,label_joy\n"), {})
