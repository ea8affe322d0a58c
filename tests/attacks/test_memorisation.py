"""Memorisation against known truth: exact size of its test, false discoveries, shares, benefit, and real records."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom
from sklearn.datasets import load_digits
from sklearn.tree import DecisionTreeClassifier

import seepage
from seepage.attacks.memorisation.benefit import STEP, cluster_influence, overall_benefit
from seepage.attacks.memorisation.clusters import cluster
from seepage.attacks.memorisation.estimate import Contrast, Persons, contrast, discoveries, p_values, signal_of
from seepage.attacks.memorisation.influence import LEAST_FOR_BENEFIT, Memorisation
from seepage.attacks.memorisation.shares import chance_floor, memorised_shares
from seepage.attacks.protocol import ShadowTable
from seepage.errors import InputError
from seepage.report.publishable import publishable
from seepage.spec import Task
from seepage.testing import toy_leaky_scene, toy_safe_scene
from seepage.testing.nulls import NULL_SUITE, constant_predictor, repeated_visits


def masks(rng, models, n, *, pairs=True):
    if not pairs:
        return rng.random((models, n)) < 0.5, np.full(models, -1)
    mask = np.zeros((models, n), dtype=bool)
    for k in range(0, models, 2):
        mask[k, rng.permutation(n)[: n // 2]] = True
        mask[k + 1] = ~mask[k]
    return mask, np.arange(models) ^ 1


def world(seed, models, n, share):
    """Signals whose memorisation is known: some persons strongly memorised, the others hardly."""
    rng = np.random.default_rng(seed)
    truth = np.where(rng.random(n) < share, rng.uniform(0.3, 0.9, n), rng.uniform(0, 0.08, n))
    mask, complements = masks(rng, models, n)
    mean = np.clip(rng.uniform(0.05, 1 - truth) + truth * mask, 0.01, 0.99)
    return rng.beta(6 * mean, 6 * (1 - mean)), mask, complements, truth


def subpopulations(seed, models, *, effect, share=0.3, pairs=True, clusters=40, size=25):
    """Right answers of clusters; in some, having more of the cluster in training helps those held out."""
    rng = np.random.default_rng(seed)
    name = np.repeat(np.arange(clusters), size)
    mask, complements = masks(rng, models, len(name), pairs=pairs)
    helps = np.where(rng.random(clusters) < share, effect, 0.0)
    inside = np.stack([mask[:, name == c].mean(axis=1) for c in range(clusters)], axis=1)
    common = rng.normal(0, 0.05, (models, clusters))
    p = rng.uniform(0.4, 0.6, len(name)) + helps[name] * (inside[:, name] - 0.5) + common[:, name] + 0.3 * mask
    return (rng.random(p.shape) < p).astype(float), mask, complements, name, helps


@pytest.mark.parametrize("models", [8, 16, 64, 256])
def test_the_test_of_one_person_keeps_its_level_exactly(models):
    """Every outcome of two samples of 0 and 1 is enumerated, at the border of what counts as memorised."""
    half = models // 2
    a, b = (v.ravel() for v in np.meshgrid(np.arange(half + 1), np.arange(half + 1), indexing="ij"))
    inside, outside = a / half, b / half
    spread = (v * (1 - v) * half / (half - 1) for v in (inside, outside))
    n = np.full(len(a), float(half))
    p = p_values(Contrast(inside - outside, n, inside, outside, n, n, *spread), 0.1, bounded=True)
    for level in (0.05, 0.01, 1e-3, 1e-4):
        wrong = [
            (binom.pmf(a, half, q + 0.1) * binom.pmf(b, half, q))[p <= level].sum() for q in np.linspace(0, 0.9, 46)
        ]
        assert max(wrong) <= 1.5 * level


def test_memorisation_equals_the_difference_of_means_and_its_error_the_textbooks():
    signal, mask, _, _ = world(0, 16, 30, 0.3)
    found = contrast(signal, mask)
    for i in range(30):
        inside, outside = signal[mask[:, i], i], signal[~mask[:, i], i]
        assert found.value[i] == pytest.approx(inside.mean() - outside.mean())
        assert found.error[i] == pytest.approx(np.sqrt(inside.var(ddof=1) / 8 + outside.var(ddof=1) / 8))


def test_a_person_on_one_side_only_is_unknown_and_never_listed():
    signal = np.random.default_rng(0).random((8, 2))
    mask = np.array([[True, k % 2 == 0] for k in range(8)])
    found = contrast(signal, mask)
    assert np.isnan(found.value[0]) and not np.isnan(found.value[1])
    assert p_values(found, 0.0, bounded=True)[0] == 1.0


def test_discoveries_follow_the_step_up_rule():
    p = np.array([0.01, 0.02, 0.03, 0.035, 0.9])
    assert discoveries(p).tolist() == [True, True, True, True, False]
    assert not discoveries(np.full(10, 0.04)[:0]).any()
    assert not discoveries(np.full(4, 0.06)).any()


def test_false_discoveries_stay_rare_and_strong_memorisation_is_found():
    wrong, right = [], []
    for seed in range(20):
        signal, mask, _, truth = world(seed, 64, 400, 0.1)
        listed = discoveries(p_values(contrast(signal, mask), 0.1, bounded=True))
        wrong.append((listed & (truth <= 0.1)).sum() / max(listed.sum(), 1))
        right.append((listed & (truth > 0.5)).sum() / (truth > 0.5).sum())
    assert np.mean(wrong) <= 0.05
    assert np.mean(right) > 0.9


@pytest.mark.parametrize(("models", "share"), [(16, 0.0), (16, 0.1), (64, 0.1), (64, 0.3)])
def test_shares_are_freed_from_noise_and_their_intervals_cover(models, share):
    covered, apart, naive = [], [], []
    for seed in range(12):
        signal, mask, complements, truth = world(seed, models, 300, share)
        found = memorised_shares(signal, mask, complements, seed, kept=np.ones(300, dtype=bool))
        value, low, high = found.above[0.25]
        covered.append(low <= (truth > 0.25).mean() <= high)
        apart.append(value - (truth > 0.25).mean())
        naive.append(found.naive[0.25] - (truth > 0.25).mean())
        assert found.mean[0] == pytest.approx(contrast(signal, mask).value.mean())
    assert np.mean(covered) >= 0.8
    assert abs(np.mean(apart)) < 0.02
    if share == 0.0:
        assert np.mean(naive) > np.mean(apart)


def test_the_noise_floor_knows_no_memorisation():
    signal, mask, _, _ = world(0, 64, 300, 0.3)
    floor = chance_floor(signal, mask, 0, kept=np.ones(300, dtype=bool))
    assert abs(floor.estimates.mean()) < 0.01
    assert floor.above[0.5] < 0.01 < (contrast(signal, mask).value > 0.5).mean()


@pytest.mark.parametrize("pairs", [True, False])
@pytest.mark.parametrize("effect", [0.0, 0.8])
def test_benefit_has_few_false_discoveries_and_finds_what_was_planted(pairs, effect):
    wrong, right, gone = [], [], []
    for seed in range(30):
        signal, mask, complements, name, helps = subpopulations(seed, 64, effect=effect, pairs=pairs)
        found = cluster_influence(signal, mask, complements, name, signal)
        wrong.append((found.helps & (helps == 0)).sum() / max(found.helps.sum(), 1))
        gone += (found.value - STEP * helps).tolist()
        if effect:
            right.append((found.helps & (helps > 0)).sum() / max((helps > 0).sum(), 1))
    # the false-discovery rate is 5 %; among 30 draws of an empty world, 6 or more false alarms have odds of 1 in 300
    assert np.mean(wrong) < (0.2 if effect == 0 else 0.08)
    assert abs(np.mean(gone)) < 0.01
    assert not effect or np.mean(right) > 0.7


def test_a_benefit_of_nothing_is_bounded_when_models_are_many():
    signal, mask, complements, name, helps = subpopulations(1, 1024, effect=0.8, clusters=10, size=40)
    found = cluster_influence(signal, mask, complements, name, signal)
    assert (found.high[helps == 0] < 0.06).all()
    assert ((found.low <= STEP * helps) & (STEP * helps <= found.high)).all()
    assert (found.memorisation_low > 0.2).all() and (found.memorisation < 0.4).all()


def test_overall_benefit_is_zero_where_nobody_helps_anybody():
    inside = 0
    for seed in range(12):
        signal, mask, complements, _, _ = subpopulations(seed, 64, effect=0.0, clusters=10)
        settings = {"at_least": 0.1, "bounded": True, "spread": 0.0}
        found = overall_benefit(signal, mask, signal, mask, complements, **settings)
        assert found is None or found.low < found.value < found.high
        inside += found is None or found.low <= 0.0 <= found.high
    assert inside >= 10


def test_overall_benefit_says_nothing_without_memorised_persons():
    rng = np.random.default_rng(0)
    mask, complements = masks(rng, 64, 100)
    noise = rng.random((64, 100))
    assert overall_benefit(noise, mask, noise, mask, complements, at_least=0.1, bounded=True, spread=0.0) is None


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_it_lists_members_of_leaky_models_and_nobody_of_models_trained_on_others(task):
    leaky = Memorisation().run(toy_leaky_scene(task, 0, shadows=32))
    assert leaky.flags[0].code == "SEP701" and leaky.flags[0].raised
    assert leaky.aggregates["mean_memorisation_low"] > 0.2
    safe = Memorisation().run(toy_safe_scene(task, 0, shadows=64))
    assert not safe.flags[0].raised and not safe.flags[0].undecided
    assert abs(safe.aggregates["mean_memorisation"]) < 0.03


# with permuted membership the models do remember rows: the labels are wrong, not the signals
@pytest.mark.parametrize("name", [name for name in NULL_SUITE if name != "permuted membership"])
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_it_is_silent_on_the_null_suite(name, task):
    raised = 0
    for seed in range(3):
        measures = Memorisation().run(NULL_SUITE[name](task, seed, 240, shadows=64))
        raised += sum(flag.raised for flag in measures.flags)
        assert measures.aggregates["share_above_0.5"] <= 0.02
    assert raised == 0


def test_few_models_are_undecided_never_none():
    flag = Memorisation().run(toy_safe_scene("classification", 0, shadows=16)).flags[0]
    assert flag.undecided and not flag.raised
    assert "no sign that nobody is memorised" in flag.detail
    few = Memorisation().run(toy_leaky_scene("classification", 0, shadows=LEAST_FOR_BENEFIT - 2))
    assert "clusters" not in few.tables and [f.code for f in few.flags] == ["SEP701"]
    assert any("not estimated" in note for note in few.notes)


def test_it_is_the_same_twice_and_reads_membership_only_to_choose_whom_to_report():
    scene = toy_leaky_scene("classification", 3, shadows=64)
    one, two = Memorisation().run(scene), Memorisation().run(scene)
    assert one.aggregates == two.aggregates and one.tables == two.tables
    turned = Memorisation().run(replace(scene, truth=~scene.truth))
    np.testing.assert_array_equal(one.per_record["memorisation"], turned.per_record["memorisation"])
    assert not set(one.flags[0].records) & set(turned.flags[0].records)


def test_persons_count_once_whatever_their_rows():
    scene = repeated_visits("classification", 0, 240, shadows=16)
    measures = Memorisation().run(scene)
    assert measures.aggregates["persons"] == len(np.unique(scene.persons[scene.truth]))
    per_person = measures.per_record["memorisation of the person"]
    for person in np.unique(scene.persons)[:5]:
        assert len(set(per_person[scene.persons == person].round(12))) == 1
    people = Persons.of(scene.persons, 240)
    np.testing.assert_array_equal(people.any(scene.shadows.mask)[:, people.row], scene.shadows.mask)


def test_a_constant_model_memorises_nothing():
    for task in ("classification", "regression"):
        values = Memorisation().run(constant_predictor(task, 0, 120)).per_record["memorisation"]
        np.testing.assert_allclose(values, 0.0, atol=1e-6)


def test_the_signal_is_the_probability_or_the_right_label():
    margin = np.log(np.array([[0.8 / 0.2, 0.3 / 0.7]], dtype=np.float32))
    mask = np.array([[True, False]])
    table = ShadowTable({"margin": margin, "correct": margin > 0}, mask, np.array([-1]), {})
    np.testing.assert_allclose(signal_of(table, Task.CLASSIFICATION)[0], [[0.8, 0.3]], atol=1e-6)
    table = ShadowTable({"correct": np.array([[1, 0]], dtype=np.float32)}, mask, np.array([-1]), {})
    assert signal_of(table, Task.CLASSIFICATION)[1] == "share of right labels"


def test_clusters_hold_one_outcome_and_none_is_too_small():
    rng = np.random.default_rng(0)
    features = np.column_stack([rng.normal(size=(500, 4)), rng.integers(0, 3, 500)])
    features[::7, 1] = np.nan
    made = cluster(features, Task.CLASSIFICATION, size=40, least=20, seed=0)
    for name in range(made.max() + 1):
        assert len(np.unique(features[made == name, -1])) == 1
        assert (made == name).sum() >= 20
    np.testing.assert_array_equal(made, cluster(features, Task.CLASSIFICATION, size=40, least=20, seed=0))


def test_wrong_parameters_and_a_scene_without_models_are_refused():
    with pytest.raises(InputError, match="at_least"):
        Memorisation(at_least=1.5)
    with pytest.raises(InputError, match="cluster_size"):
        Memorisation(cluster_size=5)
    with pytest.raises(InputError, match="margin"):
        Memorisation(margin=0)
    with pytest.raises(InputError, match="needs shadow models"):
        Memorisation().run(replace(toy_safe_scene("classification", 0), shadows=None))


@pytest.fixture(scope="module")
def digits():
    """Digits of which 20 members have a wrong label, and who they are."""
    x, y = load_digits(return_X_y=True)
    rng = np.random.default_rng(0)
    order = rng.permutation(len(y))[:800]
    x, y = x[order], y[order].copy()
    wrong = np.zeros(400, dtype=bool)
    wrong[rng.choice(400, 20, replace=False)] = True
    y[:400][wrong] = (y[:400][wrong] + rng.integers(1, 10, 20)) % 10
    return x, y, wrong


def audit_of(digits, model, shadows):
    x, y, _ = digits
    model.fit(x[:400], y[:400])
    attacks = ["membership/gap", "memorisation/influence"]
    sides = (x[:400], y[:400]), (x[400:], y[400:])
    return seepage.audit(model, *sides, access="scores", shadows=shadows, attacks=attacks)


def test_mislabelled_records_are_memorised_by_a_deep_tree(digits):
    audit = audit_of(digits, DecisionTreeClassifier(random_state=0), 64)
    finding = next(f for f in audit.findings if f.code == "SEP701")
    assert finding.verdict.value == "FLAG"
    members = audit.records().filter(audit.records()["set"] == "member")
    value = members["memorisation/influence:memorisation"].to_numpy()
    listed = members["memorisation/influence:listed"].to_numpy()
    assert listed[digits[2]].all()
    assert value[digits[2]].mean() > 0.8 > value[~digits[2]].mean()
    # who stands in no table of the publishable form, and small cells are gone
    shown = publishable(audit.to_dict(), audit.records())
    entry = next(e for e in shown["evidence"] if e["attack"] == "memorisation/influence")
    assert all(row["members"] in (0, None) or row["members"] >= 10 for row in entry["tables"]["distribution"])
    assert all(row["members"] >= 10 for row in entry["tables"]["clusters"])
    assert "memorisation/influence:memorisation" not in json.dumps(shown)


def test_a_tree_with_large_leaves_memorises_nobody(digits):
    audit = audit_of(digits, DecisionTreeClassifier(max_depth=3, min_samples_leaf=40), 64)
    assert not [f for f in audit.findings if f.code in ("SEP701", "SEP702")]
    row = next(row for row in audit.to_dict()["coverage"] if row["capability"] == "C12")
    assert row["status"] == "executed"


def test_an_audit_with_few_models_says_inconclusive(digits):
    audit = audit_of(digits, DecisionTreeClassifier(max_depth=3, min_samples_leaf=40), 16)
    finding = next(f for f in audit.findings if f.code == "SEP701")
    assert finding.verdict.value == "INCONCLUSIVE"
