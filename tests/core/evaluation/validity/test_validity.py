"""Controls with planted truth: clips, surrogates, injected differences, labels, transfer and the checklist."""

from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest

from core.errors import Refused
from core.evaluation import experiment, simulate
from core.evaluation.dataset import prepare
from core.evaluation.experiment import Spec
from core.evaluation.validity import checklist, control, label_policy, stimulus, surrogates, transfer
from core.models import MODELS, Model
from core.studies import bids, folder, simulated
from core.types import Pipeline, Study, Trial

SPEC = Spec("features", "valence", "eeg+ecg", "logistic")
NULL = simulate.feature_study(15, 16, 3, effect=0.0, seed=8)


# ------------------------------------------------------------------------------------------- clips
def of_clips(effect, clip_sd, seed=8):
    """A study in which everybody rates a clip alike; clips may have a print of their own, and emotion an effect."""
    data = simulate.feature_study(15, 16, 3, effect=0.0, seed=seed)
    clip = np.unique(data.stimulus, return_inverse=True)[1]
    high = clip % 2 == 0
    prints = np.random.default_rng([seed, 5]).standard_normal((clip.max() + 1, 20))
    x = data.features.to_numpy() + clip_sd * prints[clip]
    x += effect * np.where(high, 1.0, -1.0)[:, None] * simulate.direction(seed, 20)
    features = pd.DataFrame(x, columns=data.features.columns)
    return replace(data, features=features, labels={"valence": np.where(high, 5.0, 1.0)})


@pytest.mark.parametrize(
    ("effect", "clip_sd", "there"), [(0.0, 1.5, True), (2.0, 0.0, False), (0.0, 0.0, False)],
    ids=["prints of clips", "an emotion alone", "nothing"],
)  # fmt: skip
def test_the_stimulus_premium_is_there_where_clips_have_a_print_and_nowhere_else(effect, clip_sd, there):
    told = []
    found = stimulus.premium(of_clips(effect, clip_sd), SPEC, progress=lambda share, words: told.append(share))
    premium = found["premium"]
    assert (premium["low"] > 0.05) is there
    if not there:
        assert premium["low"] <= 0.03 and abs(premium["value"]) < 0.08
    assert premium["value"] == pytest.approx(found["seen"]["value"] - found["withheld"]["value"])
    if effect:
        assert found["withheld"]["low"] > 0.7
    assert found["n_train_trials"]["least"] == found["n_train_trials"]["most"], "the sizes are matched"
    assert (found["n_stimuli"], found["n_subjects"], told[-1]) == (16, 15, 1.0)


def test_clips_that_nobody_shares_are_refused():
    with pytest.raises(Refused, match="E-STIMULI"):
        stimulus.premium(replace(NULL, stimulus=NULL.unit.astype(str)), SPEC)


# ------------------------------------------------------------------------------------------- surrogates
@pytest.mark.parametrize("n", [256, 257])
def test_each_surrogate_keeps_what_it_says_and_destroys_the_rest(n):
    rng = np.random.default_rng(3)
    t = np.arange(n) / 128
    x = np.stack([np.sin(2 * np.pi * (4 + 4 * t) * t), np.sign(np.sin(2 * np.pi * 6 * t))]) + 0.1 * rng.normal(
        size=(2, n)
    )
    made = {kind: f(x.copy(), np.random.default_rng(0)) for kind, f in surrogates.SURROGATES.items()}

    def power(v):
        return np.abs(np.fft.rfft(v, axis=1))

    def cross(v):
        a, b = np.fft.rfft(v, axis=1)
        return a * np.conj(b)

    def turns(v):  # signed time asymmetry of the steps: another sign when time runs backwards
        return np.mean(np.diff(v, axis=1) ** 3, axis=1)

    shuffled, back, phased = made["time_shuffled"], made["time_reversed"], made["phase_randomised"]
    for kept in (shuffled, back):
        np.testing.assert_array_equal(np.sort(kept, axis=1), np.sort(x, axis=1))
    np.testing.assert_allclose(np.cov(shuffled), np.cov(x))
    assert not np.allclose(power(shuffled), power(x), rtol=0.2)
    np.testing.assert_allclose(power(back), power(x))
    np.testing.assert_allclose(turns(back), -turns(x))
    np.testing.assert_allclose(power(phased), power(x))
    np.testing.assert_allclose(cross(phased), cross(x), atol=1e-6)
    np.testing.assert_allclose(phased.mean(axis=1), x.mean(axis=1))
    assert not np.allclose(np.sort(phased, axis=1), np.sort(x, axis=1), atol=0.1)
    assert all(np.isrealobj(v) and v.shape == x.shape for v in made.values())


