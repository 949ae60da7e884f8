"""Studies on the page Import and export: empty, first look, columns that name people, under way, done, refused."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest

from app.ui import wording
from core import simulate
from core.services import admin, handlers, jobs
from core.services.exports import export_files, exports
from core.services.research import studies
from core.settings import settings
from core.storage.store import Store
from core.types import HIGH
from tests.pages.conftest import NOW, RECORDED, open_page
from tests.pages.test_pages import check

TAB = "Studies"


@pytest.fixture
def site(empty) -> Store:
    """An empty site whose import folder holds a small study."""
    store = Store(settings().database, data_dir=empty)
    lab(studies.import_folder(store) / "lab")
    return store


def lab(folder: Path, head="subject,trial,file,label_stress,group_ei", people="") -> Path:
    """Two subjects with two trials each; the last names a file that is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    simulate.write_edf(simulate.recording(seed=1, duration_s=10), folder / "a.edf")
    (folder / "m.json").write_text(json.dumps({"stress": {"lowest": 0, "highest": 1, "cut": 1, "high": ">="}}))
    rows = ["S1,1,a.edf,1,high", "S1,2,a.edf,0,high", "S2,1,a.edf,0,low", "S2,2,b.edf,0,low"]
    (folder / "m.csv").write_text("\n".join([head, *(r + people for r in rows)]) + "\n")
    return folder / "m.csv"


def work(store: Store) -> None:
    """What the worker would do now."""
    while (job := jobs.claim(store, "w", now=NOW)) is not None:
        handlers.execute(settings().database, job.id)


def job_of(at) -> str:
    found = at.query_params["job"]
    return found[0] if isinstance(found, list) else found


def look(store: Store, kind="manifest", name="lab", place="lab"):
    """Fill in the form and look into the corpus."""
    at = open_page("import_export", tab=TAB)
    at.selectbox(key="corpus").set_value(kind)
    at.selectbox(key="place").set_value(place)
    at.text_input(key="study").set_value(name).run()
    at.button(key="plan").click().run()
    check(at)
    work(store)
    return open_page("import_export", tab=TAB, job=job_of(at))


def test_without_a_study_the_page_says_so_and_names_the_folder_of_this_machine(empty):
    at = open_page("import_export", tab=TAB)
    text = check(at)
    assert "No studies yet" in text and "machine that runs Affectline" in text
    assert at.code[0].value == str(empty / "import")
    assert at.button(key="plan").disabled


def test_a_first_look_counts_and_stores_nothing(site):
    at = look(site)
    text = check(at)
    for said in ("0 to 1", "from 1", "2 subjects", "ei (2 values)", "No signal was read yet"):
        assert said in text.replace("\\", ""), said
    assert [m.value for m in at.metric][:3] == ["2", "4", "1"]
    assert studies.all_studies(site) == []


def test_an_import_goes_from_the_look_to_its_report_of_what_was_left_out(site):
    at = look(site)
    at.button(key="import_study").click().run()
    assert "Leaving the page is safe" in check(at)
    work(site)
    text = check(open_page("import_export", tab=TAB, job=job_of(at)))
    for said in ("2 subjects, 3 trials stored", "E-NO-FILE", "b.edf"):
        assert said in text.replace("\\", ""), said
    (listed,) = studies.all_studies(site)
    assert (listed["name"], listed["trials"], listed["left_out"]) == ("lab", 3, 1)
    assert "lab" in check(open_page("import_export", tab=TAB))


def test_columns_that_name_people_block_until_each_is_mapped(site):
    lab(studies.import_folder(site) / "lab", "subject,trial,file,label_stress,group_ei,name,e-mail", ",Ann,a@b.org")
    at = look(site)
    text = check(at)
    assert "names people" in text and "Ann" not in text and "a@b.org" not in text
    assert at.button(key="look_again").disabled
    at.selectbox(key="private-0").set_value("drop")
    at.selectbox(key="private-1").set_value("drop").run()
    at.button(key="look_again").click().run()
    work(site)
    at = open_page("import_export", tab=TAB, job=job_of(at))
    assert at.metric[1].value == "4"
    at.button(key="import_study").click().run()
    work(site)
    assert len(studies.get(site, "lab").trials) == 3
    kept = (studies.root(site) / "lab" / "study.json").read_text()
    assert "Ann" not in kept and "b.org" not in kept


