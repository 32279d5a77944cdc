"""Tables as Markdown, CSV and LaTeX; what comes from a file stays text."""

import csv
import io

from ivr.report.output.tables import Estimate, Table, markdown, to_csv, to_latex

TABLE = Table(
    "scores",
    "Scores",
    ["algorithm", "mean", "seeds"],
    [["sql_50%", Estimate(30.04, (10.0, 60.25)), 3], ["=cmd|' /C calc'!A0", Estimate(1.25), None]],
    "What they are.",
)


def test_markdown_is_aligned_and_cells_stay_cells():
    assert markdown(TABLE).splitlines() == [
        "| algorithm           |              mean | seeds |",
        "| ------------------- | ----------------: | ----: |",
        "| sql_50%             | 30.0 [10.0, 60.2] |     3 |",
        r"| =cmd\|' /C calc'!A0 |               1.2 |     – |",
        "",
        "What they are.",
    ]


def test_csv_has_full_numbers_and_columns_for_intervals_and_no_formula():
    rows = list(csv.reader(io.StringIO(to_csv(TABLE))))
    assert rows == [
        ["algorithm", "mean", "mean low", "mean high", "seeds"],
        ["sql_50%", "30.04", "10.0", "60.25", "3"],
        ["'=cmd|' /C calc'!A0", "1.25", "", "", ""],
    ]
    assert to_csv(Table("t", "T", ["=1+1"], [[1]])) == "'=1+1\n1\n"


def test_latex_is_escaped():
    text = to_latex(Table("t", "T", ["α", "b"], [[r"a_b\c{d}", 1]]))
    assert text.splitlines() == [
        "% T",
        r"\begin{tabular}{lr}",
        r"\toprule",
        r"$\alpha$ & b \\",
        r"\midrule",
        r"a\_b\textbackslash{}c\{d\} & 1 \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]
