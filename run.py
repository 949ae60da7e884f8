"""Set up and run Affectline with nothing but Python: ``python run.py run|test|lint|bench|format``.

The Makefile is a thin front of this file, so that it works without make too. It makes ``.venv`` on first use,
installs the pinned packages once for each state of the requirement files, and asks nothing.
"""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = Path(os.environ.get("AFFECTLINE_VENV", ROOT / ".venv"))
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

# what BIDS checks a folder with: a package of npm that needs node and no other package
VALIDATOR = "bids-validator@1.15.0"
VALIDATOR_SHA512 = "gZ0UUTLBt5L3nuhLia/VfvK5OaM0yoTBPJvGmC4slQ8yDzpanWZOHHBS+PAua0riQ7Cwa51HER/Fnd9v17MHUw=="


def set_up(*, dev: bool) -> None:
    """Make the virtual environment and install what is missing; at once when nothing is."""
    if sys.version_info < (3, 11):  # noqa: UP036 - whoever runs this may have an older one
        sys.exit("Affectline needs Python 3.11 or newer.")
    name = "requirements-dev.txt" if dev else "requirements.txt"
    wanted = digest("requirements.txt", "constraints.txt", "pyproject.toml", *([name] if dev else []))
    stamp = VENV / f"installed-{name}"
    if PYTHON.exists() and stamp.exists() and stamp.read_text() == wanted:
        return
    started = time.monotonic()
    if not PYTHON.exists():
        say(f"making {VENV.name}")
        venv.create(VENV, with_pip=True)
    say(f"installing {name} (about 2 GB; a minute or two)")
    pip = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    check([*pip, "-r", str(ROOT / name)])
    check([*pip, "--no-deps", "-e", str(ROOT)])
    stamp.write_text(wanted)
    say(f"installed in {time.monotonic() - started:.0f} s")


def digest(*names: str) -> str:
    """One hash of some files: another state of them means installing again."""
    return hashlib.sha256(b"".join((ROOT / name).read_bytes() for name in names)).hexdigest()


def fetch_validator() -> None:
    """Fetch the validator of BIDS into the virtual environment where npm is; without it its tests are skipped."""
    place = VENV / "node" / "bids-validator"
    if place.exists():
        return
    npm = shutil.which("npm")
    if not (npm and shutil.which("node")):
        say("no node and npm found: what BIDS says of an export will be skipped (Debian: apt-get install nodejs npm)")
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent) as name:
        subprocess.call([npm, "pack", "--silent", VALIDATOR], cwd=name, stdout=subprocess.DEVNULL)
        packed = next(Path(name).glob("*.tgz"), None)
        if packed is None:
            say(f"{VALIDATOR} could not be fetched: what BIDS says of an export will be skipped")
            return
        if base64.b64encode(hashlib.sha512(packed.read_bytes()).digest()).decode() != VALIDATOR_SHA512:
            sys.exit(f"{VALIDATOR} is not the package that was pinned; it was not unpacked.")
        with tarfile.open(packed) as bag:
            bag.extractall(name)
        (Path(name) / "package").replace(place)


def run() -> int:
    """Serve on http://127.0.0.1:8501 (PORT= changes it); the first time with the demo patients."""
    set_up(dev=False)
    arguments = ["-m", "app", "serve", "--port", os.environ.get("PORT", "8501")]
    if os.name == "nt":
        return subprocess.call([str(PYTHON), *arguments], cwd=ROOT)
    os.chdir(ROOT)
    os.execv(PYTHON, [str(PYTHON), *arguments])  # signals reach the server itself


def test() -> int:
    """Run every test, a process a core up to four; arguments after ``test`` go to pytest instead."""
    set_up(dev=True)
    workers = str(min(os.cpu_count() or 1, 4))
    arguments = sys.argv[2:] or ["-n", workers, "--dist", "loadfile"]
    fetch_validator()
    if not (os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")):
        say("no Chromium found: browser tests will be skipped (Debian: apt-get install chromium)")
    return subprocess.call([str(PYTHON), "-m", "pytest", *arguments], cwd=ROOT)


def lint() -> int:
    """Style, types and import layers."""
    set_up(dev=True)
    steps = (["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"])
    commands = [[str(PYTHON), "-m", *step] for step in steps]
    commands.append([str(PYTHON), "-c", "from importlinter.cli import lint_imports_command as lint; lint()"])
    return max(subprocess.call(command, cwd=ROOT) for command in commands)


def bench() -> int:
    """Print the figures of docs/performance.md as ratios measured in one run."""
    set_up(dev=True)
    return subprocess.call([str(PYTHON), "-m", "tests.bench", *sys.argv[2:]], cwd=ROOT)


def tidy() -> int:
    """Format the code and sort its imports."""
    set_up(dev=True)
    fix = subprocess.call([str(PYTHON), "-m", "ruff", "check", "--fix", "--quiet", "."], cwd=ROOT)
    return max(fix, subprocess.call([str(PYTHON), "-m", "ruff", "format", "."], cwd=ROOT))


def check(command: list[str]) -> None:
    """Run a step of the set-up, or stop with its exit code."""
    code = subprocess.call(command, cwd=ROOT)
    if code:
        sys.exit(code)


def say(text: str) -> None:
    """A line of progress."""
    print(f"affectline: {text}", file=sys.stderr, flush=True)


COMMANDS = {"run": run, "test": test, "lint": lint, "bench": bench, "format": tidy}

if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in COMMANDS:
        sys.exit(f"usage: python run.py {{{'|'.join(COMMANDS)}}}")
    sys.exit(COMMANDS[sys.argv[1]]())