def test_a_channel_that_is_missing_stays_missing_and_gaps_do_not_spread():
    data = replace(NULL.take(np.arange(4)), signals={"eeg": np.ones((4, 2, 8), dtype=np.float32)})
    data.signals["eeg"][:, 0] = np.nan
    made = surrogates.of_windows(data, "phase_randomised", 0).signals["eeg"]
    assert np.isnan(made[:, 0]).all() and np.isfinite(made[:, 1]).all() and made.dtype == np.float32


class Asymmetry:
    """Knows two things of a window: the power of its channel, and whether more of it lies in its second half."""

    wants_groups = False

    def fit(self, X, y, groups=None, validation=None):
        from sklearn.linear_model import LogisticRegression

        self.inner = LogisticRegression().fit(self._see(X), y)
        self.classes_ = self.inner.classes_
        return self

    def predict_proba(self, X):
        return self.inner.predict_proba(self._see(X))

    def _see(self, X):
        spectrum = np.abs(np.fft.rfft(X["eeg"][:, 0], axis=1)) ** 2
        half = X["eeg"].shape[2] // 2
        late = np.mean(X["eeg"][:, 0, half:] ** 2, axis=1) - np.mean(X["eeg"][:, 0, :half] ** 2, axis=1)
        return np.column_stack([np.log(spectrum[:, 8:13].sum(axis=1)) - np.log(spectrum[:, 20:40].sum(axis=1)), late])


def windows(kind):
    """Noise with a stronger low band (a spectral effect), or swelling instead of fading (one of order), for High."""
    rng = np.random.default_rng(4)
    high, n = NULL.high("valence"), 128
    x = rng.standard_normal((len(NULL), 1, n))
    if kind == "spectral":
        tone = np.sin(2 * np.pi * 10 * np.arange(n) / 128 + rng.uniform(0, 6.28, (len(NULL), 1, 1)))
        x = x + np.where(high, 0.9, 0.3)[:, None, None] * tone
    else:
        ramp = np.linspace(0.5, 1.5, n)
        x = x * np.where(high[:, None, None], ramp, ramp[::-1])
    return replace(NULL, signals={"eeg": x.astype(np.float32)}, channels={"eeg": ("Cz",)})


@pytest.mark.parametrize(
    ("kind", "kept", "lost"),
    [("spectral", ("time_reversed", "phase_randomised"), ("time_shuffled",)),
     ("order", (), ("time_shuffled", "phase_randomised"))],
)  # fmt: skip
def test_a_spectral_effect_survives_phase_randomisation_and_one_of_order_does_not(kind, kept, lost, monkeypatch):
    monkeypatch.setitem(MODELS, "asymmetry", Model("Two numbers", "signals", lambda seed, **options: Asymmetry()))
    spec, data = replace(SPEC, model="asymmetry", inputs="eeg"), windows(kind)
    made = {"original": data, **{k: surrogates.of_windows(data, k, 0) for k in surrogates.SURROGATES}}
    found = {row["signals"]: row for row in surrogates.scores(made, spec)["scores"]}
    assert found["original"]["balanced_accuracy"]["low"] > 0.85
    for name in kept:
        assert found[name]["balanced_accuracy"]["low"] > 0.85
    for name in lost:
        assert found[name]["balanced_accuracy"]["value"] < 0.62 and found[name]["loss"]["low"] > 0.25


