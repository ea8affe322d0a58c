"""How much a finding matters: severity from the evidence, with harm and likelihood kept apart beside it."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

from seepage.findings.finding import Severity, Verdict
from seepage.findings.profiles import context, profile
from seepage.spec import Release

__all__ = ["Level", "harm", "likelihood", "scale", "severity", "severity_rule"]


@dataclass(frozen=True)
class Level:
    """A level of harm or of likelihood, with the words that give its grounds. `str()` joins both."""

    level: str
    why: str

    def __str__(self) -> str:
        return f"{self.level}: {self.why}"


@dataclass(frozen=True)
class _Rated:
    severity: Severity
    rule: str


@lru_cache(maxsize=1)
def _file() -> dict[str, Any]:
    return tomllib.loads((files("seepage.findings") / "severity.toml").read_text(encoding="utf-8"))


def severity(
    verdict: Verdict,
    *,
    tpr_low: float | None = None,
    fpr_high: float | None = None,
    auc_low: float | None = None,
    recovered: bool = False,
    bounded: bool = False,
    code: str | None = None,
) -> Severity:
    """Rate a finding by the rule in `severity.toml`. Harm and likelihood play no part in it.

    Parameters
    ----------
    verdict : what the evidence supports.
    tpr_low, fpr_high : bounds at the smallest false-positive rate that the sample resolves, fractions.
    auc_low : lower bound of the AUC.
    bounded : True where every upper bound lies below its tolerable value.
    recovered : True where a training record can be read out of what the declared access gives.
    code : the finding code; only flags of some codes are rated otherwise.

    Examples
    --------
    >>> str(severity(Verdict.LEAKS, tpr_low=0.020, fpr_high=0.0018))
    'high'
    >>> str(severity(Verdict.LEAKS, auc_low=0.61))
    'medium'
    """
    return _rate(verdict, tpr_low, fpr_high, auc_low, recovered, bounded, code).severity


def severity_rule(
    verdict: Verdict,
    *,
    tpr_low: float | None = None,
    fpr_high: float | None = None,
    auc_low: float | None = None,
    recovered: bool = False,
    bounded: bool = False,
    code: str | None = None,
) -> str:
    """Return the rule that led to the severity, with its numbers; parameters as for `severity`.

    Examples
    --------
    >>> severity_rule(Verdict.FLAG)
    'A structural flag is medium: it is a condition that can leak, not a measured leak.'
    """
    return _rate(verdict, tpr_low, fpr_high, auc_low, recovered, bounded, code).rule


def _rate(
    verdict: Verdict,
    tpr_low: float | None,
    fpr_high: float | None,
    auc_low: float | None,
    recovered: bool,
    bounded: bool,
    code: str | None,
) -> _Rated:
    data = _file()
    if recovered and verdict in (Verdict.LEAKS, Verdict.FLAG):
        return _Rated(Severity(data["recovered"]["severity"]), data["recovered"]["rule"])
    if verdict is Verdict.FLAG:
        level = data["flag"]["codes"].get(code, data["flag"]["default"])
        rule = data["flag"]["rules"].get(code, data["flag"]["rule"])
        return _Rated(Severity(level), rule.format(severity=level))
    if verdict is Verdict.LEAKS:
        ratio, auc = data["membership"]["high_tpr_over_fpr"], data["membership"]["high_auc"]
        by_rate = tpr_low is not None and fpr_high is not None and tpr_low > ratio * fpr_high
        by_auc = auc_low is not None and auc_low > auc
        seen = []
        if tpr_low is not None and fpr_high is not None:
            seen.append(f"true-positive rate at least {tpr_low:.3g}, false-positive rate at most {fpr_high:.3g}")
        if auc_low is not None:
            seen.append(f"AUC at least {auc_low:.3f}")
        rule = data["membership"]["rule"].format(ratio=ratio, auc=auc)
        seen_words = f" Seen: {'; '.join(seen)}." if seen else ""
        if by_rate or by_auc:
            return _Rated(Severity.HIGH, rule + seen_words)
        clear = tpr_low is not None and fpr_high is not None and tpr_low > fpr_high
        return _Rated(Severity.LOW if bounded and not clear else Severity.MEDIUM, rule + seen_words)
    entry = data["verdict"][verdict.value]
    return _Rated(Severity(entry["severity"]), entry["rule"])


def harm(profile_name: str, release: Release) -> Level:
    """Return how much harm a leak does in this setting, whatever its likelihood.

    Examples
    --------
    >>> harm("health", Release()).level
    'very high'
    """
    chosen = profile(profile_name)
    means = release.participation_means
    here = f" Here it means: {means.rstrip('.')}." if means else " What it means here was not declared."
    return Level(chosen.harm, chosen.why + here)


def likelihood(release: Release) -> Level:
    """Return how likely an attempt is in the declared release context, whatever its harm.

    Examples
    --------
    >>> str(likelihood(Release(context="internal")).level)
    'low'
    """
    chosen = context(release.context)
    to_whom = f" Recipients: {release.recipients.rstrip('.')}." if release.recipients else ""
    return Level(chosen.likelihood, chosen.why + to_whom)


def scale() -> dict[str, Any]:
    """Return the levels of harm and of likelihood, lowest first, and whose scale it is; for the small matrix.

    Examples
    --------
    >>> scale()["harm"]
    ['low', 'medium', 'high', 'very high']
    """
    return dict(_file()["scale"])
