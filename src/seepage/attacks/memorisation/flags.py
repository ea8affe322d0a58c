"""Say in plain words who is memorised and whom it helps, and whether that crosses the rule."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from seepage.attacks.memorisation.benefit import Influence
from seepage.attacks.memorisation.estimate import Bools, Contrast
from seepage.attacks.protocol import Scene
from seepage.evidence import Flag

__all__ = ["SEEN_ENOUGH", "benefit_flag", "memorised_flag"]

SEEN_ENOUGH = 0.5
"""An audit that lists nobody says something only if it would have listed memorisation of this size."""


def memorised_flag(
    listed: Bools,
    members: Bools,
    found: Contrast,
    ids: NDArray[Any],
    detectable: float,
    at_least: float,
    *,
    models: int,
    word: str,
) -> Flag:
    """SEP701: members whose memorisation exceeds the declared value.

    Parameters
    ----------
    listed, members : (u,) persons listed; persons who took part in the audited model.
    found : contrasts of all persons.
    ids : ids of the rows of those listed.
    detectable : smallest memorisation of a single person that would be listed with 80 % power.
    at_least : the declared value.
    models : shadow models.
    word : what a unit is called: "records" or "persons".
    """
    n, total = int(listed.sum()), int(members.sum())
    rule = (
        f"memorisation above {at_least:g}, one-sided test, false-discovery rate 5 % over {total:,} {word} "
        f"({models} models)"
    )
    title = "Members that the recipe's models memorise"
    seen = (
        f"one of size {detectable:.2f} would have been listed in four audits of five"
        if np.isfinite(detectable)
        else "with so many members and so few models not even a completely memorised one need be listed"
    )
    undecided = n == 0 and detectable > SEEN_ENOUGH
    if n:
        most = float(found.value[listed].max())
        detail = (
            f"{n:,} of {total:,} member {word} are memorised; the strongest is answered {most:.2f} better when in "
            "training. At most about 1 in 20 of those listed is expected to be there by chance. Of the others nothing "
            f"is said; {seen}."
        )
    elif undecided:
        detail = (
            f"No member could be listed, and {models} models say little of single {word}: {seen}. "
            "This is no sign that nobody is memorised; train more shadow models"
        )
    else:
        detail = f"No member could be listed; {seen}. Smaller memorisation is possible"
    return Flag("SEP701", title, n > 0, n, rule, detail, tuple(ids.tolist()), undecided)


def benefit_flag(
    influence: Influence, rated: NDArray[np.str_], clusters: NDArray[np.intp], scene: Scene, margin: float
) -> Flag:
    """SEP702: clusters whose members are memorised without any help for similar people held out.

    Parameters
    ----------
    influence : of each cluster on its own held-out records.
    rated : (c,) what memorising does, in words.
    clusters : (n,) cluster of each record, −1 for none.
    scene : whose members and ids are meant.
    margin : benefit that counts as none.
    """
    leaks = np.flatnonzero(rated == "only leaks")
    useful, undecided = int((rated == "useful").sum()), int((rated == "undecided").sum())
    rule = (
        "a cluster of similar records is memorised, and the simultaneous upper bound of what a further quarter of it "
        f"in training gives its held-out records lies below {margin:g}"
    )
    rows = np.isin(clusters, leaks) & scene.truth
    least = int(influence.size.min()) if len(rated) else 0
    detail = (
        f"Of {len(rated)} clusters of at least {least} similar records, {len(leaks)} are "
        f"memorised without helping similar people who were held out, in {useful} memorising helps them, and for "
        f"{undecided} memorised ones this many models do not tell. {int((clusters < 0).sum()):,} records lie in "
        "clusters too small to look at"
    )
    return Flag(
        "SEP702",
        "Memorisation without benefit",
        len(leaks) > 0,
        len(leaks),
        rule,
        detail,
        tuple(scene.ids[rows].tolist()),
    )
