"""Evidence of several runs in one folder: it can be judged, moved and merged again like that of one run."""

from __future__ import annotations

import filecmp
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from acceptance.errors import ConfigurationError
from acceptance.evidence.reader import EVIDENCE, MERGED, homes, read_evidence, read_run

LOG = "log.html"
NAME = 200  # characters of a folder


def merge(folders: Sequence[Path], into: Path) -> None:
    """Copy the evidence of these folders, with the artifacts and logs that belong to it, into one.

    Raises:
        ConfigurationError: one of them is no folder of a run, or the one into which they go is.
    """
    if (into / EVIDENCE).exists() or into.resolve() in [folder.resolve() for folder in folders]:
        raise ConfigurationError([f"{into}: holds a run, which its merged evidence would change; give another folder"])
    for folder in folders:
        read_run(folder)  # report a wrong one before copying
    for folder in folders:
        for home in homes(folder):
            _copy(folder / home, into / MERGED)
    lost = {bundle.run for folder in folders for bundle in read_run(folder)} - {bundle.run for bundle in read_run(into)}
    if lost:
        raise ConfigurationError([f"{into}: the run {run} did not arrive there" for run in sorted(lost)])


def _copy(source: Path, into: Path) -> None:
    bundles = read_evidence(source / EVIDENCE)
    if not bundles:
        return
    files = [path.relative_to(source) for path in sorted((source / EVIDENCE).iterdir()) if path.is_file()]
    files += [Path(name) for bundle in bundles for name in (*bundle.artifacts, LOG) if (source / name).is_file()]
    name = re.sub(r"[^A-Za-z0-9._+-]", "_", "+".join(sorted(bundle.run for bundle in bundles)))[:NAME].lstrip(".")
    target, number = into / name, 1
    while target.exists() and not _holds(target, source, files):
        number += 1
        target = into / f"{name}~{number}"
    for file in files:
        (target / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / file, target / file)


def _holds(target: Path, source: Path, files: Sequence[Path]) -> bool:
    return all((target / file).is_file() and filecmp.cmp(target / file, source / file, shallow=False) for file in files)
