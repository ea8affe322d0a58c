"""The report as one self-contained HTML page that needs no network and no JavaScript."""

from __future__ import annotations

import base64
import functools
import hashlib
import re
from collections.abc import Callable, Mapping
from importlib import resources
from typing import TYPE_CHECKING, Any

from jinja2 import ChainableUndefined, Environment, PackageLoader
from markupsafe import Markup, escape

from seepage.report import cards, view, words
from seepage.report.decision import decision_record
from seepage.report.displays import GroupDisplay, RocDisplay, RotationDisplay
from seepage.report.document import Document, form_of, printable
from seepage.report.memorised import memorised_of
from seepage.report.numbers import count, duration, metric_text, metric_title, percent, plain
from seepage.report.people import people_of

if TYPE_CHECKING:
    import polars as pl

__all__ = ["html"]

SECTIONS = (
    ("coverage", "Coverage"),
    ("findings", "Findings"),
    ("people", "People"),
    ("data", "Data"),
    ("tested", "How it was tested"),
    ("decision", "Decision record"),
)
_MEMORISATION = ("memorisation", "Memorisation")
"""A section of audits that looked at memorisation, after the people."""


def _prose(value: Any) -> Markup:
    """A sentence of the document: escaped, with **bold** kept, isolated from the page's direction of writing."""
    if value is None or not isinstance(value, str | int | float):
        return Markup("")
    text = re.sub(r"(?<=\d) %", "\u00a0%", printable(value))
    parts = text.split("**")
    if len(parts) % 2 == 0:
        return Markup("<bdi>{}</bdi>").format("**".join(parts))
    shown = [Markup("<strong>{}</strong>").format(part) if i % 2 else escape(part) for i, part in enumerate(parts)]
    return Markup("<bdi>{}</bdi>").format(Markup("").join(shown))


def _text(value: Any) -> str:
    return "" if isinstance(value, ChainableUndefined) or value is None else words.one_line(value)


def _sentence(value: Any) -> str:
    text = _text(value).rstrip(".")
    return text[:1].upper() + text[1:]


