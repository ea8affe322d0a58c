"""From numbers to a verdict: each route, each reason, and no reason that the numbers do not bear."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from seepage import stats
from seepage.auditing.bounds import bounds_of
from seepage.auditing.entries import ranking_entry
from seepage.auditing.examine import blind_of
from seepage.auditing.measure import Measured, measure
from seepage.auditing.units import UnitIndex
from seepage.evidence import Ranking
from seepage.findings.decide import Decision, decide
from seepage.findings.finding import Verdict
from seepage.spec import DEFAULT_PRIORS, Release

TOLERABLE = Release(context="internal", tolerable={"auc": 0.55})


def interval(value: float, half: float) -> dict[str, Any]:
    return {"value": value, "low": value - half, "high": value + half}


@dataclass(frozen=True)
class Numbers:
    """An evidence entry in short."""

    auc: float = 0.5
    half: float = 0.02
    blind: float = 0.5
    over_blind: float = -0.02
    over_control: float | None = -0.02
    tpr_lows: tuple[float, ...] = ()
    rotation: float | None = None
    p: float | None = None
    primary: bool = True
    passed: bool | None = True

    def entry(self) -> dict[str, Any]:
        lows = {"auc": self.auc - self.half - 0.5, "over_blind": self.over_blind}
        if self.over_control is not None:
            lows["over_control"] = self.over_control
        tprs = dict(zip(("over_fpr", "over_blind", "over_control"), self.tpr_lows, strict=False))
        turned = None
        if self.rotation is not None:
            turned = {"models": 16, "auc": interval(self.rotation, 0.01)}
        unresolved = {"value": None, "low": None, "high": None}
        return {
            "primary": self.primary,
            "metrics": {"auc": interval(self.auc, self.half)}
            | {f"tpr_at_fpr_{fpr}": unresolved for fpr in (0.1, 0.01, 0.001)},
            "simultaneous": {"auc": interval(self.auc, self.half), "tpr": None},
            "operating_point": None,
            "baseline": {"name": "blind classifier", "metrics": {"auc": interval(self.blind, 0.02)}},
            "control": {"passed": self.passed},
            "rotation": turned,
            "test": {
                "alpha": 0.0125,
                "corrected": False,
                "auc_route": all(low > 0 for low in lows.values()),
                "tpr_route": bool(tprs) and all(low > 0 for low in tprs.values()),
                "auc_lower_bounds": lows,
                "tpr_lower_bounds": tprs,
                "rotation_p": self.p,
            },
        }


def decided(
    numbers: Numbers,
    *,
    void: bool = False,
    fidelity: bool | None = True,
    recipe: bool = True,
    release: Release = TOLERABLE,
) -> Decision:
    return decide(
        numbers.entry(),
        split_void=void,
        fidelity_passed=fidelity,
        has_recipe=recipe,
        release=release,
        profile="research",
    )


def outcome(found: Decision) -> tuple[Verdict, str | None, str]:
    return found.verdict, found.reason, found.estimand


CLEAR = Numbers(auc=0.7, over_blind=0.1, over_control=0.1)


def test_leaks_needs_all_three_comparisons() -> None:
    assert outcome(decided(CLEAR)) == (Verdict.LEAKS, None, "model")
    assert decided(replace(CLEAR, over_blind=-0.01)).verdict is Verdict.INCONCLUSIVE
    assert decided(replace(CLEAR, over_control=-0.01)).verdict is Verdict.INCONCLUSIVE
    assert outcome(decided(replace(CLEAR, over_control=None), void=True, fidelity=False)) == (
        Verdict.LEAKS,
        None,
        "model",
    )


def test_the_rate_alone_can_leak_and_needs_every_bound_too() -> None:
    assert decided(Numbers(tpr_lows=(0.01, 0.01, 0.01))).verdict is Verdict.LEAKS
    assert decided(Numbers(tpr_lows=(0.01, -0.01, 0.01))).verdict is not Verdict.LEAKS


def test_randomised_inclusion_speaks_for_the_recipe_and_only_for_the_declared_endpoint() -> None:
    turned = Numbers(auc=0.62, half=0.05, blind=0.6, rotation=0.64, p=1e-4)
    assert outcome(decided(turned, void=True)) == (Verdict.LEAKS, None, "recipe")
    assert decided(replace(turned, primary=False), void=True).verdict is Verdict.INCONCLUSIVE
    assert decided(replace(turned, p=0.02), void=True).verdict is Verdict.INCONCLUSIVE
    assert decided(turned, void=True, fidelity=False).verdict is Verdict.INCONCLUSIVE
    assert decided(replace(turned, rotation=0.45), void=True).verdict is Verdict.INCONCLUSIVE


def test_a_target_far_below_its_shadow_models_was_not_made_like_them() -> None:
    found = decided(Numbers(auc=0.5, rotation=0.9, p=1e-6))
    assert outcome(found) == (Verdict.INCONCLUSIVE, "recipe", "model")


def test_the_split_is_blamed_only_where_it_tells() -> None:
    unclear = Numbers(auc=0.6, half=0.05, over_blind=-0.01)
    blamed = decided(replace(unclear, blind=0.58))
    assert blamed.reason == "split" and "split alone" in blamed.rule
    weak = decided(unclear)
    assert weak.verdict is Verdict.INCONCLUSIVE and weak.reason == "power" and "split alone" not in weak.rule
    assert decided(Numbers(), void=True).reason == "split"
    assert decided(replace(unclear, passed=False)).reason == "control"


def test_no_evidence_needs_a_bound_below_the_tolerable_value_and_a_recipe_that_holds() -> None:
    assert decided(Numbers(half=0.049)).verdict is Verdict.NO_EVIDENCE
    assert outcome(decided(Numbers(half=0.051))) == (Verdict.INCONCLUSIVE, "power", "model")
    assert outcome(decided(Numbers(), fidelity=None)) == (Verdict.INCONCLUSIVE, "recipe", "model")
    assert decided(Numbers(), fidelity=None, recipe=False).verdict is Verdict.NO_EVIDENCE
    assert outcome(decided(Numbers(passed=False))) == (Verdict.INCONCLUSIVE, "control", "model")


def test_a_declared_rate_that_the_sample_cannot_resolve_is_never_bounded() -> None:
    release = Release(context="internal", tolerable={"auc": 0.55, "tpr_at_fpr_0.001": 0.005})
    found = decided(Numbers(), release=release)
    assert found.verdict is Verdict.INCONCLUSIVE and "cannot resolve" in found.rule and not found.bounded


# the bounds that decide, from raw scores


def measured(scores: np.ndarray, truth: np.ndarray, name: str = "one") -> tuple[Measured, Any, UnitIndex]:
    units = UnitIndex.of(None, len(truth))
    blind = blind_of(np.random.default_rng(9).normal(size=(len(truth), 2)), truth, units, 0)
    ranking = Ranking(scores, truth, np.arange(len(truth)))
    return measure(name, ranking, units, (), None, blind, DEFAULT_PRIORS), blind, units


def entry_of(scores: np.ndarray, truth: np.ndarray) -> Mapping[str, Any]:
    item, blind, units = measured(scores, truth)
    tests, groups = bounds_of([item], "one", blind, rotation=False, seed=0)
    twins = np.zeros(len(truth), bool)
    return ranking_entry(item, tests["one"], groups["one"], blind, units, twins, primary=True, priors=DEFAULT_PRIORS)


def test_the_endpoints_bound_is_delong_at_its_own_level_and_the_others_are_wider() -> None:
    rng = np.random.default_rng(0)
    truth = np.arange(400) < 200
    scores = rng.normal(size=400) + 0.5 * truth
    item, blind, _ = measured(scores, truth)
    other = replace(item, name="two")
    alone, _ = bounds_of([item, other], "one", blind, rotation=False, seed=0)
    assert alone["one"].lows["auc"] == pytest.approx(stats.auc_of_samples(scores[truth], scores[~truth]).low - 0.5)
    halved, _ = bounds_of([item, other], "one", blind, rotation=True, seed=0)
    assert (alone["one"].alpha, halved["one"].alpha) == (0.025, 0.0125)
    assert halved["one"].lows["auc"] < alone["one"].lows["auc"]
    many, _ = bounds_of([replace(item, name=f"a{i}") for i in range(6)], None, blind, rotation=False, seed=0)
    assert all(bound.corrected for bound in many.values())
    assert many["a0"].tpr is not None and many["a0"].tpr.level == pytest.approx(1 - 0.05 / 6)
    assert many["a0"].auc.low is not None and alone["two"].auc.low is not None


@pytest.mark.parametrize("size", [2, 3, 10, 100])
@pytest.mark.parametrize("kind", ["apart", "reversed", "constant", "infinite"])
def test_extreme_scores_have_bounds_and_an_entry(size: int, kind: str) -> None:
    truth = np.arange(2 * size) < size
    scores = {
        "apart": truth.astype(float),
        "reversed": -truth.astype(float),
        "constant": np.zeros(2 * size),
        "infinite": np.where(truth, np.inf, -np.inf),
    }[kind]
    entry = entry_of(scores, truth)
    found = entry["metrics"]["auc"]
    assert found["value"] == {"apart": 1.0, "reversed": 0.0, "constant": 0.5, "infinite": 1.0}[kind]
    assert found["low"] < found["high"]
    leaks = kind in ("apart", "infinite") and size >= 10
    assert entry["test"]["auc_route"] is leaks
    assert sum(entry["histogram"]["members"]) == pytest.approx(1.0)
    if kind in ("constant", "reversed"):
        assert entry["test"]["tpr_route"] is False


def test_unscored_records_count_nowhere() -> None:
    truth = np.arange(80) < 40
    scores = np.where(np.arange(80) % 2 == 0, np.nan, truth.astype(float))
    entry = entry_of(scores, truth)
    assert (entry["n_members"], entry["n_nonmembers"]) == (20, 20) and entry["operating_point"] is None


def test_an_attack_that_ranks_backwards_is_no_sign_of_safety() -> None:
    found = decided(Numbers(auc=0.1))
    assert found.verdict is Verdict.INCONCLUSIVE and "backwards" in found.rule
    assert decided(Numbers(auc=0.47)).verdict is Verdict.NO_EVIDENCE
