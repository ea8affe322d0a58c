"""The page and the plot of the comparison with other tools, made from its data alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from published import in_words, table

COMMAND = "python benchmarks/peers.py"
WANTED = 0.8
Row = Mapping[str, Any]


def percent(value: float | None, digits: int = 2) -> str:
    """Return a share in percent, or a dash."""
    return "–" if value is None else f"{100 * value:.{digits}f} %"


def page(data: Mapping[str, Any]) -> str:
    """Return the page in Markdown."""
    parts = [
        "# seepage and other tools",
        f"Written by `{COMMAND}{' --quick' if data['quick'] else ''}`. {in_words(data['machine'])}",
        "Each tool audits the same targets: models of one kind, each trained on a random half of the records. The "
        "members are those it was trained on, the nonmembers all others. AUC and TPR come from one piece of code "
        "(`seepage.stats`, the step ROC) and are means over the targets; costs are of the first target: training the "
        "shadow models, reading them and scoring, without imports, which stand beside. Peak memory and wall time are "
        "of the tool's whole process, all its attacks together. The numbers of this page are in "
        "[peers.json](peers.json).",
    ]
    if data["quick"]:
        parts.append("This was a quick run: fewer records, models, targets and repeats than the benchmark has.")
    parts += [section(case) for name, case in data["cases"].items() if name != "power"]
    if "power" in data["cases"]:
        parts.append(power_section(data["cases"]["power"]))
    parts.append(versions(data))
    return "\n\n".join(parts)


def section(found: Mapping[str, Any]) -> str:
    """Return one case's heading, table and ratios."""
    case, rows = found["case"], found["rows"]
    sizes = f"{rows[0]['n_members']} members and {rows[0]['n_nonmembers']} nonmembers"
    body = [
        [
            row["tool"],
            row["attack"],
            row["models"] or "none",
            f"{row['cpu_seconds']:.1f}",
            f"{row['import_cpu_seconds']:.1f}",
            f"{row['import_cpu_seconds'] + row['cpu_seconds']:.1f}",
            f"{row['process_wall_seconds']:.0f}",
            f"{row['peak_mib']:.0f}",
            f"{row['auc']:.3f}" + ("" if row["auc_sd"] is None else f" ± {row['auc_sd']:.3f}"),
            percent(row["tpr_at_fpr_0.01"], 1),
            percent(row["tpr_at_fpr_0.001"]),
            row["n_nonmembers"],
        ]
        for row in rows
    ]
    head = [
        "tool", "attack", "shadow models", "CPU s", "imports, CPU s", "together", "wall s", "peak MiB",
        "AUC (± SD of targets)", "TPR at 1 % FPR", "at 0.1 %", "nonmembers",
    ]  # fmt: skip
    return "\n\n".join(
        [
            f"## {case['title']}",
            f"{case['targets']} targets, {sizes} each, median CPU time of {case['repeats']} run(s). With "
            f"{rows[0]['n_nonmembers']} nonmembers a TPR at 1 % FPR rests on "
            f"{int(0.01 * rows[0]['n_nonmembers'])} false alarms; at 0.1 % it is given from 1,000 nonmembers on.",
            table(head, body),
            ratio(rows),
            notes(found),
        ]
    ).rstrip()


def ratio(rows: list[Row]) -> str:
    """Say seepage's CPU time and AUC against sacroml's strongest mode."""
    ours = [row for row in rows if row["tool"] == "seepage"]
    theirs = [row for row in rows if row["tool"] == "sacroml"]
    if not ours or not theirs:
        return ""
    best, other = max(ours, key=lambda row: row["auc"]), max(theirs, key=lambda row: row["auc"])
    fastest = min(row["cpu_seconds"] for row in theirs)
    return (
        f"Training and scoring with {best['models']} shadow models, {best['attack']} takes "
        f"{best['cpu_seconds'] / fastest:.2f} × the CPU time of sacroml's cheapest mode "
        f"({best['cpu_seconds']:.1f} s and {fastest:.1f} s, without imports), at an AUC of {best['auc']:.3f} against "
        f"{other['auc']:.3f} of its strongest mode ({other['attack']})."
    )


def reached(rows: list[Row]) -> Row | None:
    """Return the first number of shadow models from which the power is and stays at 80 %."""
    first = None
    for row in sorted(rows, key=lambda row: int(row["models"])):
        if row["power"]["share"] < WANTED:
            first = None
        elif first is None:
            first = row
    return first


def by_attack(rows: list[Row]) -> dict[tuple[str, str], list[Row]]:
    """Return the rows of each tool's attack, in order."""
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        found.setdefault((row["tool"], row["attack"]), []).append(row)
    return found