def _defined(function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter that takes what the document does not hold as None."""

    @functools.wraps(function)
    def filter_(value: Any, *rest: Any) -> Any:
        value = None if isinstance(value, ChainableUndefined) else value
        return function(value, *("auc" if isinstance(item, ChainableUndefined) else item for item in rest))

    return filter_


def _metric(value: Any, name: str = "auc") -> str:
    return metric_text(value, str(name))


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("seepage.report", "templates"),
        autoescape=True,
        undefined=ChainableUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: Mapping[str, Callable[..., Any]] = {
        "text": _text,
        "prose": _prose,
        "sentence": _sentence,
        "metric": _metric,
        "metric_title": metric_title,
        "percent": percent,
        "plain": plain,
        "count": count,
        "duration": duration,
        "status": words.status,
        "flagged": view.flagged_text,
        "verdict": words.verdict,
    }
    environment.filters.update({name: _defined(function) for name, function in filters.items()})
    return environment


def _asset(name: str) -> Markup:
    return Markup(resources.files("seepage.report").joinpath("templates", name).read_text(encoding="utf-8"))


def html(document: Document, records: pl.DataFrame | None = None) -> str:
    """Lay out an audit document as one HTML page.

    Parameters
    ----------
    document : the audit document, cleaned, in its restricted or publishable form.
    records : the records frame, or None; a publishable document shows no records whatever is given.
    """
    form = form_of(document)
    evidence = document.get("evidence") or []
    primary = next((entry for entry in evidence if entry.get("primary")), None)
    first = primary or next((entry for entry in evidence if entry.get("kind") == "ranking"), None)
    people = people_of(document, None if form == "publishable" else records)
    memorised = memorised_of(document, None if form == "publishable" else records)
    summary = document.get("summary") or {}
    top = words.headline(summary)
    script = _asset("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    context = {
        "doc": document,
        "form": form,
        "form_note": words.FORM_NOTES[form],
        "style": _asset("style.css"),
        "script": script,
        "script_hash": f"sha256-{digest}",
        "sections": (*SECTIONS[:3], _MEMORISATION, *SECTIONS[3:]) if memorised else SECTIONS,
        "access": words.access_of(document),
        "created": _moment(document.get("created")),
        "verdict": words.verdict(summary.get("verdict")),
        "headline": {"lead": _prose(top.lead), "rest": _prose(top.rest) if top.rest else ""},
        "facts": words.facts(summary),
        "coverage": view.coverage_of(document),
        "cards": cards.cards_of(document),
        "setting": cards.setting_of(document),
        "next": words.next_steps(document),
        "participation": words.participation(summary),
        "glossary": words.GLOSSARY,
        "ladder": view.ladder_of(document),
        "steps": view.steps_of(document),
        "unfinished": _unfinished(document),
        "primary": first,
        "top_plot": _top_plot(first),
        "group_plot": _groups(first),
        "rotation_plot": _rotation(first),
        "people": people,
        "memorised": memorised,
        "people_json": Markup(people.to_json()),
        "attacks": view.attacks_of(document),
        "record": decision_record(document),
    } | _pairs(document)
    return _environment().get_template("page.html").render(context)


def _moment(value: Any) -> str:
    """A time to the minute, as people write it; what is no time stays as it is."""
    text = printable(value or "")
    found = re.fullmatch(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d)[\d:.]*(?:Z|\+00:00)", text)
    return f"{found.group(1)} {found.group(2)} UTC" if found else text


def _unfinished(document: Document) -> str:
    """Name the steps that failed, for a status that is not complete."""
    failed = [printable(s.get("step")) for s in document.get("plan") or [] if s.get("status") == "failed"]
    failed += [
        printable(f.get("evidence") or f.get("title"))
        for f in document.get("findings") or []
        if f.get("verdict") == "FAILED"
    ]
    return ", ".join(dict.fromkeys(name for name in failed if name))


def _top_plot(entry: Document | None) -> Markup | None:
    """The ROC of the declared endpoint for the top of the page; its data stand with the finding."""
    display = RocDisplay.from_entry(entry) if entry else None
    return None if display is None else Markup(display.to_svg())  # our own chart; the renderer escapes its texts


def _groups(entry: Document | None) -> view.Drawn | None:
    display = GroupDisplay.from_entry(entry) if entry else None
    if entry is None or display is None:
        return None
    caption = " Dot: AUC; line: simultaneous interval; dashed: chance."
    return view.drawn(display, file=f"{entry.get('attack')}-groups", caption=caption)


def _rotation(entry: Document | None) -> view.Drawn | None:
    display = RotationDisplay.from_entry(entry) if entry else None
    if entry is None or display is None:
        return None
    caption = " Diamond: the audited model. Circles: retrained models; upright line: their mean. Dashed: chance."
    return view.drawn(display, file=f"{entry.get('attack')}-retrained", caption=caption)


def _pairs(document: Document) -> dict[str, list[tuple[str, str]]]:
    """Pairs of label and text for the sections on data and on the test."""
    data = document.get("data") or {}
    split = data.get("split") or {}
    counts = [
        (label, count(data[key]))
        for key, label in (("members", "Members"), ("nonmembers", "Nonmembers"), ("persons", "Persons"))
        if data.get(key) is not None
    ]
    provenance = data.get("provenance") or split.get("provenance")
    where = words.one_line(provenance) if provenance else "not declared: where the nonmembers come from is not known"
    sides = [
        (label, count(split[key]))
        for key, label in (
            ("person_overlap", "Persons on both sides, removed from the nonmembers"),
            ("value_twins", "Records with equal values on the other side, kept"),
        )
        if split.get(key) is not None
    ]
    if split.get("blind_tpr") is not None:
        sides.append(("Members the blind classifier flags", metric_text(split["blind_tpr"], "tpr")))
    labels = (("context", "Context"), ("recipients", "Recipients"), ("participation_means", "Taking part means"))
    environment = document.get("environment") or {}
    target = document.get("target") or {}
    return {
        "data_pairs": [*counts, ("Where nonmembers come from", where)],
        "split_pairs": sides,
        "release_pairs": words.pairs_of(
            document.get("release"), *labels, ("priors", "Priors"), ("tolerable", "Declared tolerable")
        ),
        "utility_pairs": view.utility_pairs(document),
        "recipe_pairs": view.recipe_pairs(document),
        "environment_pairs": [
            *words.pairs_of(
                target,
                ("name", "Model"),
                ("described", "Described as"),
                ("kind", "Kind"),
                ("fingerprint", "Model hash"),
            ),
            *words.pairs_of(
                document, ("run", "Run"), ("created", "Made"), ("version", "seepage"), ("status", "Status")
            ),
            *words.pairs_of(
                environment,
                ("python", "Python"),
                ("packages", "Packages"),
                ("seed", "Seed"),
                ("engine", "Engine"),
                ("jobs", "Jobs at once"),
                ("git", "Code version"),
            ),
        ],
    }
