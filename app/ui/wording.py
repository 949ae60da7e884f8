"""The sentences a clinician reads twice: disclaimers, reasons, and what numbers mean. No diagnosis, no judging."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from core.reports.words import CONTROL_SCORES as CONTROL_SCORES
from core.reports.words import CONTROLS as CONTROLS
from core.reports.words import LEAKY as LEAKY
from core.reports.words import MODEL_STATES as MODEL_STATES
from core.reports.words import NO_RANKING as NO_RANKING
from core.reports.words import NORM_LIMITS as NORM_LIMITS
from core.reports.words import NORM_MODES as NORM_MODES
from core.reports.words import OUTCOMES as OUTCOMES
from core.reports.words import OVER_SUBJECTS as OVER_SUBJECTS
from core.reports.words import SPLITS as SPLITS
from core.reports.words import premium as premium
from core.settings import BASELINE_SESSIONS, RELIABLE_CHANGE
from core.settings import DEMONSTRATION as DEMONSTRATION
from core.types import ModelInfo

if TYPE_CHECKING:
    from core.insights.reliable import Change

PRODUCT = "Affectline"
FOOTER = "Research software. Not a medical device. Not a diagnosis."
SIMULATED = "simulated"
SIMULATED_LONG = "This patient is simulated. No person stands behind these recordings."

NO_RECORDING = "no recording"
AFTER_A_FAULT = "What was stored before is not harmed. Reload the page to go on."

REASONS: Mapping[str, str] = {
    "too_short": "the recording is too short for it",
    "low_quality": "too little of the signal can be trusted",
    "no_peaks": "no peaks, beats or responses were found",
    "missing_channel": "a channel it needs was not recorded",
    "no_baseline": "there is no baseline part to compare with",
    "too_few": "there are too few values yet",
    "no_model": "no model is installed for it",
    "not_supported": "it is not supported for this recording",
}

FLAGS: Mapping[str, str] = {
    "gap": "gaps",
    "flat": "flat",
    "rail": "at the end of its range",
    "amplitude": "too large",
    "jump": "jumps",
    "line": "mains hum",
    "muscle": "muscle",
    "lonely": "not related to its neighbours",
    "duplicate": "copy of another channel",
    "missing": "more than a fifth missing",
    "volts": "may be in volts",
    "no_beats": "no beats in places",
    "shape": "beats that do not look alike",
    "intervals": "implausible beat intervals",
    "agreement": "detectors disagree on beats",
    "rate": "heart rate outside 30-220 /min",
    "microvolts": "may be in µV",
    "low": "no contact",
    "silent": "hardly changes",
    "no_breaths": "no breaths in places",
    "warm_up": "warming up",
    "lost": "face lost",
    "marked": "marked as bad",
    "range": "outside the plausible range",
}

# what becomes of a beat: symbol and word, in the order of core.dsp.beats.kinds
BEATS: tuple[tuple[str, str], ...] = (("▼", "counted"), ("◇", "corrected"), ("✕", "left out"))
BEATS_MEAN = (
    "Corrected: an interval beside the beat is more than 20 % off its neighbours, so rate and variability go without "
    "it and the spectrum of the rhythm bridges it. Left out: the beat lies where the signal cannot be used, or makes "
    "an interval outside 300-2000 ms."
)
BEAT_NAMES: Mapping[str, str] = {"ecg": "Beats", "ppg": "Pulses"}

MARKS_MEAN = "The signals stay as they are and stay visible; the numbers change with the next recompute."
EYES_MEAN = (
    "Independent component analysis (FastICA, up to 20 components, fitted on 1-40 Hz) splits the EEG into parts. A "
    "part that follows the EOG (or, where there is none, the frontal channels) with |r| of at least 0.3 is taken for "
    "the eyes; at most two are proposed. Taking one out takes a little of the brain's own signal at the front with it, "
    "so look at both lines first."
)

GRADES: Mapping[str, str] = {
    "good": "Good: can be used",
    "degraded": "Degraded: read with care",
    "poor": "Poor: no ordinary number is shown",
}

STATUS_SHORT: Mapping[str, str] = {"ok": "analysed", "abstained": "abstained", "imported": "imported"}

STATUS: Mapping[str, str] = {
    "ok": "analysed",
    "abstained": "abstained: the signals cannot carry a number",
    "imported": "imported: measured elsewhere, no recording here",
}

KINDS: Mapping[str, str] = {
    "TREND": "Trend",
    "ANOMALY": "Anomaly",
    "PEAK": "Peak",
    "STABILITY": "Stability",
    "CORRELATION": "Correlation",
}

KIND_MEANS: Mapping[str, str] = {
    "TREND": "a measure moved in one direction over several sessions",
    "ANOMALY": "one session lies outside what the person's own sessions would predict",
    "PEAK": "the highest or lowest value so far",
    "STABILITY": "a measure has stayed within a narrow range",
    "CORRELATION": "two measures moved together over sessions",
}

# what the value of an insight is, and what its two limits are
INSIGHT_NUMBERS: Mapping[str, tuple[str, str]] = {
    "TREND": ("mean of the last five", "expected without a change"),
    "ANOMALY": ("value", "own range"),
    "PEAK": ("value", "own range"),
    "STABILITY": ("spread", "values"),
    "CORRELATION": ("coefficient", "interval"),
}

INSIGHT_STATES: Mapping[str, str] = {
    "new": "New",
    "seen": "Seen",
    "acknowledged": "Acknowledged",
    "snoozed": "Snoozed",
    "dismissed": "Dismissed",
}

PRESETS: Mapping[str, str] = {
    "default": "Default",
    "published": "Published",
}

PRESET_MEANS: Mapping[str, str] = {
    "default": "prediction limits from the person's own sessions, a smallest number of sessions, "
    "and control of false discoveries",
    "published": "the thresholds of the published source system, exactly as they are; they fire often by chance",
}

BASELINES: Mapping[str, str] = {
    "learning": "learning",
    "own": "own range from all accepted sessions",
    "set": "set by a clinician",
    "stale": "stale",
}

CHANNEL_TYPES: Mapping[str, str] = {
    "eeg": "EEG",
    "ecg": "ECG",
    "eda": "Skin conductance (EDA)",
    "ppg": "Pulse wave (PPG)",
    "resp": "Respiration",
    "temp": "Skin temperature",
    "acc": "Movement (acceleration)",
    "emg": "EMG",
    "eog": "EOG",
    "rr": "Intervals between heart beats (RR)",
    "face": "Face",
    "misc": "Not analysed",
}

# the blocks A to G of the EEG's features (core.features.eeg)
EEG_BLOCKS: Mapping[str, str] = {
    "A": "band powers",
    "B": "relative powers",
    "C": "mean and spread",
    "D": "histogram entropy",
    "E": "asymmetries",
    "F": "differential entropy",
    "G": "summaries",
}

EVENT_KINDS: Mapping[str, str] = {
    "treatment": "Treatment",
    "change": "Change of treatment",
    "life_event": "Life event",
}

EXPORT_KINDS: Mapping[str, str] = {
    "measures": "Measures: a row for each value of each session",
    "windows": "Windows: a row for each window and target",
    "insights": "Insights, with what was decided",
    "results": "Results of experiments",
    "session": "A recording as EDF+, with its annotations",
}

CORPORA: Mapping[str, str] = {
    "manifest": "Manifest: a CSV with a row a trial",
    "bids": "BIDS folder (DENS, EmoEEG-MC, your own)",
    "dreamer": "DREAMER (.mat)",
    "deap": "DEAP, preprocessed (.dat)",
    "deap-bdf": "DEAP, original recordings (.bdf)",
    "amigos": "AMIGOS (.mat)",
    "s3": "Tables of bands, face, eyes and events",
    "etri": "Table of 88 cardiac features",
    "freihaut": "Freihaut: stress, valence and arousal",
    "stress-predict": "Stress-Predict: wrist band, stress and rest",
    "quiroz": "Quiroz: walking, induced mood",
}
PRIVATE_WORDS: Mapping[str, str] = {
    "drop": "Drop: it is not taken",
    "pseudonym": "Pseudonym: each value becomes S01, S02 ...",
    "keep": "Keep: I looked, and it names nobody",
}
SIDES: Mapping[str, str] = {">": "above", ">=": "from", "<": "below", "<=": "up to"}

# of a person that the model has not seen
UNSEEN_SPLITS = ("loso", "nested_loso", "subject_kfold")
TASKS: Mapping[str, str] = {
    "binary": "High or not",
    "quadrant": "Quadrant of valence and arousal",
    "nine": "Rounded rating, a class each",
    "continuous": "The rating as a value",
}
QUADRANTS_MEAN = " H: high, L: low; A: arousal, V: valence."
FUSIONS: Mapping[str, str] = {"early": "Early", "intermediate": "Intermediate", "late": "Late"}
FUSIONS_MEAN = (
    "Early: one model of all features. Intermediate: components of each signal, then one model. Late: the mean of a "
    "model of each signal."
)
FEATURES: Mapping[str, str] = {
    "": "The usual 160 columns",
    "eeg258full": "All 258 columns",
    "eeg16": "Four bands at Fp1, F3, Fp2 and F4",
}
FEATURES_MEAN = (
    "What the model is given of the EEG. Another set is another experiment, stored beside the usual one; runs without "
    "EEG are the same with either."
)
OVERSAMPLING: Mapping[str, str] = {
    "": "None",
    "random": "Draw rows of rarer classes again",
    "smote": "Make rows between neighbours of one class (SMOTE)",
}
OVERSAMPLING_MEAN = "Makes rarer classes as common among training rows only; test rows stay as they are."
SMOOTHING: Mapping[str, str] = {
    "": "None",
    "majority": "Majority of five windows",
    "two_state": "Two states, forward and backward",
    "causal": "Two states, earlier windows alone",
}
SMOOTHING_MEAN = "What the model says of a trial's windows is smoothed in time; only the last way would do as it goes."
FLIP_MEAN = (
    "A fold whose validation subjects are ranked the wrong way round turns its decision round and says so; with few "
    "validation subjects that is tossing a coin."
)
SELECT_MEAN = (
    "Each fold chooses the model's settings on inner folds of its training subjects, never on the one left out."
)
BINARY_ONLY = "Only where the task is High or not."
SCORE_INPUT = (
    "The model is given the score of the person beside the signals. It is another experiment, stored beside the one "
    "without it."
)
LEAKY_MARK = "LEAKY"
WITHIN = "Within each subject: the model has seen other trials of the same person. It says nothing about a new person."
YARDSTICK = (
    "Published honest figures for a new person: balanced accuracy 0.50-0.58 and AUC 0.50-0.62 for valence and arousal; "
    "0.85-0.93 for stress in the laboratory. Above 0.65 for valence, arousal or dominance of a new person: run the "
    "leak audit. Above 0.80: take it for a fault until it is shown to be none."
)
SURROGATES: Mapping[str, str] = {
    "original": "As recorded",
    "time_shuffled": "Samples in random order",
    "time_reversed": "Played backwards",
    "phase_randomised": "Phases drawn anew",
}
CONFOUNDS: Mapping[str, str] = {
    "heart_rate": "Heart rate",
    "muscle": "Muscle power",
    "eyes": "Eye activity",
    "time": "Time in session",
}
ALIGNMENTS: Mapping[str, str] = {
    "none": "As they are",
    "z_score": "Each subject in its own mean and SD",
    "coral": "Mean and covariance of the other study (CORAL)",
}
EXPERIMENT_STATES: Mapping[str, str] = {
    "running": "● not finished",
    "partial": "✕ partial: folds failed",
    "done": "■ done",
}
NO_CLASSES = "not computed: a value is predicted, not a class"
LEVELS: Mapping[str, str] = {"trial": "By trial", "window": "By window"}
PARTIAL = "No score is shown: a mean over the other folds would be another experiment."
SCORES: Mapping[str, str] = {
    "balanced_accuracy": "Balanced accuracy",
    "accuracy": "Accuracy",
    "macro_f1": "Macro-F1",
    "roc_auc": "AUC",
    "brier": "Brier score",
    "ece": "ECE",
    "ccc": "Concordance (CCC)",
    "rmse": "RMSE",
}


def yardstick(split: str, target: str, value: float, simulated: bool) -> tuple[bool, str]:
    """Whether a balanced accuracy asks for a leak audit, and what is to be said beside it."""
    if split not in UNSEEN_SPLITS:
        return False, WITHIN
    if simulated:
        return False, "The study is simulated: its effect was planted, so published figures do not apply to it."
    if target == "stress":
        return value > 0.93, "Published honest figures for stress in the laboratory: 0.85-0.93." + (
            " This is above them: run the leak audit." if value > 0.93 else ""
        )
    if value > 0.80:
        return True, "Above 0.80 for a new person: take it for a fault until the leak audit shows none."
    if value > 0.65:
        return True, "Above 0.65 for a new person: run the leak audit."
    return False, "Published honest balanced accuracies for a new person lie at 0.50-0.58."


def against_chance(value: float, low: float, high: float) -> str:
    """Where a mean balanced accuracy lies to what a coin gives."""
    between = f"what chance gives with these trials ({low:.2f}-{high:.2f})"
    where = "above" if value > high else "below" if value < low else "within"
    return f"The mean lies {where} {between}."


def against_baselines(value: float, baselines: Mapping[str, float]) -> str | None:
    """What must be said where a model that knows nothing does as well; None where none does."""
    wins = [name for name, score in baselines.items() if score >= value - 1e-9]
    if not wins:
        return None
    said = " and ".join(f"{name} ({baselines[name]:.2f})" for name in wins)
    return f"A model that knows nothing does as well: {said}. Nothing was learned here that a guess does not have."


INDEX_MEANS = (
    "Valence, arousal and dominance are an index of 0-1: the model's probability that the rating lies above its cut. "
    "It is not a severity and has no bands."
)

NUMBERS_DO_NOT_MEAN = (
    "A value is not a diagnosis, and none of them says what a person feels: it says what a model, trained on other "
    "people, makes of signals.",
    "An index of 0.8 is not twice an index of 0.4. It is the model's probability of High, not an amount.",
    "Above own range is neither better nor worse than below own range.",
    "A balanced accuracy of 0.50 is what tossing a coin gives; the figure beside a prediction was measured on people "
    "the model had not seen (leave one subject out).",
    "An interval of 95 % speaks of this recording and this model. It does not cover a wrong electrode, a wrong "
    "patient, or a model that does not fit.",
    "An insight can come by chance. Each card says how many would be expected in 20 sessions without any change.",
    "A value that is not computed is not zero and not normal: nothing is known.",
)


def model_line(model: ModelInfo | None) -> str:
    """The line that stands beside every prediction: model, version, basis and LOSO balanced accuracy."""
    if model is None:
        return "No model: predictions are not computed."
    if model.balanced_accuracy is None:
        accuracy = "balanced accuracy on unseen subjects (LOSO) not known"
    else:
        accuracy = f"balanced accuracy on unseen subjects (LOSO) {model.balanced_accuracy:.2f}, chance 0.50"
    return f"Model {model.name} {model.version}, trained on {model.basis}; {accuracy}."


def expected_by_chance(k: float) -> str:
    """How many insights of this rule would come without any change."""
    return f"Expected without any change: about {k:.2g} per 20 sessions."


def learning(n: int, needed: int) -> str:
    """What stands in place of a band while the baseline is learning."""
    return f"learning: {n} of {needed} sessions"


def session_to_session(change: Change | None) -> str:
    """A session against the person's own variation from one session to the next, in words that do not judge."""
    if change is None:
        return "nothing to compare"
    if change.index is None:
        return f"not computed: {change.why}"
    return f"{'larger' if change.reliable else 'within'} (index {change.index:+.2f})"