def power_section(found: Mapping[str, Any]) -> str:
    """Return heading, tables and plot of the case that asks for power."""
    case, rows = found["case"], found["rows"]
    most = max(case["models"])
    ours = [row for row in rows if row["models"] == most and row["tool"] == "seepage"]
    leak = (
        f"{percent(max(row['tpr_at_fpr_0.001'] or 0.0 for row in ours))} for the strongest attack of seepage with "
        f"{most} shadow models"
        if ours and ours[0]["tpr_at_fpr_0.001"] is not None
        else "not measured"
    )
    body = []
    for (tool, attack), own in by_attack(rows).items():
        hit, last = reached(own), own[-1]
        body.append(
            [
                tool,
                attack,
                "–" if hit is None else hit["models"],
                f"not reached with {last['models'] or 'none'} (power {last['power']['share']:.2f}, "
                f"{last['cpu_seconds']:.0f} CPU-s)"
                if hit is None
                else f"{hit['cpu_seconds']:.1f}",
                "–" if hit is None else f"{hit['cpu_seconds'] + hit['import_cpu_seconds']:.1f}",
                "–" if hit is None else f"{hit['power']['share']:.2f}",
                f"{last['auc']:.3f}",
                percent(last["tpr_at_fpr_0.001"]),
            ]
        )
    head = [
        "tool", "attack", "shadow models", "CPU s to 80 % power", "with imports", "power there",
        "AUC at the most models", "TPR at 0.1 % FPR there",
    ]  # fmt: skip
    detail = [
        [
            row["tool"], row["attack"], row["models"], f"{row['cpu_seconds']:.1f}", f"{row['auc']:.3f}",
            percent(row["tpr_at_fpr_0.001"]), f"{row['power']['share']:.2f}",
            f"{min(row['power']['by_target']):.2f} – {max(row['power']['by_target']):.2f}",
        ]
        for row in rows
    ]  # fmt: skip
    text = (
        f"Adult, {case['n'] // 2:,} members and {case['n'] // 2:,} nonmembers, a forest of 100 trees with at least "
        f"{case['leaf']} records in a leaf. That number was chosen by trying several, so that the strongest attack "
        f"with 64 shadow models has a TPR of about 0.5 % at 0.1 % FPR; here it came out as {leak}. The rule was "
        "declared beforehand: leak, if the lower 95 % limit of the TPR lies above the upper one of the FPR "
        "(Clopper–Pearson) at the threshold that allows 0.1 % false alarms. The power is the share of "
        f"{case['bootstraps']} bootstrap draws of the records of each of {case['targets']} targets in which the rule "
        "says so (with memberships shuffled, so that there is nothing to find, it said so in at most "
        f"{percent(max(row['power']['without_leak'] for row in rows), 1)} of the draws of any attack); "
        "reached means: at this number of shadow models and at all larger ones that were tried. ART's attack that "
        "knows half of the members has no shadow models and is scored on the other half. No attack was run with "
        f"more than {most} shadow models, or where more than {case['budget']:.0f} CPU seconds of training were "
        "expected."
    )
    return "\n\n".join(
        [
            "## CPU seconds to 80 % power",
            text,
            table(head, body),
            "![Power against CPU seconds, one line an attack](peers.svg)",
            "### Every number of shadow models",
            table(
                ["tool", "attack", "shadow models", "CPU s", "AUC", "TPR at 0.1 % FPR", "power", "range over targets"],
                detail,
            ),
            notes(found),
        ]
    ).rstrip()


def notes(found: Mapping[str, Any]) -> str:
    """Return what the tools' runs remarked."""
    lines = [f"- {tool}: {note}" for tool, said in found["notes"].items() for note in said]
    return "\n".join(["Remarks:", "", *lines]) if lines else ""


def versions(data: Mapping[str, Any]) -> str:
    """Return what was installed for each tool, and how each is used."""
    lines = [f"- {tool}: {', '.join(pins) or 'the environment of seepage'}" for tool, pins in data["pinned"].items()]
    return "\n".join(
        [
            "## How each tool is used",
            "",
            '- seepage: `train_shadows(…, trainer="auto")`, then `score` of each attack.',
            "- plain loop: a loop over scikit-learn fits, LiRA as in its paper, record by record with scipy.",
            "- sacroml: `LIRAAttack` on a `Target`, without its metrics and reports; shadow models kept on disk.",
            "- ART: `MembershipInferenceBlackBox` with a forest, on known members or on `ShadowModels`.",
            "",
            "Installed:",
            "",
            *lines,
        ]
    )


def plot(data: Mapping[str, Any]) -> str | None:
    """Return the power of every attack against its CPU seconds as SVG, or None where power was not asked for."""
    from seepage.report.drawing import CONFIG, altair, to_svg

    if "power" not in data["cases"]:
        return None
    alt = altair()
    rows = data["cases"]["power"]["rows"]
    points = [
        {
            "tool": row["tool"],
            "attack": f"{row['tool']}: {row['attack']}",
            "seconds": row["cpu_seconds"],
            "power": row["power"]["share"],
        }
        for row in rows
    ]
    base = alt.Chart(alt.Data(values=points)).encode(
        x=alt.X("seconds:Q", title="CPU seconds (training, reading, scoring)").scale(type="log", nice=False),
        y=alt.Y("power:Q", title="power").scale(domain=[0, 1]),
        color=alt.Color("attack:N", title=None).scale(scheme="category20").legend(labelLimit=320, symbolType="stroke"),
        strokeDash=alt.StrokeDash("tool:N", legend=None),
    )
    rule = alt.Chart(alt.Data(values=[{"power": WANTED}])).mark_rule(strokeDash=[2, 3]).encode(y="power:Q")
    chart = (base.mark_line() + base.mark_point(filled=True, size=36) + rule).properties(width=520, height=300)
    return to_svg(chart.configure(**CONFIG), "Power of each attack against the CPU seconds it takes")
