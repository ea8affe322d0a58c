"""How much of the demo's leak goes when no leaf holds fewer than 50 people; prints a table.

    python examples/leaf_size.py [SMALLEST_LEAF ...]

The data, the split, the forest and the 16 shadow models are those of `seepage demo adult`; only `min_samples_leaf`
differs. Takes less than a minute a row on two cores.
"""

from __future__ import annotations

import sys

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OrdinalEncoder

import seepage
from seepage import datasets


def census() -> seepage.Records:
    """Return the 20,000 rows of Adult that the demo draws."""
    records = datasets.load("adult")
    chosen = np.random.default_rng(0).choice(records.n, 20_000, replace=False)
    return records.take(np.sort(chosen))


def forest(words: list[str], smallest_leaf: int) -> Pipeline:
    """Return the demo's forest with leaves of at least `smallest_leaf` rows."""
    encode = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-1)
    columns = ColumnTransformer([("words", encode, words)], remainder=SimpleImputer(strategy="median"))
    return make_pipeline(columns, RandomForestClassifier(100, min_samples_leaf=smallest_leaf, random_state=0))


def main(leaves: list[int]) -> None:
    """Audit one forest for each smallest leaf and print what BaVarIA finds."""
    records = census()
    words = [name for name, dtype in records.x.schema.items() if not dtype.is_numeric()]
    print("smallest leaf   accuracy (others)   BaVarIA AUC            TPR at 0.1 % FPR         verdict")
    for leaf in leaves:
        audit = seepage.audit(
            forest(words, leaf),
            data=records,
            holdout=0.5,
            access="scores",
            options=seepage.Options(engine="local"),
        )
        document, metrics = audit.to_dict(), audit.evidence["membership/bavaria"].metrics
        auc, tpr = metrics["auc"], metrics["tpr_at_fpr_0.001"]
        finding = next(f for f in audit.findings if f.evidence == "membership/bavaria" and f.code == "SEP101")
        print(
            f"{leaf:13}   {document['utility']['nonmembers']:17.3f}   "
            f"{auc.value:.3f} ({auc.low:.3f}–{auc.high:.3f})    "
            f"{tpr.value:5.2%} ({tpr.low:.2%}–{tpr.high:.2%})   {finding.verdict}, {finding.severity}",
            flush=True,
        )


if __name__ == "__main__":
    main([int(text) for text in sys.argv[1:]] or [1, 50])