SESSION_TO_SESSION = (
    "Session to session: the last session less the mean of the baseline sessions, over the error that this person's "
    f"neighbouring sessions show; beyond ±{RELIABLE_CHANGE:g} it is larger. Own range asks another question: whether a "
    "value is unusual for this person. Neither says what a difference means. Without any change about 8 in 100 values "
    f"are larger with {BASELINE_SESSIONS} baseline sessions, and 5 in 100 with many."
)


# what the remedies of the readers call by the command line's name, and where it is on the screen
ON_SCREEN: Mapping[str, str] = {
    "with --map": "in step 2 of New recording",
    "(--sfreq)": "(step 2 of New recording)",
    "or --sfreq": "or state the rate in step 2 of New recording",
}


def on_screen(notice: str) -> str:
    """A notice of the readers, whose remedy names an option of the command line, for somebody at a page."""
    for option, place in ON_SCREEN.items():
        notice = notice.replace(option, place)
    return notice


def flag(code: str) -> str:
    """A quality flag in words."""
    return FLAGS.get(code, code.replace("_", " "))


def baseline(text: str) -> str:
    """The state of a baseline in words; a text the service made for people passes as it is."""
    return BASELINES.get(text, text)


# --- replay


def replayed(measures: Sequence[Mapping]) -> str:
    """What came of computing a session again, in one sentence."""
    others = sum(not row["same"] for row in measures)
    if not others:
        return f"all {len(measures)} measures are the same as stored, to the last bit."
    return f"{others} of {len(measures)} measures {'is' if others == 1 else 'are'} not the same as stored."


def exact(said: Mapping) -> str:
    """A value and its interval in all their digits, or why there is none."""
    if "not_computed" in said:
        return f"not computed: {REASONS.get(said['not_computed'], said['not_computed'])}"
    interval = f" ({said['low']!r} to {said['high']!r})" if "low" in said and "high" in said else ""
    return f"{said['value']!r}{interval}"


# --- models
MODEL_STATES_MEAN: Mapping[str, str] = {
    "approved": "it may be chosen by itself, where all signals that it needs are there.",
    "draft": "it is used only where somebody names it, until it is approved.",
    "retired": "it is never chosen, and refused by name. Sessions that it analysed stay as they are.",
    "locked": "its files are not those of its card, so it does not predict.",
}
