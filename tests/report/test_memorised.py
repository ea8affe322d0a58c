"""The section on memorisation: only where it was looked at, no ids in the publishable form, small cells left out."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from seepage.report import render
from seepage.report.memorised import INFLUENCE, MemoryDisplay, memorised_of
from seepage.report.publishable import publishable

from .document import Doc, leaks, records, structural


def entry() -> Doc:
    edges = np.linspace(-0.5, 1, 4)
    cells = zip(edges[:-1], edges[1:], (0, 90, 6), strict=True)
    cluster = {"records": 40, "members": 20, "memorisation": 0.4, "benefit": -0.01, "benefit_low": -0.05}
    return structural() | {
        "attack": INFLUENCE,
        "question": "memorisation",
        "title": "Memorisation of each record, and whom it helps",
        "flags": [],
        "aggregates": {
            "models": 64,
            "mean_memorisation": 0.28,
            "mean_memorisation_low": 0.27,
            "mean_memorisation_high": 0.29,
            "share_above_0.5": 0.19,
            "share_above_0.5_low": 0.15,
            "share_above_0.5_high": 0.24,
            "listed": 157,
            "noise_spread": 0.09,
            "smallest_detectable": None,
        },
        "tables": {
            "distribution": [{"from": float(a), "to": float(b), "members": n, "by_chance": 32.0} for a, b, n in cells],
            "clusters": [
                cluster | {"cluster": 0, "benefit_high": 0.02, "says": "only leaks"},
                cluster | {"cluster": 1, "benefit_high": 0.3, "says": "useful", "members": 34},
            ],
        },
        "notes": ["Speaks of the recipe."],
    }


def frame() -> pl.DataFrame:
    people = records(30)
    n = people.height
    value = np.where(people["set"] == "member", np.arange(n) / n, np.nan)
    return people.with_columns(
        pl.Series(f"{INFLUENCE}:memorisation", value),
        pl.Series(f"{INFLUENCE}:standard error", np.full(n, 0.05)),
        pl.Series(f"{INFLUENCE}:listed", (value > 0.5).astype(float)),
        pl.Series(f"{INFLUENCE}:cluster", np.where(value > 0.3, 1.0, np.nan)),
    )


def test_the_section_stands_only_where_memorisation_was_looked_at() -> None:
    assert not memorised_of(leaks(), frame().select("id", "set"))
    assert 'id="memorisation"' not in str(render(leaks(), records(30), format="html"))
    page = str(render(leaks() | {"evidence": [*leaks()["evidence"], entry()]}, frame(), format="html"))
    assert page.index('id="people"') < page.index('id="memorisation"') < page.index('id="data"')
    assert "memorised, and it helps nobody measurably" in page
    assert "too few models for single people" in page
    assert "−1 % (−5 % to 2 %)" in page.replace("\u00a0", " ")


def test_members_are_ordered_listed_first_and_nonmembers_stay_out() -> None:
    found = memorised_of(leaks() | {"evidence": [entry()]}, frame())
    values = [row.cells[1][1] for row in found.rows]
    assert values == sorted(values, reverse=True)
    members = frame().filter(pl.col("set") == "member")
    assert {row.cells[0][0] for row in found.rows} <= {str(name) for name in members["id"]}
    assert found.columns == ("id", "memorisation", "standard error", "listed", "cluster")


def test_the_publishable_form_shows_no_record_and_no_small_cell() -> None:
    shown = publishable(leaks() | {"evidence": [entry()]}, frame())
    tables = shown["evidence"][0]["tables"]
    assert [row["members"] for row in tables["distribution"]] == [0, 90, None]
    assert [row["cluster"] for row in tables["clusters"]] == [0]
    page = str(render(leaks() | {"evidence": [entry()]}, frame(), format="html", publishable=True))
    assert "Cells of 1 to 9 members are not drawn." in page
    assert "Members by memorisation</h3>" not in page


def test_the_plot_says_its_numbers_in_words_and_draws_what_it_holds() -> None:
    display = MemoryDisplay.from_entry(entry())
    assert display is not None
    assert "0.28" in display.alt and "19" in display.alt
    assert len(display.to_frame()) == 3
    assert MemoryDisplay.from_entry(structural()) is None
    assert "<svg" in display.to_svg()


@pytest.mark.parametrize(
    ("name", "said", "shown"),
    [
        (
            "membership/tail",
            {"tnr_at_fnr_0.1": 0.3, "tnr_at_fnr_0.1_low": 0.2, "tnr_at_fnr_0.1_high": 0.4},
            "30 % (20 % to 40 %)",
        ),
        ("membership/loss-trace", {"precision_at_5_percent": 0.5, "chance_at_5_percent": 0.05}, "50 % (chance: 5 %)"),
    ],
)
def test_looks_without_shadow_models_stand_alone(name: str, said: Doc, shown: str) -> None:
    found = memorised_of({"evidence": [structural() | {"attack": name, "aggregates": said}]}, None)
    assert found and not found.facts
    assert [text.replace("\u00a0", " ") for _, text in found.first_looks] == [shown]
