"""Hooks of MkDocs (mkdocs.yml): what pages link to outside of docs/ becomes a page of the site.

A link such as ../src/ivr/algos/ivr.py works in a checkout and on the web as it stands. On the site
it leads to a page with that file, below repository/. A notebook is shown with the outputs that it
is kept with.
"""

import html
import os
import re
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from mkdocs.structure.files import File, Files
from nbconvert import MarkdownExporter

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
LINK = re.compile(r"(?<=\]\()([^)\s#:]+)(?=[)#\s])")
FORMULA = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', re.DOTALL)
LANGUAGES = {".py": "python", ".yaml": "yaml", ".toml": "toml"}
PROSE = (".md", ".ipynb")


def place(path: Path) -> Path:
    """Where a path of the repository is on the site."""
    if path.is_relative_to(DOCS):
        return path.relative_to(DOCS)
    return Path("repository", f"{path.relative_to(ROOT)}.md")


def linked(text: str, folder: Path) -> set[Path]:
    """What a text in a folder links to, outside of docs/ and inside the repository."""
    paths = {Path(os.path.normpath(folder / target)) for target in LINK.findall(text)}
    inside = {path for path in paths if path.is_relative_to(ROOT) and path.exists()}
    return {path for path in inside if not path.is_relative_to(DOCS)}


def led(text: str, folder: Path, page: Path) -> str:
    """The text of a folder with its links as they are on a page of the site."""

    def target(match: re.Match[str]) -> str:
        path = Path(os.path.normpath(folder / match[0]))
        if not (path.is_relative_to(ROOT) and path.exists()):
            return match[0]
        return os.path.relpath(place(path), page.parent)

    return LINK.sub(target, text)


def shown(path: Path) -> tuple[str, dict[str, bytes]]:
    """A file or folder in Markdown, and its pictures."""
    title = f"# {path.relative_to(ROOT)}\n\n"
    if path.is_dir():
        files = [child for child in sorted(path.iterdir()) if child.suffix in LANGUAGES]
        return title + "\n".join(f"- [{file.name}]({path.name}/{file.name})" for file in files), {}
    if path.suffix == ".ipynb":
        text, resources = MarkdownExporter().from_filename(
            str(path), resources={"unique_key": path.stem}
        )
        return text, resources["outputs"]
    text = path.read_text("utf-8")
    if path.suffix == ".md":
        return text, {}
    return f"{title}````{LANGUAGES.get(path.suffix, 'text')}\n{text}\n````\n", {}


def on_files(files: Files, config: Any) -> Files:
    """Add a page for everything that is linked to, and that those pages link to in turn."""
    todo = set()
    for page in DOCS.rglob("*.md"):
        todo |= linked(page.read_text("utf-8"), page.parent)
    done: set[Path] = set()
    while todo - done:
        path = min(todo - done)
        done.add(path)
        text, pictures = shown(path)
        folder = path.parent
        if path.is_dir() or path.suffix in PROSE:
            todo |= linked(text, folder)
            text = led(text, folder, place(path))
        files.append(File.generated(config, place(path).as_posix(), content=text))
        for name, picture in pictures.items():
            target = (place(path).parent / name).as_posix()
            files.append(File.generated(config, target, content=picture))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Lead the links of docs/ to those pages."""
    source = Path(page.file.abs_src_path or "/")
    if not source.is_relative_to(DOCS):
        return markdown
    return led(markdown, source.parent, source.relative_to(DOCS))


def on_page_content(content: str, page: Any, config: Any, files: Files) -> str:
    """Write formulas in MathML, which browsers draw without a script."""

    def formula(match: re.Match[str]) -> str:
        display = "block" if match[1] == "div" else "inline"
        return str(convert(html.unescape(match[2]), display=display))

    return FORMULA.sub(formula, content)
