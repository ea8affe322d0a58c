"""What a finished run is good for: reports in every form, the gate, the store, lists and explanations."""

from __future__ import annotations

import json
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
import skops.io
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from .conftest import Place

ATTACKS = '[audit]\nattacks = ["membership/loss", "membership/rmia", "membership/structural"]\nshadows = 4\n'
PLAIN = (
    '[target]\nmodel = "model.skops"\naccess = "scores"\n'
    '[data]\nmembers = "members.csv"\nnonmembers = "nonmembers.csv"\nlabel = "ill"\nid = "nr"\nperson = "who"\n'
)
EDPB_NOT_RUN = ("attribute inference", "exfiltration", "inversion", "reconstruction")


@pytest.fixture(scope="module")
def leaky(tmp_path_factory, warm, people) -> Place:
    """A forest that knows its people by heart, audited; ids that stand out in any report."""
    place = Place(tmp_path_factory.mktemp("leaky"), warm)
    for name, frame in zip(("members", "nonmembers"), people, strict=True):
        frame = frame.assign(nr="ident-" + frame["nr"], who="human-" + frame["nr"])
        frame.to_csv(place.folder / f"{name}.csv", index=False)
    model = RandomForestClassifier(20, random_state=0).fit(people[0][["age", "dose", "length"]], people[0]["ill"])
    skops.io.dump(model, place.folder / "model.skops")
    place.audit(PLAIN + ATTACKS)
    return place


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory, warm: subprocess.Popen[str]) -> Place:
    """A plain line through 3,000 members, which cannot tell much about any of them; the sides are drawn by chance."""
    place = Place(tmp_path_factory.mktemp("quiet"), warm)
    draw = np.random.default_rng(0)
    x = draw.normal(size=(6000, 2))
    frame = pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "ill": (x[:, 0] + draw.normal(size=6000) > 0).astype(int)})
    frame[:3000].to_csv(place.folder / "members.csv", index=False)
    frame[3000:].to_csv(place.folder / "nonmembers.csv", index=False)
    skops.io.dump(LogisticRegression().fit(frame[["a", "b"]][:3000], frame["ill"][:3000]), place.folder / "model.skops")
    text = PLAIN.replace('id = "nr"\nperson = "who"\n', "")
    place.audit(text + "[audit]\nattacks = ['membership/rmia']\nshadows = 8\n")
    return place


@pytest.mark.parametrize("publishable", [False, True])
@pytest.mark.parametrize("form", ["html", "md", "json", "sarif", "junit", "card"])
def test_every_form(leaky, form, publishable):
    words = ["report", "latest", "--format", form, "-o", f"out.{form}"] + ["--publishable"] * publishable
    done = leaky(*words)
    assert done.code == 0, done.err
    assert done.out == ""
    text = (leaky.folder / f"out.{form}").read_text()
    if publishable:
        assert "ident-" not in text
        assert "human-" not in text
    assert "embership" in text
    if form in ("json", "sarif"):
        json.loads(text)
    if form == "junit":
        ElementTree.fromstring(text)
    if form == "html":
        assert text.lstrip().lower().startswith("<!doctype html>")
        assert "http://" not in text.replace("http://www.w3.org/", "")
        assert ("ident-" in text) is not publishable
    if form == "json":
        again = leaky("report", "latest", "--format", "json", *(["--publishable"] * publishable))
        assert again.out == text


def test_a_pdf_or_the_way_to_one(leaky):
    done = leaky("report", "latest", "--format", "pdf", "-o", "out.pdf")
    try:
        import weasyprint  # noqa: F401
    except (ImportError, OSError):
        assert "seepage[pdf]" in done.message
    else:
        assert done.code == 0, done.err
        assert (leaky.folder / "out.pdf").read_bytes().startswith(b"%PDF")


def test_a_run_is_named_by_id_beginning_directory_and_latest(leaky):
    run = leaky.document()["run"]
    directory = Path("store") / "runs" / run
    seen = {
        leaky("report", name, "--format", "md").out
        for name in (run, run[:15], directory, directory / "audit.json", "latest")
    }
    assert len(seen) == 1


def test_view_prints_the_path_where_there_is_no_screen(leaky):
    done = leaky("view")
    assert done.code == 0
    path = Path(done.out.strip())
    assert path.is_absolute()
    assert path.name == "report.html"
    assert path.is_file()


def test_check_on_a_model_that_leaks(leaky):
    for level in ("low", "medium", "high"):
        done = leaky("check", "latest", "--fail-on", level, "--json")
        assert done.code == 1, done.out
        said = json.loads(done.out)
        assert said["exit_code"] == 1
        assert any("SEP101" in reason and "LEAKS" in reason for reason in said["reasons"])


def test_check_on_a_model_without_evidence(quiet):
    document = quiet.document()
    assert {f["verdict"] for f in document["findings"] if f["code"] == "SEP101"} == {"NO_EVIDENCE"}, document[
        "findings"
    ]
    done = quiet("check", "latest", "--fail-on", "high")
    assert done.code == 0, done.out
    assert quiet("check", "latest", "--require", "membership inference").code == 0
    assert quiet("check", "latest", "--require", "SEP101,C2").code == 0


@pytest.mark.parametrize("row", EDPB_NOT_RUN)
def test_check_with_a_row_that_did_not_run(quiet, row):
    done = quiet("check", "latest", "--fail-on", "high", "--require", row)
    assert done.code == 2
    assert row in done.out


