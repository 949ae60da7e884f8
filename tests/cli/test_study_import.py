"""`study import`: what a person sees of it, and the job that does the same."""

import json

from core import simulate
from core.services import handlers, jobs
from core.services.research import studies
from core.storage.store import Store
from tests.cli.conftest import STARTED_AT, answer
from tests.serving import affectline


def manifest(folder, head="subject,trial,file,label_stress", rows=("S1,1,a.edf,1", "S1,2,b.edf,0", "S2,1,a.edf,0")):
    folder.mkdir(exist_ok=True)
    simulate.write_edf(simulate.recording(seed=1, duration_s=10), folder / "a.edf")
    (folder / "m.json").write_text(json.dumps({"stress": {"lowest": 0, "highest": 1, "cut": 1, "high": ">="}}))
    (folder / "m.csv").write_text("\n".join([head, *rows]) + "\n")
    return folder / "m.csv"


def test_an_import_tells_what_was_left_out_and_the_list_shows_it(tmp_path):
    path = manifest(tmp_path / "lab")
    call = ("study", "import", "manifest", str(path), "--name", "lab")
    done = affectline(tmp_path, *call, "--json")
    made = answer(done)
    assert (made["study"], made["n_subjects"], made["n_trials"], made["inputs"]) == ("lab", 2, 2, ["eeg", "ecg"])
    assert made["scales"]["stress"] == {"lowest": 0, "highest": 1, "cut": 1, "high": ">="}
    assert [(t["subject"], t["trial"], t["code"]) for t in made["left_out"]] == [("S1", "2", "E-NO-FILE")]
    assert "trial 3 of 3" in done.stderr and "left out (E-NO-FILE)" in done.stderr
    assert answer(affectline(tmp_path, *call, "--json")) == made  # the same again is the same study
    listed = answer(affectline(tmp_path, "study", "list", "--json"))
    assert [(s["name"], s["trials"], s["left_out"]) for s in listed] == [("lab", 2, 1)]


def test_a_table_that_names_people_is_refused_until_it_is_mapped(tmp_path):
    path = manifest(tmp_path / "lab", "subject,trial,file,label_stress,name", ("S1,1,a.edf,1,Ann",))
    call = ("study", "import", "manifest", str(path), "--name", "lab", "--json")
    refused = answer(affectline(tmp_path, *call), 3)
    assert refused["code"] == "E-PRIVATE" and "name" in refused["what"] and "--map" in refused["what_to_do"]
    (tmp_path / "map.json").write_text('{"name": "drop"}')
    assert answer(affectline(tmp_path, *call, "--map", str(tmp_path / "map.json")))["n_trials"] == 1


def test_a_job_imports_a_study(tmp_path):
    path = manifest(tmp_path / "lab")
    url = f"sqlite:///{tmp_path / 'db.sqlite3'}"
    store = Store(url)
    try:
        store.data_dir = tmp_path
        job = jobs.submit(store, "import", {"kind": "manifest", "path": str(path), "name": "j"}, now=STARTED_AT)
        said = []
        done = handlers.HANDLERS[job.kind](store, job.params, lambda share, words: said.append(words))
        assert done == {"study": "j", "trials": 2, "left_out": 1}
        assert said[-1].startswith("trial 3 of 3")
        assert len(studies.get(store, "j").trials) == 2
    finally:
        store.close()


def test_a_study_is_exported_as_bids_into_a_new_folder_and_imported_again(tmp_path):
    call = ("--subjects", "2", "--trials", "2", "--trial-s", "5")
    answer(affectline(tmp_path, "study", "simulate", "--name", "sim", *call, "--json"))
    out = str(tmp_path / "bids")
    made = answer(affectline(tmp_path, "study", "export", "sim", "--format", "bids", "--out", out, "--json"))
    assert (made["study"], made["format"], made["trials"]) == ("sim", "bids", 4)
    assert answer(affectline(tmp_path, "study", "export", "sim", "--out", out, "--json"), 3)["code"] == "E-OUT"
    back = answer(affectline(tmp_path, "study", "import", "bids", out, "--name", "back", "--json"))
    assert (back["n_subjects"], back["n_trials"], back["simulated"], back["left_out"]) == (2, 4, True, [])
