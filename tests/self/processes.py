"""Processes as /proc shows them."""

from __future__ import annotations

from pathlib import Path


def children_of(pid: int) -> dict[int, list[str]]:
    """The child processes, with the words of their command lines."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
            words = (folder / "cmdline").read_text().split("\0")
        except OSError:
            continue
        if int(parent) == pid:
            found[int(folder.name)] = words
    return found


def everything_below(pid: int) -> set[int]:
    """Children, and theirs in turn."""
    found = set(children_of(pid))
    return found | {other for child in found for other in everything_below(child)}


def robots_of(pid: int) -> list[int]:
    """The processes of robot among the children."""
    return [child for child, words in children_of(pid).items() if "robot" in words]