def test_features_are_computed_again_from_changed_signals_and_the_baseline_is_left(tmp_path):
    study = folder.write(
        tmp_path, "s", simulated.source(subjects=1, trials=1, trial_s=12, effect=0.0, seed=0, inputs="eeg")
    )
    recording = folder.recording(study.trials[0])
    changed = surrogates.of_recording(recording, "time_reversed", 0, "a")
    [rest] = [a for a in recording.annotations if a.description == "baseline"]
    n = round((rest.onset_s + rest.duration_s) * 128)
    for before, after in zip(recording.signals, changed.signals, strict=True):
        np.testing.assert_array_equal(after.data[:n], before.data[:n])
        np.testing.assert_array_equal(after.data[n:], before.data[n:][::-1])
    made = {
        kind: prepare(study, Pipeline(), ("eeg",), change=surrogates.change(kind, 0, Pipeline(), ("eeg",)))
        for kind in ("time_reversed", "time_shuffled")
    }
    whole = prepare(study, Pipeline(), ("eeg",))
    column = "ln_atb_O1"
    assert made["time_reversed"].onset_s.tolist() == whole.onset_s.tolist()
    np.testing.assert_allclose(made["time_reversed"].features[column].mean(), whole.features[column].mean(), atol=0.1)
    assert abs(made["time_shuffled"].features[column].mean() - whole.features[column].mean()) > 0.5


# ------------------------------------------------------------------------------------------- positive control
def test_the_positive_control_finds_the_size_that_it_says_and_not_a_small_part_of_it():
    found = control.control(NULL, SPEC, sizes=(0.125, 0.5, 1.0, 2.0, 4.0), draws=2)
    assert found["smallest"] in (1.0, 2.0)
    assert [row["balanced_accuracy"] for row in found["sizes"]][-1] > 0.9
    again = control.control(NULL, replace(SPEC, seed=50), sizes=(0.125, found["smallest"]), draws=2)
    assert again["smallest"] == found["smallest"]
    assert again["sizes"][0]["found"] < 2


def test_what_is_injected_has_its_size_and_labels_that_nothing_else_knows():
    big = control.injected(NULL, SPEC, 4.0, 1)
    assert not np.array_equal(big.labels["valence"], NULL.labels["valence"])
    high = big.high("valence")
    names = NULL.names(SPEC.types)
    moved = (big.features[names] - NULL.features[names]) / NULL.features[names].std(ddof=0)
    gap = moved[high].mean() - moved[~high].mean()
    assert np.linalg.norm(gap) == pytest.approx(4.0)
    nets = replace(NULL, signals={"eeg": np.random.default_rng(0).normal(size=(len(NULL), 2, 256)).astype(np.float32)})
    nets = control.injected(nets, replace(SPEC, model="eegnet", inputs="eeg"), 2.0, 1)
    spread = nets.signals["eeg"].std(axis=(1, 2))
    assert spread[nets.high("valence")].mean() == pytest.approx(np.sqrt(5), rel=0.02)
    assert spread[~nets.high("valence")].mean() == pytest.approx(1.0, rel=0.02)


def test_a_pipeline_that_finds_nothing_says_that_its_null_result_says_nothing():
    assert control.control(NULL, replace(SPEC, model="majority"), sizes=(8.0,), draws=1)["smallest"] is None


