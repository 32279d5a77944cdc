"""Which module of the package imports which, read from the code without running it."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "ivr"


def imports(path: Path, package: Path) -> Iterator[tuple[int, str]]:
    """(line, dotted module) of every import of a file, wherever in the file it stands."""
    parents = ("ivr", *path.relative_to(package).parts[:-1])
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = parents[: len(parents) - node.level + 1] if node.level else ()
            module = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:  # `from ivr.data import load` imports a module
                inner = f"{module}.{alias.name}"
                yield node.lineno, inner if _is_module(inner, package) else module


def _is_module(name: str, package: Path) -> bool:
    path = package.joinpath(*name.split(".")[1:])
    return name.startswith("ivr.") and (path.is_dir() or path.with_suffix(".py").is_file())


def module_imports(package: Path) -> Iterator[tuple[Path, int, str, str]]:
    """(file, line, its module, imported module) of every import of one of the package's modules."""
    for path in sorted(package.rglob("*.py")):
        name = ".".join(["ivr", *path.relative_to(package).with_suffix("").parts])
        for line, module in imports(path, package):
            if module.startswith("ivr."):
                yield path, line, name.removesuffix(".__init__"), module


def circle(graph: Mapping[str, set[str]]) -> list[str]:
    """The nodes along one circle of a graph, the first of them repeated at the end; or none."""
    done: set[str] = set()

    def visit(node: str, way: list[str]) -> list[str]:
        if node in way:
            return [*way[way.index(node) :], node]
        if node not in done:
            for other in sorted(graph.get(node, ())):
                if found := visit(other, [*way, node]):
                    return found
            done.add(node)
        return []

    return next((found for node in sorted(graph) if (found := visit(node, []))), [])