def test_an_import_under_way_has_a_bar_and_is_cancelled_and_gone_on_with(site):
    job = jobs.submit(site, "import", {"kind": "manifest", "at": "lab", "name": "lab"}, label="Import of lab", now=NOW)
    at = open_page("import_export", tab=TAB, job=job.id)
    check(at)
    assert len(at.get("progress")) == 1
    at.button(key="cancel_job").click().run()
    assert "kept for a while" in check(at)
    at.button(key="again_job").click().run()
    assert jobs.get(site, job.id).state == "queued"
    work(site)
    assert jobs.get(site, job.id).state == "done"


def test_a_corpus_that_is_none_is_refused_in_words_with_a_way_back(site):
    at = look(site, kind="bids")
    text = check(at).replace("\\", "")
    assert "E-BIDS" in text and "Name the top folder" in text
    at.button(key="close_job").click().run()
    assert "Import a study" in check(at)


def test_an_unknown_job_is_said_and_the_list_shown(site):
    text = check(open_page("import_export", tab=TAB, job="f" * 16))
    assert "Unknown job" in text and "No studies yet" in text


def test_an_uploaded_zip_is_looked_into_and_imported(site):
    folder = studies.import_folder(site) / "lab"
    bag = io.BytesIO()
    with zipfile.ZipFile(bag, "w", zipfile.ZIP_DEFLATED) as out:
        for path in sorted(folder.iterdir()):
            out.write(path, f"lab/{path.name}")
    at = open_page("import_export", tab=TAB)
    at.segmented_control(key="where").set_value("upload").run()
    at.file_uploader[0].set_value(("lab.zip", bag.getvalue(), "application/zip")).run()
    check(at)
    at.text_input(key="study").set_value("sent").run()
    at.button(key="plan").click().run()
    work(site)
    at = open_page("import_export", tab=TAB, job=job_of(at))
    assert at.metric[1].value == "4"
    at.button(key="import_study").click().run()
    work(site)
    assert len(studies.get(site, "sent").trials) == 3
    assert not list((site.data_dir / "spool").glob("*"))


def chosen(name: str):
    """The list with a study chosen."""
    at = open_page("import_export", tab=TAB)
    return at.selectbox(key="chosen_study").set_value(name).run()


def test_a_study_is_exported_as_bids_and_fetched(site):
    studies.import_(site, "manifest", studies.import_folder(site) / "lab", "lab", now=NOW)
    at = chosen("lab")
    at.button(key="export_bids").click().run()
    check(at)
    work(site)
    text = check(open_page("import_export", tab=TAB, job=job_of(at)))
    assert "3 trials written as BIDS" in text and "kept for 7 days" in text
    done = jobs.get(site, job_of(at))
    assert export_files.waiting(site, done.result["export"]).is_file()
    assert exports.recent(site)[0]["kind"] == "study"


def test_groups_of_subjects_are_added_and_names_are_refused(site):
    studies.import_(site, "manifest", studies.import_folder(site) / "lab", "lab", now=NOW)
    at = chosen("lab")
    at.file_uploader[0].set_value(("ei.csv", b"subject,group_ei_score\nS1,110\nS2,95\n", "text/csv")).run()
    assert "ei_score for 2 subjects" in check(at).replace("\\", "")
    assert {t.subject: t.groups["ei_score"] for t in studies.get(site, "lab").trials} == {"S1": "110", "S2": "95"}
    assert admin.audit(site)[0]["action"] == "study.groups"
    at = chosen("lab")
    at.file_uploader[0].set_value(("ei.csv", b"subject,group_x,surname\nS1,1,Smith\n", "text/csv")).run()
    text = check(at).replace("\\", "")
    assert "E-PRIVATE" in text and "surname" in text and "ei.csv" in text and "Smith" not in text


def test_a_recording_leaves_as_edf_after_its_annotations_were_shown(filled):
    at = open_page("import_export")
    at.selectbox[0].set_value("session").run()
    next(s for s in at.selectbox if s.label == "Patient").set_value(RECORDED).run()
    next(s for s in at.selectbox if s.label == "Session").set_value(f"{RECORDED}/S-01").run()
    at.button(key="make_edf").click().run()
    text = check(at)
    assert ".edf" in text and "16 signals in 3 files" in text
    assert exports.recent(filled)[0]["kind"] == "session"


def test_the_link_of_a_session_opens_the_export_with_it_chosen(filled):
    at = open_page("import_export", session=f"{RECORDED}/S-01")
    check(at)
    assert [s.value for s in at.selectbox][:3] == ["session", RECORDED, f"{RECORDED}/S-01"]


def test_every_corpus_has_a_title_and_every_side_of_a_cut_a_word():
    assert set(wording.CORPORA) == set(studies.CORPORA)
    assert set(wording.SIDES) == set(HIGH)