# ------------------------------------------------------------------------------------------- labels
def test_krippendorffs_own_example():
    """Krippendorff (2011), table of four observers and twelve units: nominal 0.743, interval 0.849."""
    x = np.array([
        [1, 2, 3, 3, 2, 1, 4, 1, 2, np.nan, np.nan, np.nan],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, np.nan, 3],
        [np.nan, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, np.nan],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, np.nan],
    ])  # fmt: skip
    assert label_policy.krippendorff(x, "nominal") == pytest.approx(0.743, abs=5e-4)
    assert label_policy.krippendorff(x, "interval") == pytest.approx(0.849, abs=5e-4)
    assert label_policy.krippendorff(np.ones((2, 3)), "interval") is None
    assert label_policy.krippendorff(np.array([[1.0, np.nan], [np.nan, 2.0]]), "nominal") is None


def test_cuts_and_ties_move_the_majority_class_as_by_hand():
    ratings = pd.DataFrame({"subject": list("aabbcc"), "stimulus": list("xyxyxy"), "v": [1.0, 3, 3, 5, 4, 2]})
    found = label_policy.sweep(ratings, "v", (1.0, 5.0, 3.0))
    at = {(row["cut"], row["ties"]): row for row in found["policies"]}
    own = "3, the study's"
    assert [at[own, t]["share_above"] for t in (">", ">=", "drop")] == [2 / 6, 4 / 6, 0.5]
    assert [at[own, t]["n"] for t in (">", ">=", "drop")] == [6, 6, 4]
    assert at[own, ">"]["majority_accuracy"] == pytest.approx(4 / 6) and at[own, ">"]["near_share"] == 2 / 6
    assert at["each subject's median", ">"]["share_above"] == 0.5
    assert len({cut for cut, _ in at}) == 4, "the middle, median and mean of all are the study's cut here"


def test_intended_against_reported_by_hand_and_against_other_raters():
    ratings = pd.DataFrame({
        "subject": list("abcd"), "stimulus": ["x"] * 4, "v": [5.0, 5, 5, 1], "v_intended": [5.0, 1, 5, 1],
    })  # fmt: skip
    found = label_policy.intended(ratings, "v", (1.0, 5.0, 3.0))
    assert (found["basis"], found["n"], found["differ_share"]) == ("intended", 4, 0.25)
    assert found["counts"]["meant_low_said_high"] == 1
    found = label_policy.intended(ratings.drop(columns="v_intended"), "v", (1.0, 5.0, 3.0))
    # a, b and c have two of three others with them, d has nobody
    assert (found["basis"], found["n"], found["differ_share"]) == ("other raters", 4, 0.25)


def test_the_label_tables_of_the_real_ratings_of_dens(shared_data):
    root = shared_data / "bids" / "ds003751"
    table, scales = bids.ratings(root)
    found = label_policy.report(table, scales)
    plain = pd.concat(pd.read_csv(p, sep="\t") for p in root.glob("sub-*/beh/*_beh.tsv"))
    assert [s["target"] for s in found["sweeps"]][:4] == ["valence", "arousal", "dominance", "liking"]
    [valence] = [s for s in found["sweeps"] if s["target"] == "valence"]
    assert (valence["n_ratings"], valence["n_subjects"], valence["n_stimuli"]) == (len(plain), 34, 20) == (367, 34, 20)
    own = {row["ties"]: row for row in valence["policies"] if row["cut"] == "5, the study's"}
    assert own[">"]["share_above"] == pytest.approx((plain.valence > 5).mean())
    assert own[">="]["share_above"] == pytest.approx((plain.valence >= 5).mean())
    assert own["drop"]["n"] == int((plain.valence != 5).sum())
    majority = [row["majority_accuracy"] for row in valence["policies"]]
    assert max(majority) - min(majority) > 0.1, "the cut alone moves it"
    assert valence["alpha"] == pytest.approx(0.70, abs=0.02)
    [meant] = [m for m in found["intended"] if m["target"] == "valence"]
    assert meant["basis"] == "other raters" and 0.05 < meant["differ_share"] < 0.2


