"""A target that an attack may ask about rows of its own making: one declared rung, and a hard budget of queries."""

from __future__ import annotations

from typing import Any, final

from numpy.typing import NDArray

from seepage.errors import InputError
from seepage.spec import Access, Task
from seepage.targets.guard import Guarded
from seepage.targets.protocol import Target
from seepage.targets.rows import row_count

__all__ = ["Oracle", "OverBudget", "oracle_of"]


class OverBudget(InputError):
    """An attack asked for more rows than it declared."""


@final
class Oracle:
    """A target under one rung of access, with a hard limit on the rows that can be asked of it.

    A budget of 0 answers nothing: such an oracle only stands for the target until `allowing` says what may be asked.
    Rows are counted before the target is asked, so a refused question costs nothing and shows nothing.

    Parameters
    ----------
    target : the model; it is asked under `access` alone, whatever else was declared for it.
    access : the rung.
    budget : rows that may be asked in all.

    Examples
    --------
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from seepage.targets import open_target
    >>> tree = DecisionTreeClassifier().fit([[0.0], [1.0]], ["no", "yes"])
    >>> oracle = Oracle(open_target(tree, access="scores"), Access.LABELS, budget=3)
    >>> oracle.labels([[0.9], [0.1]]).tolist(), oracle.left
    (['yes', 'no'], 1)
    """

    def __init__(self, target: Guarded, access: Access, budget: int) -> None:
        self.task: Task = target.task
        self.classes: NDArray[Any] | None = target.classes
        self.budget = budget
        self._whole = target
        self._access = access
        self._target = target.under(access)

    @property
    def queries(self) -> int:
        """Rows asked so far."""
        return self._target.queries

    @property
    def left(self) -> int:
        """Rows that may still be asked."""
        return self.budget - self.queries

    def allowing(self, access: Access, budget: int) -> Oracle:
        """Return the same target with another rung and budget, and a count of its own."""
        return Oracle(self._whole, access, budget)

    def again(self) -> Oracle:
        """Return the same target with the same rung and budget, nothing of it spent."""
        return Oracle(self._whole, self._access, self.budget)

    def labels(self, x: Any) -> NDArray[Any]:
        """Return the predicted label of each row, (n,).

        Raises
        ------
        OverBudget
            If fewer rows are left than were asked.
        AccessDenied, InputError, TargetError
            As any target does.
        """
        self._spend(x)
        return self._target.labels(x)

    def scores(self, x: Any) -> NDArray[Any]:
        """Return class probabilities (n, C), or predictions (n,); raises as `labels` does."""
        self._spend(x)
        return self._target.scores(x)

    def _spend(self, x: Any) -> None:
        asked = row_count(x)
        if asked > self.left:
            raise OverBudget(
                f"{asked:,} more rows were asked of the target and {max(self.left, 0):,} of the budget of "
                f"{self.budget:,} are left. An attack declares its queries a record in `needs`."
            )


def oracle_of(target: Target) -> Oracle | None:
    """Return the target as something to be asked about new rows, or None for saved answers; nothing is allowed yet."""
    if not isinstance(target, Guarded) or target.kind == "saved scores":
        return None
    return Oracle(target, Access.LABELS, 0)
