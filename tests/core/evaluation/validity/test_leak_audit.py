"""The audit as a whole: the premium of the null study, what cannot be checked, and what was never recorded."""

from dataclasses import replace

import numpy as np
import pytest

from core import features
from core.evaluation import experiment, passband, scoring, simulate
from core.evaluation.experiment import Spec
from core.evaluation.validity import black_box, identity, leak_audit
from core.evaluation.validity.leak_audit import Facts
from core.settings import BANDS

SPEC = Spec("features", "valence", "eeg+ecg", "logistic")
DATA = simulate.feature_study(8, 6, 5, effect=0.5, seed=3)


def outcomes(data, spec=SPEC, facts=None, draws=0):
    return {c.name: c.outcome for c in leak_audit.checks(data, spec, facts=facts, draws=draws)}


def test_the_null_study_scores_at_chance_on_new_people_and_near_one_under_random_windows():
    data = simulate.feature_study(12, 10, 20, effect=0.0, seed=4)
    spec = replace(SPEC, model="forest", options={"trees": 25})
    told = []
    found = leak_audit.audit(data, spec, draws=1, progress=lambda share, words: told.append(share))
    assert found["premium"]["value"] > 0.35 and found["premium"]["low"] > 0.3
    assert found["scores"]["random_window"] > 0.9 and list(found["scores"]) == list(leak_audit.COMPARED)
    assert found["premium"]["value"] == pytest.approx(
        found["scores"]["random_window"] - found["scores"]["nested_loso"], abs=1e-12
    )
    at = scoring.summarise(data, spec, experiment.run(data, spec))["window"]["balanced_accuracy"]
    assert at["low"] <= 0.5 <= at["high"] and at["value"] == pytest.approx(found["scores"]["loso"])
    assert not [c for c in found["checks"] if c["outcome"] == "fail"]
    assert told == sorted(told) and told[-1] == 1.0


def test_the_premium_is_the_difference_to_random_windows():
    premium, scores = leak_audit.premium(DATA, SPEC, experiment.run(DATA, SPEC))
    assert abs(premium.value - (scores["random_window"] - scores["loso"])) < 1e-12
    assert premium.low <= premium.value <= premium.high


def test_a_leaky_split_fails_by_name_and_on_labels_dealt_anew():
    leaky = replace(SPEC, split="random_window", model="forest", options={"trees": 20, "leaf": 1, "share": None})
    found = outcomes(DATA, leaky, draws=1)
    assert {name for name, outcome in found.items() if outcome == "fail"} == {
        "subject overlap", "trial overlap", "window overlap", "subject probe", "label permutation",
    }  # fmt: skip


def test_a_check_that_cannot_run_is_not_passed():
    rows = np.unique(DATA.unit, return_index=True)[1]
    first = DATA.take(rows[::6])  # one trial of each subject, one window each
    first = replace(first, stimulus=first.subject)
    found = outcomes(first, replace(SPEC, model="majority"))
    for name in ("scaler before split", "subject probe", "stimulus probe"):
        assert found[name] == "not_checkable"
    delta = replace(DATA, features=DATA.features.rename(columns={"eeg_f00": "de_delta_F3"}))
    delta = replace(delta, columns={**DATA.columns, "eeg": ("de_delta_F3", *DATA.columns["eeg"][1:])})
    assert outcomes(delta)["unrecorded bands"] == "not_checkable"
    assert outcomes(delta, facts=Facts(bands={"eeg": (0.5, 45.0)}))["unrecorded bands"] == "pass"
    assert outcomes(delta, facts=Facts(bands={"eeg": (4.0, 45.0)}))["unrecorded bands"] == "fail"


def test_the_same_file_under_two_names_is_found():
    files = {(s, t): f"{s}{t}" for s, t in set(zip(DATA.subject, DATA.trial, strict=True))}
    assert outcomes(DATA, facts=Facts(files=files))["same data across subjects"] == "pass"
    files["S001", "T01"] = files["S002", "T03"]
    assert outcomes(DATA, facts=Facts(files=files))["same data across subjects"] == "fail"


def test_duplicated_features_are_found():
    data = replace(
        DATA, features=DATA.features.assign(ecg_again=DATA.features["ecg_f01"]),
        columns={**DATA.columns, "ecg": ("ecg_f01", "ecg_again")},
    )  # fmt: skip
    assert outcomes(data)["duplicated columns"] == "fail"


def scored(value_of):
    """DATA with two scores of each subject beside its features."""
    columns = {f"group_{name}": value_of(name) for name in ("ei", "again")}
    values = {name: [of[s] for s in DATA.subject] for name, of in columns.items()}
    return replace(DATA, features=DATA.features.assign(**values), columns={**DATA.columns, "group": tuple(columns)})


def test_a_leak_in_a_score_is_found_where_the_model_is_given_the_score():
    number = {s: float(i) for i, s in enumerate(DATA.subjects)}
    leaky, asked = scored(lambda name: number), replace(SPEC, groups=("ei", "again"))
    found = {c.name: c for c in leak_audit.checks(leaky, asked, draws=0)}
    assert found["id-like columns"].outcome == "fail" and "group_ei: constant" in found["id-like columns"].evidence
    assert found["duplicated columns"].outcome == "fail"
    without = {c.name: c.outcome for c in leak_audit.checks(leaky, SPEC, draws=0)}
    assert (without["id-like columns"], without["duplicated columns"]) == ("pass", "pass")
    shared = scored(lambda name: {s: float(i % (2 if name == "ei" else 3)) for s, i in number.items()})
    assert "fail" not in {c.outcome for c in leak_audit.checks(shared, asked, draws=0)}