# ------------------------------------------------------------------------------------------- transfer
def test_alignment_brings_back_what_another_scale_and_place_took():
    here = simulate.feature_study(14, 12, 3, effect=2.0, seed=8)
    there = simulate.feature_study(10, 12, 3, effect=2.0, seed=8)
    rng = np.random.default_rng(0)
    scale, place = np.exp(rng.normal(0, 1, 20)), rng.normal(0, 20, 20)
    other = replace(there, features=there.features * scale + place, name="other")
    found = {row["alignment"]: row["balanced_accuracy"] for row in transfer.transfer(here, other, SPEC)["scores"]}
    same = {row["alignment"]: row["balanced_accuracy"] for row in transfer.transfer(here, there, SPEC)["scores"]}
    assert same["none"]["low"] > 0.75
    assert found["none"]["value"] < 0.65
    assert found["z_score"]["low"] > 0.8 and found["coral"]["low"] > 0.7
    assert found["z_score"]["value"] == pytest.approx(same["z_score"]["value"])


def test_coral_gives_the_source_the_covariance_of_the_target():
    a, b = simulate.feature_study(6, 6, 5, seed=1), simulate.feature_study(6, 6, 5, seed=2)
    x, y = transfer.coral(a, b)
    np.testing.assert_allclose(np.cov(x.T), np.cov(y.T), atol=0.02)


def test_transfer_uses_shared_columns_and_refuses_what_cannot_be_transferred():
    other = replace(
        NULL, columns={**NULL.columns, "eeg": NULL.columns["eeg"][:3]}, features=NULL.features.drop(columns=["eeg_f18"])
    )
    assert transfer.transfer(NULL, other, SPEC)["n_columns"] == 13
    for spec, to in (
        (replace(SPEC, model="eegnet"), other),
        (SPEC, replace(other, labels={})),
        (SPEC, replace(other, columns={"eeg": ("a",)})),
    ):
        with pytest.raises(Refused, match="E-TRANSFER"):
            transfer.transfer(NULL, to, spec)


# ------------------------------------------------------------------------------------------- checklist
def test_the_checklist_fills_eight_axes_and_names_what_is_missing(tmp_path):
    study = folder.write(
        tmp_path, "s", simulated.source(subjects=1, trials=2, trial_s=12, effect=0.0, seed=0, inputs="eeg")
    )
    key = {"study": "s", "target": "valence", "inputs": "eeg", "model": "logistic", "fusion": "early",
           "split": "random_window", "seed": 3}  # fmt: skip
    whole = {"pipeline": {"window_s": 4.0, "step_s": 2.0, "features": "eeg258/1", "eeg_band": [0.5, 45.0],
                          "norm_mode": "baseline", "norm_robust": True, "new_s": 3},
             "pipeline_hash": "abc", "study_sha256": "f" * 64, "task": "binary"}  # fmt: skip
    details = {
        "baselines": {"majority": {"balanced_accuracy": {"value": 0.5}}},
        "permutation_p": {"balanced_accuracy": 0.2},
    }
    found = {row["axis"]: row for row in checklist.checklist(study, key, whole, details, "1.0")}
    assert tuple(found) == checklist.AXES and len(found) == 8
    assert not any(row["missing"] for row in found.values())
    done = "EEG 0.5 to 45 Hz, channels scaled over the baseline, with median and MAD, new_s 3"
    assert found["preprocessing"]["text"] == done and "leaky" in found["split"]["text"]
    assert "balanced accuracy p 0.2000" in found["baselines"]["text"]
    assert "valence 1 to 5, High is > 3" in found["cut"]["text"] and "2 rated trials" in found["label type"]["text"]
    assert "majority 0.500" in found["baselines"]["text"] and "abc" in found["code and data"]["text"]
    assert "learned from 160 columns: eeg 160 of 258; scores of subjects as inputs: none" in found["features"]["text"]
    less = {
        row["axis"]: row["missing"] for row in checklist.checklist(study, {**key, "target": "joy"}, {}, None, "1.0")
    }
    assert {axis for axis, missing in less.items() if missing} == {
        "preprocessing", "features", "cut", "baselines", "code and data",
    }  # fmt: skip


