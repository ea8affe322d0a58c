"""The attacker's strength beside the auditor's: the same attacks with shadow models trained on other people only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from seepage.attacks.protocol import Scene, ShadowTable
from seepage.auditing.case import Case, Resources
from seepage.auditing.examine import ATTACK_ERRORS
from seepage.auditing.measure import core_metrics
from seepage.auditing.plan import AttackPlan, Plan
from seepage.auditing.table import SignalTable, narrowed
from seepage.auditing.units import UnitIndex, UnitScores
from seepage.errors import InputError
from seepage.evidence import Ranking
from seepage.training import Reference, run_shadows
from seepage.training.disjoint import DisjointDraw, draw_disjoint
from seepage.training.table import Signals

__all__ = ["attacker_rows"]


def attacker_rows(
    case: Case,
    plan: Plan,
    resources: Resources,
    table: SignalTable,
    scene: Scene,
    planned: Sequence[AttackPlan],
    units: UnitIndex,
) -> tuple[dict[str, dict[str, Any]], tuple[str, ...]]:
    """Train shadow models on people outside the target and run every shadow attack with them.

    Returns
    -------
    attack → {models, shadow_size, metrics}, and notes on what could not be done.
    """
    own = table.records
    unit_ids = own.ids if own.persons is None else own.persons
    try:
        draw = draw_disjoint(unit_ids, table.truth, plan.n_shadows, seed=case.spec.seed)
    except InputError as error:
        return {}, (f"no row with shadow models trained on other people: {error}",)
    signals = _train(case, plan, resources, table, draw)
    rows = table.rows
    arrays = {
        name: np.where(draw.usable[:, rows], array[:, rows], np.float32(np.nan))
        for name, array in signals.arrays.items()
    }
    nobody = np.zeros((plan.n_shadows, len(rows)), dtype=bool)
    turned = replace(
        scene,
        population=None,
        shadows=ShadowTable(arrays, nobody, np.full(plan.n_shadows, -1, dtype=np.intp), {}),
    )
    size = round(float(draw.inclusion.included.sum(axis=1).mean()))
    out: dict[str, dict[str, Any]] = {}
    notes: list[str] = [f"shadow models on other people: {note}" for note in signals.notes]
    for item in planned:
        if not item.needs.shadows or item.needs.auditor:
            continue
        try:
            evidence = item.attack.run(narrowed(turned, item.needs))
        except ATTACK_ERRORS as error:
            notes.append(f"{item.attack.name} could not use shadow models trained on other people: {error}")
            continue
        if not isinstance(evidence, Ranking):
            continue
        scores = UnitScores.of(units, evidence.scores, scene.truth)
        if scores.comparable:
            metrics = core_metrics(scores, case.spec.release.priors)
            out[item.attack.name] = {
                "models": plan.n_shadows,
                "shadow_size": size,
                "metrics": {name: value.to_dict() for name, value in metrics.items()},
            }
    return out, tuple(notes)


def _train(case: Case, plan: Plan, resources: Resources, table: SignalTable, draw: DisjointDraw) -> Signals:
    assert case.recipe is not None
    return run_shadows(
        case.recipe,
        table.records,
        draw.inclusion,
        plan.readers,
        task=case.target.task,
        classes=case.target.classes,
        floor=case.floor,
        store=resources.store,
        engine=resources.engine,
        jobs=resources.jobs,
        progress=resources.progress,
        seed=case.spec.seed + 104_729,
        reference=Reference(table.truth, dict(table.target)),
    )
