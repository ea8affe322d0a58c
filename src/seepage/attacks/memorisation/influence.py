"""Memorisation of each record and person, and what it buys: read off the shadow models, with no training of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from seepage.attacks.memorisation.benefit import Influence, Overall, cluster_influence, overall_benefit
from seepage.attacks.memorisation.clusters import cluster
from seepage.attacks.memorisation.estimate import (
    LEAST_SPREAD,
    Bools,
    Contrast,
    Floats,
    Persons,
    contrast,
    discoveries,
    p_values,
    signal_of,
    smallest_detectable,
)
from seepage.attacks.memorisation.flags import benefit_flag, memorised_flag
from seepage.attacks.memorisation.shares import ABOVE, Floor, Shares, chance_floor, memorised_shares
from seepage.attacks.protocol import Scene
from seepage.errors import InputError
from seepage.evidence import Flag, Measures
from seepage.spec import Access, AuditSpec, Needs, Task, closure

__all__ = ["LEAST_FOR_BENEFIT", "Memorisation"]

LEAST_FOR_BENEFIT = 64
"""Models below which nothing is said of benefit."""
LEAST_CLUSTER = 20
"""Records below which a cluster is left out: about ten in training and ten held out in each model."""
_BINS = 30


@dataclass(frozen=True)
class Memorisation:
    """Which members are memorised, how many, and whether memorising them helps similar people.

    A record's memorisation is the mean signal of the models trained on it minus that of the models that were not. It
    speaks of models made by the recipe, not of the audited one alone. A member is listed when "at most `at_least`" is
    rejected at a false-discovery rate of 5 % over all members; of those not listed nothing is said. With 64 models or
    more the influence of clusters of similar records on their own held-out records is estimated too: useful
    memorisation helps them, the other only leaks.

    This is the auditor's look: nobody with the declared access is assumed to see it.

    Parameters
    ----------
    at_least : declared beforehand: memorisation up to this is not called so. Probability of the true class (share of
        right labels where no scores are granted), or standard deviations of the residual.
    cluster_size : records wanted in a cluster of similar records; at least 20.
    margin : benefit below which memorising counts as useless: share of held-out records answered rightly that a further
        quarter of the cluster in training adds.

    References
    ----------
    Feldman, Zhang (2020), What Neural Networks Memorize and Why, arXiv 2008.03703, eq. 1 and §3. We differ: errors and
    tests for each person, inclusion by person, clusters instead of pairs, regression.

    Examples
    --------
    >>> from seepage.testing import toy_leaky_scene
    >>> measures = Memorisation().run(toy_leaky_scene("regression", seed=0))
    >>> 0 < measures.aggregates["mean_memorisation"] < 1
    True
    """

    name: ClassVar[str] = "memorisation/influence"
    question: ClassVar[str] = "memorisation"
    title: ClassVar[str] = "Memorisation of each record, and whom it helps"
    paper: ClassVar[str] = "Feldman & Zhang 2020, arXiv 2008.03703"

    at_least: float = 0.1
    cluster_size: int = 25
    margin: float = 0.03

    def __post_init__(self) -> None:
        if not 0 <= self.at_least < 1:
            raise InputError(f"at_least of {self.name} lies between 0 and 1 (got {self.at_least!r}).")
        if self.cluster_size < LEAST_CLUSTER:
            raise InputError(f"cluster_size of {self.name} must be at least {LEAST_CLUSTER} (got {self.cluster_size}).")
        if not 0 < self.margin < 1:
            raise InputError(f"margin of {self.name} lies between 0 and 1 (got {self.margin!r}).")

    def needs(self, spec: AuditSpec) -> Needs:
        """The shadow models' signals, at least 8 models."""
        scores = Access.SCORES in closure(spec.access)
        readers = ("margin", "correct") if scores else ("correct",)
        if spec.task is Task.REGRESSION:
            readers = ("residual",)
        access = Access.SCORES if scores or spec.task is Task.REGRESSION else Access.LABELS
        return Needs(access=access, shadows=8, readers=readers, features=True, auditor=True)

    def run(self, scene: Scene) -> Measures:
        """Return memorisation a record with its error, who is listed, shares, noise floor, and clusters.

        Raises
        ------
        InputError
            When the scene holds no shadow models.
        """
        table = scene.shadows
        if table is None:
            raise InputError(f"{self.name} needs shadow models.")
        signal, unit = signal_of(table, scene.task)
        bounded = scene.task is not Task.REGRESSION
        spread = 0.0 if bounded else LEAST_SPREAD
        people = Persons.of(scene.persons, len(scene.truth))
        by_person, inclusion, members = people.mean(signal), people.any(table.mask), people.any(scene.truth)
        found = contrast(by_person, inclusion, spread=spread)
        p = p_values(found, self.at_least, bounded=bounded)
        listed = np.zeros(people.n, dtype=bool)
        listed[members] = discoveries(p[members])
        shares = memorised_shares(by_person, inclusion, table.complements, scene.seed, kept=members, spread=spread)
        floor = chance_floor(by_person, inclusion, scene.seed, kept=members, spread=spread)
        members_only = _of(found, members)
        detectable = smallest_detectable(members_only, self.at_least, int(members.sum()), bounded=bounded)
        own = found if not people.several else contrast(signal, table.mask, spread=spread)
        aggregates = _aggregates(shares, floor, len(table.mask), int(members.sum()), int(listed.sum()), detectable)
        per_record: dict[str, NDArray[Any]] = {
            "memorisation": own.value if people.several else own.value[people.row],
            "standard error": own.error if people.several else own.error[people.row],
            "listed": listed[people.row].astype(np.float64),
        }
        if people.several:
            per_record["memorisation of the person"] = found.value[people.row]
        word = "persons" if people.several else "records"
        rows = listed[people.row] & scene.truth
        flags: list[Flag] = [
            memorised_flag(
                listed, members, found, scene.ids[rows], detectable, self.at_least, models=len(table.mask), word=word
            )
        ]
        tables: dict[str, tuple[Mapping[str, Any], ...]] = {
            "distribution": _distribution(members_only.value, floor.estimates)
        }
        notes = [
            f"Memorisation is the difference in: {unit}. It speaks of models made by the recipe, over retrainings."
        ]
        if len(table.mask) < LEAST_FOR_BENEFIT:
            notes.append(
                f"Whether memorising helps others was not estimated: {len(table.mask)} models; fewer than "
                f"{LEAST_FOR_BENEFIT} show mostly noise."
            )
        elif scene.features is None or not bounded:
            notes.append("Whether memorising helps others is estimated for classification with features only.")
        else:
            clusters = cluster(scene.features, scene.task, size=self.cluster_size, least=LEAST_CLUSTER, seed=scene.seed)
            per_record["cluster"] = np.where(clusters >= 0, clusters, np.nan)
            held = table.arrays["correct"].astype(np.float64) if "correct" in table.arrays else signal
            influence = cluster_influence(held, table.mask, table.complements, clusters, signal)
            rated = self._rated(influence)
            tables["clusters"] = _cluster_rows(influence, rated, clusters, scene.truth)
            flags.append(benefit_flag(influence, rated, clusters, scene, self.margin))
            overall = overall_benefit(
                held,
                table.mask,
                by_person,
                inclusion,
                table.complements,
                at_least=self.at_least,
                bounded=bounded,
                spread=spread,
            )
            aggregates |= _benefit_aggregates(rated, overall)
            if overall is None:
                notes.append("Too few persons are memorised to say what they give to everyone else.")
        return Measures(aggregates, per_record, scene.ids, tuple(flags), tuple(notes), tables)

    def _rated(self, influence: Influence) -> NDArray[np.str_]:
        """Say of each cluster what memorising its members does."""
        memorised = influence.memorisation_low > self.at_least
        useless = influence.high < self.margin
        words = np.where(useless, "only leaks", "undecided")
        words = np.where(memorised, words, "not memorised")
        return np.where(influence.helps, np.where(memorised, "useful", "helps, not memorised"), words)