def test_the_checklist_has_words_for_every_setting_of_the_chain():
    plain = asdict(Pipeline(norm_mode="causal"))
    known = set(checklist._SETTINGS) | {"features", "window_s", "step_s"}
    assert set(plain) == known
    assert "_" not in checklist._settings(plain) and "mean and SD" not in checklist._settings(plain)


def said_of(axis, details=None, trials=(), **changes):
    """One axis of the checklist of an experiment that is a little different each time."""
    study = Study("s", "", "", tuple(trials), {"valence": (1.0, 5.0, 3.0)}, ("eeg", "ecg"))
    spec = replace(SPEC, study="s", **changes)
    pipeline = {"window_s": 4.0, "step_s": 2.0, "features": "eeg258+ecg22/1"}
    config = {**spec.config, "pipeline": pipeline, "study_sha256": "f" * 64}
    key = dict(zip(experiment.KEY, spec.key, strict=True))
    return next(r["text"] for r in checklist.checklist(study, key, config, details, "1.0") if r["axis"] == axis)


def test_the_checklist_says_that_something_was_selected_only_where_it_was():
    for axis in ("split", "cross-validation"):
        told = said_of(axis, split="nested_loso", model="forest")
        assert "no option was selected, as there were no choices" in told and "options selected" not in told
    chosen = {
        "selected": [{"options": {"strength": 0.003}, "n_folds": 5}, {"options": {"strength": 0.03}, "n_folds": 2}]
    }
    told = said_of("split", chosen, split="nested_loso")
    assert (
        "options selected among 3 sets on 4 inner folds by subject, by fold: strength 0.003 in 5, strength 0.03 in 2"
        in told
    )
    told = said_of("split", split="nested_loso", model="forest", choices=({"leaf": 5}, {"leaf": 15}))
    assert told.endswith("options selected among 2 sets on 4 inner folds by subject")
    told = said_of("split", split="nested_loso", model="forest", choices=({"leaf": 5},))
    assert told.endswith("as there were no choices; always leaf 5")
    told = said_of("cross-validation", options={"strength": 0.1})
    assert "options given: strength 0.1; no option was selected" in told
    assert "options given: none" in said_of("cross-validation")


@pytest.mark.parametrize(
    ("split", "who"),
    [("loso", "3 other subjects at most"), ("nested_loso", "3 other subjects at most"),
     ("subject_kfold", "3 other subjects at most"), ("within_subject", "a sixth of the subject's other trials"),
     ("trial", "a sixth of the other trials, of the same people"),
     ("random_window", "a sixth of the other windows, of the same people and trials")],
)  # fmt: skip
def test_the_checklist_says_who_validates_in_each_split(split, who):
    told = said_of("cross-validation", split=split)
    assert f"{who} calibrate and set the threshold" in told and ("3 other subjects" in told) == ("3 other" in who)
    assert "threshold" not in said_of("cross-validation", split=split, task="nine")
    assert "nothing is calibrated" in said_of("cross-validation", split=split, model="majority")


def test_the_checklist_says_what_the_model_learned_from():
    assert "learned from 182 columns: eeg 160 of 258, ecg all 22;" in said_of("features")
    assert "scores of subjects as inputs: ei, age;" in said_of("features", groups=("ei", "age"))
    told = said_of("features", model="eegnet", inputs="eeg")
    assert "of the signals themselves" in told and "columns" not in told
    assert "how common each class is and nothing else" in said_of("features", model="majority")
    trial = Trial("A", "1", {"valence": 2.0}, {}, "", {"face_joy": 1.0, "face_trial_no": 1.0})
    told = said_of("features", trials=[trial], inputs="face")
    assert "face 1 that came with the study" in told and "face_trial_no (trial)" in told
    assert "a trial's value is the median of its windows" in said_of("cross-validation", aggregate="median")