def test_a_score_does_not_hide_windows_that_are_there_twice():
    number = {s: float(i) for i, s in enumerate(DATA.subjects)}
    twice = scored(lambda name: number)
    features, own = twice.features.copy(), twice.names(SPEC.types)
    first, second = (np.flatnonzero((DATA.subject == s) & (DATA.trial == "T01")) for s in ("S001", "S002"))
    features.loc[second, own] = features.loc[first, own].to_numpy()
    checks = leak_audit.checks(replace(twice, features=features), replace(SPEC, groups=("ei", "again")), draws=0)
    found = {c.name: c.outcome for c in checks}
    assert (found["duplicated rows"], found["same data across subjects"]) == ("fail", "fail")


def test_labels_dealt_anew_stay_with_their_subject_and_are_whole_in_each_trial():
    dealt = leak_audit.permuted(DATA, "valence", 1)
    assert not np.array_equal(dealt.labels["valence"], DATA.labels["valence"])
    for name in DATA.subjects:
        own = DATA.subject == name
        assert sorted(dealt.labels["valence"][own]) == sorted(DATA.labels["valence"][own])
    assert all(len(set(dealt.labels["valence"][dealt.unit == u])) == 1 for u in set(dealt.unit))


def test_turned_labels_are_on_the_other_side_and_shaken_features_are_others():
    rows = np.arange(0, len(DATA), 3)
    left = np.setdiff1d(np.arange(len(DATA)), rows)
    labels, shaken = black_box.turned(DATA, "valence", rows), black_box.shaken(DATA, rows)
    assert np.array_equal(labels.high("valence")[rows], ~DATA.high("valence")[rows])
    assert np.array_equal(labels.high("valence")[left], DATA.high("valence")[left])
    assert (shaken.features.iloc[rows] != DATA.features.iloc[rows]).all(axis=None)
    assert shaken.features.iloc[left].equals(DATA.features.iloc[left])


def test_probes_name_the_person_and_not_a_clip_that_shares_nothing_but_its_name():
    rows = np.arange(len(DATA))
    person, clip = identity.subject_probe(DATA, rows, ("eeg", "ecg")), identity.stimulus_probe(DATA, rows, ("eeg",))
    assert person.accuracy > 0.6 and person.chance == pytest.approx(1 / 8)
    assert abs(clip.accuracy - clip.chance) < 0.15 and clip.n_names == 6


def test_a_band_outside_the_pass_band_takes_all_that_hangs_on_it():
    slim = features.names(("eeg",))
    kept = passband.kept({"eeg": slim, "ecg": ["ecg_delta"]}, {"eeg": (4.0, 45.0)})
    gone = set(slim) - set(kept["eeg"])
    assert {n for n in slim if "delta" in n or n.startswith("rel_") or n == "sef95"} == gone
    assert kept["ecg"] == ("ecg_delta",)
    assert passband.kept({"eeg": slim}, {})["eeg"] == tuple(slim)
    assert passband.kept({"eeg": slim}, {"eeg": (0.0, 64.0)})["eeg"] == tuple(slim)


@pytest.mark.parametrize("band", BANDS)
def test_every_column_that_moves_with_a_band_is_said_to_hang_on_it(band):
    """Planted: sines of one band are turned up in one recording; what changes must be known to need the band."""
    from core import simulate as signals
    from core.features import eeg
    from core.quality import assess
    from core.types import Pipeline
    from core.windows import cut

    low, high = BANDS[band]
    made = signals.recording(seed=5, duration_s=12, inputs="eeg")
    t = np.arange(len(made.signals[0].data)) / made.signals[0].sfreq
    extra = 2 * np.sin(2 * np.pi * (low + high) / 2 * t)
    louder = replace(made, signals=tuple(replace(s, data=s.data + i * extra) for i, s in enumerate(made.signals, 1)))
    tables = []
    for recording in (made, louder):
        verdict = assess(recording, Pipeline())
        tables.append(eeg.table(recording, cut(recording, verdict, Pipeline(), ("eeg",)), verdict, Pipeline()))
    a, b = (table[list(eeg.slim_names())].to_numpy() for table in tables)
    moved = np.nanmax(np.abs(a - b), axis=0) > 1e-2
    for name, did in zip(eeg.slim_names(), moved, strict=True):
        span = passband.needs(name)
        if did and name not in ("gfp",) and not name.startswith("de_"):  # gfp is an amplitude; filters have skirts
            assert span and span[0] <= low and high <= span[1], name


def test_a_study_is_prepared_without_the_bands_that_were_not_recorded(tmp_path):
    from core.evaluation.dataset import prepare
    from core.studies import folder, simulated
    from core.types import Pipeline

    study = folder.write(
        tmp_path, "s", simulated.source(subjects=1, trials=1, trial_s=12, effect=0.0, seed=0, inputs="eeg")
    )
    whole = prepare(study, Pipeline(), ("eeg",))
    less = prepare(replace(study, bands={"eeg": (4.0, 45.0)}), Pipeline(), ("eeg",))
    assert list(whole.features) == features.names(("eeg",))
    assert list(less.features) == list(passband.kept({"eeg": features.names(("eeg",))}, {"eeg": (4.0, 45.0)})["eeg"])
    assert less.features.equals(whole.features[list(less.features)])
