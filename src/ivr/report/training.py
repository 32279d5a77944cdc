"""What happened while the runs trained: learning curves and cost."""

import numpy as np

from ivr.errors import counted
from ivr.report import figures
from ivr.report.gathering.curves import Curves
from ivr.report.named import WHOLE, Named, unit
from ivr.report.output.sections import Picture, Section
from ivr.report.output.tables import Cell, Estimate, Table
from ivr.report.statistics.averages import average


def learning(found: Named) -> Section | None:
    """A picture of the scores of every evaluation for each dataset; None without any."""
    reader = Curves({"evaluation/score"})
    pictures = []
    for dataset in found.datasets if found.x in WHOLE else ():
        here = found.on(dataset)
        curves = {name: average(reader.of(group, "evaluation/score")) for name, group in here}
        drawn = {name: curve for name, curve in curves.items() if curve is not None}
        if drawn:
            title = f"{dataset}: score while training"
            figure = figures.learning(title, drawn, found.look, unit(here))
            pictures.append(Picture(f"learning_{dataset}", title, figure))
    if not pictures:
        return None
    text = "Every evaluation of every seed, from the metrics.csv of each run."
    return Section("Learning curves", text, [], pictures)


def cost(found: Named) -> Section | None:
    """Speed and hours of each group; None where no result says them."""
    rows: list[list[Cell]] = []
    for name, group in found.pairs:
        results = {run.place: run.result for run in group.runs.values()}.values()
        speeds = [r["updates_per_second"] for r in results if r.get("updates_per_second")]
        hours = [r["wall_seconds"] / 3600 for r in results if r.get("wall_seconds") is not None]
        if not hours:
            continue
        members = sorted({len(result["members"]) for result in results})
        devices = ", ".join(sorted({str(result.get("device") or "–") for result in results}))
        rows.append([
            group.dataset, name, *([str(group.x)] if found.laid_out else []),
            Estimate(float(np.median(speeds)), None, ",.1f") if speeds else None,
            " or ".join(map(str, members)), len(results),
            Estimate(float(np.median(hours)), None, ".2f"),
            devices,
        ])  # fmt: skip
    if not rows:
        return None
    every = {run.place: run.result for group in found.groups for run in group.runs.values()}
    total = sum(result.get("wall_seconds") or 0.0 for result in every.values()) / 3600
    header = [
        "dataset",
        "algorithm",
        *([found.laid_out] if found.laid_out else []),
        "updates/s",
        "members",
    ]
    header += ["runs", "hours a run", "device"]
    note = (
        f"{counted(len(every), 'run')} took {total:.2f} hours, evaluations included. Updates/s: "
        "median over runs, evaluations left out, of all members of a run at once. Hours a run: "
        "median, for all its members; one of several settings side by side is in each row."
    )
    return Section("Cost", "", [Table("cost", "Cost", header, rows, note)])
