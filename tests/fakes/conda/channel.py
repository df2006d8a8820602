"""A conda channel in a folder: the Python that runs the tests and its pip, packed as conda packages."""

import hashlib
import io
import json
import sys
import tarfile
import zipfile
from pathlib import Path

# Nothing of this is used by pip or by this project, and it is most of what a Python weighs.
LEFT_OUT = {"site-packages", "test", "__pycache__", "idlelib", "lib2to3", "tkinter", "turtledemo", "pydoc_data"}
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


def make_channel(folder: Path) -> None:
    """Write the channel's packages: this Python, its pip, and a newer Python that the solver must not take."""
    native, noarch = folder / "linux-64", folder / "noarch"
    for subdir in (native, noarch):
        subdir.mkdir(parents=True)
    version = sys.version.split()[0]
    pack(native, {"name": "python", "version": version, "depends": []}, files_of_python())
    pack(native, {"name": "python", "version": "3.99.0", "depends": []}, {"bin/python": b"#!/bin/sh\nexit 99\n"})
    pip_version, files = files_of_pip()
    pack(noarch, {"name": "pip", "version": pip_version, "depends": ["python >=3.7"], "noarch": "python"}, files)


def files_of_python() -> dict[str, bytes | Path]:
    """Return path in the prefix -> content of the interpreter and of its library. Links stay files of one name each."""
    base = Path(sys.base_prefix)
    library = base / "lib" / f"python{PYTHON}"
    files: dict[str, bytes | Path] = {f"bin/python{PYTHON}": base / "bin" / f"python{PYTHON}"}
    files["bin/python"] = files[f"bin/python{PYTHON}"]
    for path in [*library.rglob("*"), *(base / "lib").glob("libpython*.so.*")]:
        inside = path.relative_to(base)
        left_out = LEFT_OUT & set(inside.parts) or any(part.startswith("config-") for part in inside.parts)
        if path.is_file() and not left_out:
            files[str(inside)] = path
    return files


def files_of_pip() -> tuple[str, dict[str, bytes | Path]]:
    """Return the version, and path -> content, of the pip that Python itself brings (ensurepip)."""
    [wheel] = (Path(sys.base_prefix) / "lib" / f"python{PYTHON}" / "ensurepip" / "_bundled").glob("pip-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        files: dict[str, bytes | Path] = {f"site-packages/{name}": archive.read(name) for name in archive.namelist()}
    return wheel.name.split("-")[1], files


def pack(subdir: Path, index: dict[str, object], files: dict[str, bytes | Path]) -> None:
    """Write a package (.tar.bz2) into a subdir of a channel, and its row into the subdir's repodata.json."""
    build = "py_0" if "noarch" in index else "0_cpython"
    index = index | {"build": build, "build_number": 0, "subdir": subdir.name, "timestamp": 1_700_000_000_000}
    contents = {name: found if isinstance(found, bytes) else found.read_bytes() for name, found in files.items()}
    paths = [
        {"_path": name, "path_type": "hardlink", "sha256": hashlib.sha256(data).hexdigest(), "size_in_bytes": len(data)}
        for name, data in contents.items()
    ]
    about = {"info/index.json": index, "info/paths.json": {"paths": paths, "paths_version": 1}}
    if "noarch" in index:
        about["info/link.json"] = {"noarch": {"type": "python"}, "package_metadata_version": 1}
    described = {name: json.dumps(data).encode() for name, data in about.items()}
    package = subdir / f"{index['name']}-{index['version']}-{build}.tar.bz2"
    with tarfile.open(package, "w:bz2", compresslevel=1) as archive:
        for name, data in (described | contents).items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(data), 0o755 if name.startswith("bin/") else 0o644
            archive.addfile(member, io.BytesIO(data))
    listing = subdir / "repodata.json"
    rows = json.loads(listing.read_text()) if listing.exists() else {"info": {"subdir": subdir.name}, "packages": {}}
    row = index | {"sha256": hashlib.sha256(package.read_bytes()).hexdigest(), "size": package.stat().st_size}
    rows["packages"][package.name] = row
    listing.write_text(json.dumps(rows))
