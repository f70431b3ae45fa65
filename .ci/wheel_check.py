"""Build the wheel, look into it, and use it as a user does, in an environment of its own.

Run:  make wheel-check   (two minutes; the network only if hatchling is not installed here)
The environment is empty but for the wheel. What the wheel requires is read from the environment that runs this script,
through a .pth file, since installing torch again would take longer than all the rest. A .pth file in that folder is not
followed, so the source tree installed there as editable is out of reach; `doctor` proves which package runs.
"""

import importlib.util
import json
import os
import subprocess
import sys
import sysconfig
import tempfile
import venv
import zipfile
from email import message_from_string
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "metastructure"
NEEDED = ("py.typed", "__init__.pyi", "report/templates/study.html.j2")


def main() -> None:
    """Do all steps; the first that fails ends it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wheel = build_wheel(folder)
        check_content(wheel)
        python = install(wheel, folder / "venv")
        use(python, folder)
        check_types(python, folder)
    print(f"{wheel.name}: builds, installs, runs and type-checks.")


def build_wheel(folder: Path) -> Path:
    """Return the wheel of the source tree."""
    isolation = ["--no-build-isolation"] if importlib.util.find_spec("hatchling") else []
    pip("wheel", "--no-deps", *isolation, "--wheel-dir", str(folder), str(ROOT))
    return next(folder.glob("*.whl"))


def check_content(wheel: Path) -> None:
    """Stop unless the wheel holds every file of the package and nothing beside, and says what it is."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        info = next(name.partition("/")[0] for name in names if ".dist-info/" in name)
        metadata = message_from_string(archive.read(f"{info}/METADATA").decode())
        entry_points = archive.read(f"{info}/entry_points.txt").decode()
    source = {path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    expected = {path.relative_to(PACKAGE.parent).as_posix() for path in source}
    found = {name for name in names if not name.startswith(f"{info}/")}
    demand(found == expected, f"missing: {sorted(expected - found)}; not of the package: {sorted(found - expected)}")
    for name in NEEDED:
        demand(f"metastructure/{name}" in found, f"{name} is not in the wheel")
    demand("metastructure = metastructure.cli:main" in entry_points, "the command has no entry point")
    demand(metadata["License-Expression"] == "Apache-2.0", "the licence is not told")
    demand(any(name.endswith("LICENSE") for name in names), "the licence is not in the wheel")
    demand("torch" in " ".join(metadata.get_all("Requires-Dist", [])), "the requirements are not told")


def install(wheel: Path, folder: Path) -> Path:
    """Return the Python of a new environment that holds the wheel, and reads the rest from this one."""
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    pip("--python", str(python), "install", "--no-deps", "--no-index", str(wheel))
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    (site / "rest.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return python


def use(python: Path, folder: Path) -> None:
    """Stop unless the command runs from the wheel: its version, the doctor, and the demo with its page."""
    command = python.parent / "metastructure"
    found = json.loads(run(command, "doctor", "--json", cwd=folder))
    demand(found["where"].startswith(str(folder)), f"not the wheel but {found['where']} runs")
    demand(not found["problems"], f"doctor: {found['problems']}")
    demand(found["version"] in run(command, "--version", cwd=folder), "two versions")
    told = json.loads(run(command, "demo", "--quick", "--out", "demo", "--threads", "1", "--json", cwd=folder))
    demand(len(told["table"]) == 9, "the demo has not nine kinds of labels")
    demand(Path(told["page"]).read_text(encoding="utf-8").startswith("<!doctype html>"), "the demo has no page")


def check_types(python: Path, folder: Path) -> None:
    """Stop unless a strict checker without any of our settings accepts what a user writes."""
    sample = folder / "surface.py"
    sample.write_bytes((ROOT / "tests" / "typing" / "surface.py").read_bytes())
    settings = ["--strict", "--config-file=", "--cache-dir", str(ROOT / ".mypy_cache" / "wheel")]
    run(Path(sys.executable), "-m", "mypy", *settings, "--python-executable", str(python), sample.name, cwd=folder)


def pip(*words: str) -> None:
    """Run pip of this environment."""
    run(Path(sys.executable), "-m", "pip", "--disable-pip-version-check", "--quiet", *words)


def run(program: Path, *words: str, cwd: Path | None = None) -> str:
    """Return what a program prints on stdout; stop if it fails."""
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([str(program), *words], cwd=cwd, env=clean, capture_output=True, text=True, check=False)
    demand(done.returncode == 0, f"{program.name} {' '.join(words)}:\n{done.stdout}{done.stderr}")
    return done.stdout


def demand(condition: bool, otherwise: str) -> None:
    """Stop with a message unless the condition holds."""
    if not condition:
        sys.exit(f"wheel-check: {otherwise}")


if __name__ == "__main__":
    main()
