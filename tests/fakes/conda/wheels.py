"""A wheel for each line of a lock, with nothing in it but its name: pip installs a lock of 3.5 GB in seconds."""

import sysconfig
import zipfile
from pathlib import Path


def make_wheels(lock: Path, extra: str, folder: Path) -> int:
    """Write a wheel for each `name==version` of a lock and for one requirement more; return how many.

    The first of them brings a .pth file as well, by which the environment finds the packages that run the tests.
    """
    folder.mkdir()
    lines = [line for line in lock.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    for number, line in enumerate([extra, *lines]):
        name, version = line.split("==")
        name = name.replace("-", "_").replace(".", "_")
        about = f"{name}-{version}.dist-info"
        files = {
            f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
            f"{about}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        if number == 0:
            files["packages_of_the_tests.pth"] = sysconfig.get_path("purelib") + "\n"
        files[f"{about}/RECORD"] = "".join(f"{path},,\n" for path in [*files, f"{about}/RECORD"])
        with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
            for path, text in files.items():
                wheel.writestr(path, text)
    return 1 + len(lines)
