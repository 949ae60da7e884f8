"""Paths, bands and thresholds: each number once, with its unit and where it comes from."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

from pydantic import field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

ROOT = Path(__file__).resolve().parents[1]
MODELS_SHIPPED = ROOT / "data" / "models"
SAMPLES = ROOT / "data" / "samples"
VERSION = "0.1.0"


def commit(root: Path) -> str:
    """The first seven digits of the commit that is checked out at a folder; "" where it is no git checkout."""
    git = root / ".git"
    try:
        if git.is_file():  # a further working tree: the file says where its own things lie
            git = root / git.read_text(encoding="utf-8").removeprefix("gitdir:").strip()
        head = (git / "HEAD").read_text(encoding="utf-8").strip()
        if head.startswith("ref: "):
            ref, shared = head.removeprefix("ref: "), git / "commondir"
            whole = git / shared.read_text(encoding="utf-8").strip() if shared.is_file() else git
            packed = whole / "packed-refs"
            if (whole / ref).is_file():
                head = (whole / ref).read_text(encoding="utf-8").strip()
            else:
                lines = packed.read_text(encoding="utf-8").splitlines()
                head = next((line.split()[0] for line in lines if line.endswith(f" {ref}")), "")
    except (OSError, UnicodeDecodeError):
        return ""
    return head[:7] if re.fullmatch(r"[0-9a-f]{40,64}", head) else ""


# what a run, an audit and an analysis store of the code that made them; never part of a key
CODE = "+".join(filter(None, (VERSION, commit(ROOT))))
# said wherever a number of a demonstration model is shown (design 3)
DEMONSTRATION = "demonstration model, trained on simulated signals: these numbers carry no meaning for a person"


class Settings(BaseSettings):
    """What a site may set, by environment variables with the prefix AFFECTLINE_."""

    model_config = SettingsConfigDict(env_prefix="AFFECTLINE_", env_file=None, extra="ignore")

    database_url: str = ""
    data_dir: Path = ROOT / "data" / "local"
    recordings_url: str = ""
    dask_scheduler: str = ""
    auth: str = "none"
    max_upload_mb: int = 200
    demo: bool = True
    line_hz: float = 50.0
    time_zone: str = "UTC"
    jobs: int = 2

    @field_validator("time_zone")
    @classmethod
    def _zone_exists(cls, name: str) -> str:
        ZoneInfo(name)
        return name

    @field_validator("line_hz")
    @classmethod
    def _mains(cls, hz: float) -> float:
        if hz not in (50.0, 60.0):
            raise ValueError("LINE_HZ is 50 or 60")
        return hz

    @property
    def database(self) -> str:
        """The database URL, by default the SQLite file in the data folder."""
        return self.database_url or f"sqlite:///{self.data_dir / 'affectline.sqlite3'}"

    @property
    def zone(self) -> ZoneInfo:
        """The site's time zone: of times without an offset, and of screens."""
        return ZoneInfo(self.time_zone)


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings of this process, read once from the environment."""
    return Settings()


# counts up when features that the past tells mean something else; a model of other ones is refused
CAUSAL_FEATURES = 2

# --- EEG bands, Hz, half-open [low, high) (requirements d1)
BANDS = {"delta": (1.0, 4.0), "theta": (4.0, 8.0), "alpha": (8.0, 13.0), "beta": (13.0, 30.0)}
# lowest rate, Hz, whose spectrum holds them all; below it a band would be a part of itself under the same name
EEG_LEAST_RATE = 2 * max(high for _, high in BANDS.values())
# bands of the sixteen features, half-open too (requirements S4-04)
BANDS_16 = {"theta": (4.0, 7.0), "alpha": (8.0, 13.0), "beta": (13.0, 30.0), "gamma": (30.0, 40.0)}
# 14-channel montage of the EPOC headset, in the order the DREAMER platform expects
EPOC_14 = ("AF3", "F7", "F3", "FC5", "T7", "P7", "O1", "O2", "P8", "T8", "FC6", "F4", "F8", "AF4")
PAIRS = (
    ("AF3", "AF4"), ("F7", "F8"), ("F3", "F4"), ("FC5", "FC6"), ("T7", "T8"), ("P7", "P8"), ("O1", "O2"),
)  # fmt: skip
# pairs of the frontal alpha asymmetry (d1, G1)
FRONTAL_PAIRS = (("AF3", "AF4"), ("F7", "F8"), ("F3", "F4"), ("FC5", "FC6"))

# rates, Hz, at which nets that take signals get each channel type
NET_RATES = {"eeg": 128, "ecg": 256, **dict.fromkeys(("eda", "ppg", "resp", "temp", "acc", "emg", "eog", "face"), 128)}

# --- Shortest recording that is analysed, s (S1-03)
MIN_DURATION_S = 5.0

# --- Trend lines of the five detectors: smallest change worth naming (requirements d6)
SMALLEST_CHANGE = {
    "valence": 0.12, "arousal": 0.12, "dominance": 0.12, "liking": 0.12, "stress": 0.12,  # index
    "heart_rate": 5.0, "pulse_rate": 5.0,  # /min
    "rmssd": 0.25, "pulse_rmssd": 0.25, "scl": 0.25, "scr_amplitude": 0.25, "muscle_activity": 0.25,  # on the ln scale
    "alpha_asymmetry": 0.2, "engagement": 0.2,  # ln ratio
    "alpha_peak": 0.5,  # Hz
    "scr_rate": 2.0, "breathing_rate": 2.0, "blink_rate": 5.0, "microexpressions": 2.0,  # /min
    "skin_temperature": 1.0,  # °C
    "movement": 0.02,  # g
    "smile": 0.1,  # share of frames
}  # fmt: skip
LOG_SCALE_MEASURES = frozenset({"rmssd", "pulse_rmssd", "scl", "scr_amplitude", "muscle_activity"})
PREDICTIONS = ("valence", "arousal", "dominance", "liking", "stress")
# unit of every measure that may be tracked or imported (design 2)
MEASURE_UNITS = {
    **dict.fromkeys(PREDICTIONS, "index"),
    "heart_rate": "/min", "rmssd": "ms", "alpha_asymmetry": "ln ratio", "engagement": "ln ratio",
    "alpha_peak": "Hz", "scl": "µS", "scr_rate": "/min", "scr_amplitude": "µS", "breathing_rate": "/min",
    "skin_temperature": "°C", "pulse_rate": "/min", "pulse_rmssd": "ms", "movement": "g", "muscle_activity": "µV",
    "blink_rate": "/min", "smile": "share of frames", "microexpressions": "/min",
}  # fmt: skip
MEASURE_NAMES = {
    "valence": "Valence", "arousal": "Arousal", "dominance": "Dominance", "liking": "Liking", "stress": "Stress",
    "heart_rate": "Heart rate", "rmssd": "RMSSD", "alpha_asymmetry": "Frontal alpha asymmetry",
    "engagement": "Engagement index", "alpha_peak": "Alpha peak", "scl": "Skin-conductance level",
    "scr_rate": "Skin-conductance responses", "scr_amplitude": "Skin-conductance response size",
    "breathing_rate": "Breathing rate", "skin_temperature": "Skin temperature", "pulse_rate": "Pulse rate",
    "pulse_rmssd": "RMSSD of the pulse", "movement": "Movement", "muscle_activity": "Muscle activity",
    "blink_rate": "Blink rate", "smile": "Smile", "microexpressions": "Micro-expressions",
}  # fmt: skip

# --- A session below this usable share is drawn hollow and left out of baselines (ux 5)
LOW_USABLE_SHARE = 0.5
# --- People that a statistic of a group is of: below the first it is not shown (ux 9), below the second it has no
# verdict (ux 10.10)
FEWEST_PEOPLE = 5
VERDICT_PEOPLE = 10

# --- Sessions until a personal baseline is no longer "learning", and its weight of the newest (S1-24)
BASELINE_SESSIONS = 10
BASELINE_ALPHA = 0.1

# --- Detectors (requirements d6). Index values are on 0-1; "x m" is in units of SMALLEST_CHANGE.
AFFECT = ("valence", "arousal", "dominance")  # the measures of `published` and of CORRELATION
FDR_Q = 0.05  # Benjamini-Hochberg over all tests of a visit (`default`)
STILL_P = 0.05  # p below which an open TREND or CORRELATION still holds; it was discovered before
RANGE_COVERAGE = 0.95  # own range and prediction limit
RELIABLE_CHANGE = 1.96  # |reliable change index| above which a difference is named (Jacobson and Truax 1991)
CAP_LIVE, CAP_REPLAY = 5, 10  # insights per session; 10 for a `published` replay (S1-23)
PUBLISHED_LOOK_BACK_DAYS = 30  # live; `default` looks at all accepted sessions
PUBLISHED_LOOK_BACK_REPLAY_DAYS = 90
TREND_RECENT = 5  # newest sessions that are compared with all before
TREND_LEAST_PRIOR = 5  # `default`; `published` needs 1
TREND_PUBLISHED, TREND_PUBLISHED_WARNING = 0.12, 0.20  # index; warning is above
TREND_WARNING_M = 5 / 3  # x m: 0.20 of 0.12
TREND_PERMUTATIONS = 9_999  # sampled where there are more ways than LIMIT to choose the newest five
TREND_EXACT_LIMIT = 15_504  # ways at 20 sessions
ANOMALY_LEAST_PRIOR = 4
ANOMALY_PUBLISHED_Z, ANOMALY_ALERT_Z = 2.0, 3.0  # alert: `default` takes the p of 3 SD
ANOMALY_PUBLISHED_LEAST_SD = 0.01  # index
SD_FLOOR_M = 1 / 4  # x m: 0.03 of 0.12
STEP_SD_M = 1 / 12  # x m: 0.01 of 0.12
STEP_PREDICTION = 0.10  # index; markers 1 m
PEAK_PUBLISHED_LEAST, PEAK_PUBLISHED_HIGH, PEAK_PUBLISHED_LOW = 3, 0.75, 0.25
PEAK_LEAST, PEAK_MARGIN_M = 8, 1 / 6  # sessions; x m: 0.02 of 0.12
STABILITY_DAYS, STABILITY_LEAST, STABILITY_LEAST_TOTAL, STABILITY_LEAST_DATES = 7, 4, 5, 3
STABILITY_PUBLISHED_CV = 0.10
STABILITY_SD_PREDICTION, STABILITY_SD_M = 0.05, 0.4  # index; markers x m
CORRELATION_R = 0.65
CORRELATION_PUBLISHED_LEAST, CORRELATION_LEAST = 8, 10  # sessions
CORRELATION_P = 0.05
# --- end of detectors
