"""Writes a report: a page, a Markdown file, and a folder of tables and figures."""

import hashlib
import io
import logging
import re
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.text import Text

from ivr.files import write_text, write_whole
from ivr.report.output.page import page
from ivr.report.output.sections import Section
from ivr.report.output.tables import markdown, to_csv, to_latex

log = logging.getLogger(__name__)


def write_report(
    folder: Path, title: str, place: str, sections: Sequence[Section], name: str = "report"
) -> str:
    """Write report.html, report.md, and report/ with each table and figure.

    Args:
        folder: of the runs.
        title: of the page.
        place: where the results lie, in words.
        sections: in their order.
        name: of the page and of the folder, in the place of report.

    Returns:
        the contents of report.md.
    """
    images: dict[str, bytes] = {}
    written: set[Path] = set()
    earlier = set((folder / name).glob("*"))
    for section in sections:
        for picture in section.pictures:
            file = folder / name / file_name(picture.name)
            written |= {Path(f"{file}.svg"), Path(f"{file}.png")}
            images[picture.name] = image(picture.figure, "svg")
            save(Path(f"{file}.svg"), images[picture.name])
            save(Path(f"{file}.png"), image(picture.figure, "png"))
        for table in section.tables:
            file = folder / name / file_name(table.name)
            written |= {Path(f"{file}.csv"), Path(f"{file}.tex")}
            write_text(Path(f"{file}.csv"), to_csv(table))
            write_text(Path(f"{file}.tex"), to_latex(table))
    write_text(folder / f"{name}.html", page(title, place, sections, images))
    text = f"# {title}\n"
    for section in sections:
        text += f"\n## {section.title}\n"
        text += f"\n{section.text}\n" if section.text else ""
        text += "".join(f"\n{markdown(table)}" for table in section.tables)
    write_text(folder / f"{name}.md", text)
    if old := sorted(path.name for path in earlier - written):
        more = f" and {len(old) - 3} more" if len(old) > 3 else ""
        log.warning(
            f"{folder / name} holds files that this page did not write, such as an earlier one's: "
            f"{', '.join(old[:3])}{more}"
        )
    return text


def image(figure: Figure, form: str) -> bytes:
    """Draw a figure as svg or png, the same bytes every time; names with a $ are no formulas."""
    axes = [axis for one in figure.axes for axis in (one.xaxis, one.yaxis)]
    powers = [label for axis in axes if axis.get_scale() == "log" for label in _labels(axis)]
    for text in figure.findobj(Text):
        if isinstance(text, Text) and text not in powers:
            text.set_parse_math(False)
    file = io.BytesIO()
    figure.savefig(file, format=form, metadata={"Date": None} if form == "svg" else None)
    return file.getvalue()


def _labels(axis: Axis) -> list[Text]:
    return [*axis.get_ticklabels(which="major"), *axis.get_ticklabels(which="minor")]


def save(path: Path, content: bytes) -> None:
    """Write bytes whole."""
    write_whole(path, lambda file: file.write(content))


def file_name(name: str) -> str:
    """Make a name that no file system minds, of one that may come from a file.

    Of two names that differ in more than spaces, brackets and underscores, the files differ.
    """
    safe = re.sub(r"[^\w.-]+", "_", name, flags=re.ASCII).lstrip(".")
    if re.fullmatch(r"[\w ()-][\w. ()-]{0,99}", name, flags=re.ASCII):
        return safe
    return f"{safe[:90]}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"