@pytest.mark.parametrize("row", ["SEP501", "55(v)", "C17", "membership"])
def test_check_with_other_things_that_did_not_run(quiet, row):
    assert quiet("check", "latest", "--fail-on", "high", "--require", row).code == 2


def test_check_on_too_few_people_is_not_a_pass(here, people):
    """30 people resolve nothing: what is not known does not pass."""
    for name, frame in zip(("members", "nonmembers"), people, strict=True):
        frame.head(15).assign(who=frame["nr"]).to_csv(here.folder / f"{name}.csv", index=False)
    model = LogisticRegression(C=1e-4).fit(people[0][["age", "dose", "length"]].head(15), people[0]["ill"].head(15))
    skops.io.dump(model, here.folder / "model.skops")
    here.audit(PLAIN + "[audit]\nattacks = ['membership/loss']\n")
    done = here("check", "latest", "--fail-on", "high")
    assert done.code == 2, done.out
    assert "INCONCLUSIVE" in done.out


def test_check_on_a_partial_document(leaky):
    document = leaky.document()
    document["status"] = "partial"
    document["findings"] = [f for f in document["findings"] if f["verdict"] != "LEAKS"]
    (leaky.folder / "partial").mkdir()
    leaky.write("partial/audit.json", json.dumps(document))
    done = leaky("check", "partial", "--fail-on", "high")
    assert done.code == 2
    assert "partial" in done.out


def test_the_records_of_a_run(leaky):
    frame = pl.read_parquet(leaky.folder / "store" / "runs" / leaky.document()["run"] / "records.parquet")
    assert frame.height == 200
    assert frame["id"].str.starts_with("ident-").all()
    assert {"id", "person", "set", "membership/rmia", "membership/rmia:vulnerability"} <= set(frame.columns)
    assert "dose" not in frame.columns
    assert frame["membership/rmia:vulnerability"].drop_nulls().is_between(0, 1).all()


def test_no_value_of_anybody_stands_in_the_document(leaky, people):
    text = json.dumps(leaky.document())
    assert not any(str(value) in text for value in people[0]["dose"])


def test_the_store_lists_removes_and_tidies(leaky, tmp_path, warm):
    import shutil

    place = Place(tmp_path, warm)
    shutil.copytree(leaky.folder / "store", tmp_path / "store")
    listed = json.loads(place("store", "ls", "--json").out)
    assert sorted(entry["kind"] for entry in listed) == ["object"] * 4 + ["run"]
    assert "run" in place("store", "ls").out
    assert place("store", "gc").code == 0
    assert len(place.rows) == 4
    run = next(entry["name"] for entry in listed if entry["kind"] == "run")
    assert place("store", "rm", run).code == 0
    assert [e["kind"] for e in json.loads(place("store", "ls", "--json").out)] == ["object"] * 4
    assert "used by no run" in place("store", "ls").out
    key = next(iter(place.rows))
    assert place("store", "rm", key[:10]).code == 0
    assert len(place.rows) == 3
    assert "no run" in place("check", "latest").message
    assert "zzzz" in place("store", "rm", "zzzz").message


@pytest.mark.parametrize("kind", ["attacks", "defences", "datasets", "codes", "profiles"])
def test_lists(here, kind):
    rows = json.loads(here("list", kind, "--json").out)
    assert isinstance(rows, list)
    assert rows or kind == "defences"
    assert here("list", kind).out.strip()


def test_everything_listed_is_explained(here):
    names = [row["name"] for row in json.loads(here("list", "attacks", "--json").out)]
    names += [row["code"] for row in json.loads(here("list", "codes", "--json").out)]
    assert len(names) >= 7 + 17
    for name in names:
        done = here("explain", name)
        assert done.code == 0, done.err
        assert len(done.out) > 300
        assert name in done.out


def test_the_plan_is_one_json_document_and_trains_nothing_to_keep(leaky):
    before = leaky.rows
    done = leaky("plan", "audit.toml", "--json")
    assert done.code == 0, done.err
    plan = json.loads(done.out)
    assert plan["seconds"] > 0
    assert plan["shadows"] == 4
    assert {"step", "status", "seconds", "memory_mb", "queries", "reason", "remedy"} == set(plan["steps"][0])
    assert leaky.rows == before


def test_init_writes_what_audit_can_run(leaky, tmp_path, warm):
    import shutil

    place = Place(tmp_path, warm)
    for name in ("model.skops", "members.csv"):
        shutil.copy(leaky.folder / name, tmp_path / name)
    done = place("init", "--model", "model.skops", "--data", "members.csv")
    assert done.code == 0, done.err
    assert (tmp_path / "audit.toml").is_file()
    again = place("init")
    assert "audit.toml" in again.message


def test_a_demo_leaks_and_the_gate_says_so(here):
    done = here("demo", "breast_cancer", "--shadows", 4, "-o", "out")
    assert done.code == 0, done.err
    assert "Report: out/report.html" in done.out
    assert here("check", "latest", "--fail-on", "high").code == 1
    assert here("check", "out", "--fail-on", "high").code == 1
    entries = {
        entry["attack"]: entry for entry in json.loads((here.folder / "out" / "audit.json").read_text())["evidence"]
    }
    rate = entries["membership/rmia"]["metrics"]["tpr_at_fpr_0.001"]
    assert rate["value"] is None
    assert rate["reason"]