def _of(found: Contrast, kept: Bools) -> Contrast:
    return Contrast(*(getattr(found, name)[kept] for name in Contrast.__dataclass_fields__))


def _aggregates(
    shares: Shares, floor: Floor, models: int, persons: int, listed: int, detectable: float
) -> dict[str, float | int | None]:
    out: dict[str, float | int | None] = {"models": models, "persons": persons, "listed": listed}
    named = {"mean_memorisation": shares.mean} | {f"share_above_{level}": shares.above[level] for level in ABOVE}
    for name, (value, low, high) in named.items():
        out |= {name: _plain(value), f"{name}_low": _plain(low), f"{name}_high": _plain(high)}
    for level in ABOVE:
        out[f"share_of_estimates_above_{level}"] = _plain(shares.naive[level])
        out[f"share_by_chance_above_{level}"] = _plain(floor.above[level])
    out["noise_spread"] = _plain(floor.spread)
    out["noise_largest"] = _plain(floor.largest)
    out["smallest_detectable"] = _plain(detectable)
    return out


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _benefit_aggregates(rated: NDArray[np.str_], overall: Overall | None) -> dict[str, float | int | None]:
    out: dict[str, float | int | None] = {
        "clusters": len(rated),
        "clusters_useful": int((rated == "useful").sum()),
        "clusters_only_leaking": int((rated == "only leaks").sum()),
        "clusters_undecided": int((rated == "undecided").sum()),
    }
    if overall is not None:
        out |= {
            "overall_benefit": _plain(overall.value),
            "overall_benefit_low": _plain(overall.low),
            "overall_benefit_high": _plain(overall.high),
            "overall_benefit_persons": overall.persons,
        }
    return out


def _distribution(values: Floats, chance: Floats) -> tuple[Mapping[str, Any], ...]:
    """Count members, and what chance alone would give as many members, by memorisation."""
    values = values[~np.isnan(values)]
    if not len(values):
        return ()
    low, high = min(-0.5, float(values.min())), max(1.0, float(values.max()))
    edges = np.linspace(low, high, _BINS + 1)
    seen, by_chance = np.histogram(values, edges)[0], np.histogram(chance, edges)[0]
    scale = len(values) / max(len(chance), 1)
    return tuple(
        {
            "from": float(edges[i]),
            "to": float(edges[i + 1]),
            "members": int(seen[i]),
            "by_chance": float(by_chance[i] * scale),
        }
        for i in range(_BINS)
    )


def _cluster_rows(
    influence: Influence, rated: NDArray[np.str_], clusters: NDArray[np.intp], truth: Bools
) -> tuple[Mapping[str, Any], ...]:
    order = sorted(range(len(rated)), key=lambda c: (rated[c] == "not memorised", -influence.memorisation[c]))
    return tuple(
        {
            "cluster": int(c),
            "records": int(influence.size[c]),
            "members": int((truth & (clusters == c)).sum()),
            "memorisation": float(influence.memorisation[c]),
            "benefit": _plain(float(influence.value[c])),
            "benefit_low": _plain(float(influence.low[c])),
            "benefit_high": _plain(float(influence.high[c])),
            "says": str(rated[c]),
        }
        for c in order
    )
