"""The pages: each begins with a command that works, and none is left unfinished."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.conftest import Chargen

ROOT = Path(__file__).parent.parent
PAGES = sorted(path for path in (ROOT / "docs").glob("*.md"))
HELD_ELSEWHERE = {
    "errors.md", "experiments.md", "architecture.md", "contributing.md", "python.md", "recipes.md",
    "first.md", "serving.md", "llm.md", "exporting.md",
    "writing.md",
}  # fmt: skip
"""Pages that other tests run, that begin with a table, or with commands for contributors."""

UNFINISHED = re.compile(r"\b(TODO|TBD|FIXME|XXX+|lorem ipsum)\b|\?\?\?", re.IGNORECASE)
"""What somebody writes who means to come back."""

LONGEST_README = 150


def opening(page: Path) -> list[str]:
    """Return the commands of a page's first block."""
    block = re.search(r"```sh\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None
    return block[1].splitlines()


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.name not in HELD_ELSEWHERE], ids=lambda page: page.name
)
def test_a_page_opens_with_a_command_that_works(
    page: Path, tmp_path: Path, environment: dict[str, str], chargen: Chargen
) -> None:
    """As it stands, after the model that the page about training makes."""
    made = chargen("train", "harbour", "--steps", "2", "--name", "harbour", "--quiet")
    assert made.returncode == 0
    for line in opening(page):
        given = b""
        if " | " in line:
            words, line = line.split(" | ")
            given = shlex.split(words)[1].encode()
        launcher, _, arguments = line.partition("chargen ")
        arguments = arguments.replace("--name harbour", "--name other").replace("0.2", "0.02")
        if launcher.startswith("torchrun"):
            several = shlex.split(launcher)[1:]
            whole = [sys.executable, "-m", "torch.distributed.run", "--standalone", *several]
            whole += ["chargen", *shlex.split(arguments)]
            result = subprocess.run(
                whole,
                cwd=tmp_path,
                env=environment,
                capture_output=True,
                timeout=120,
                check=False,
            )
        else:
            result = chargen(*shlex.split(arguments), stdin=given)
        assert result.returncode == 0, result.stderr.decode()


QUICK = ["--steps", "6", "--evaluations", "2", "--hidden", "16"]


@pytest.mark.parametrize("name", ["recipes.md", "first.md"])
def test_every_command_of_a_guide_works(name: str, tmp_path: Path, chargen: Chargen) -> None:
    """From the first to the last, in one folder, each training cut to a few steps."""
    text = (ROOT / "corpora" / "harbour.txt").read_text(encoding="utf-8")
    (tmp_path / "novel.txt").write_text(text, encoding="utf-8")
    for part in ("held_out.txt", "chapter.txt"):
        (tmp_path / part).write_text(text[-2000:], encoding="utf-8")
    names = "".join(
        f"{one}{two}{three}\n"
        for one in ("Ma", "Lo", "Ti", "Be")
        for two in ("ra", "lin", "no", "de")
        for three in ("", "s", "ta", "mi", "ko")
    )
    (tmp_path / "names.txt").write_text(names, encoding="utf-8")
    blocks = re.findall(
        r"```sh\n(.*?)```", (ROOT / "docs" / name).read_text(encoding="utf-8"), re.S
    )
    for line in "".join(blocks).splitlines():
        arguments = shlex.split(line)[1:]
        for budget in ("--minutes", "--epochs"):
            if budget in arguments:
                at = arguments.index(budget)
                arguments[at : at + 2] = QUICK
        result = chargen(*arguments)
        assert result.returncode == 0, f"{line}: {result.stderr.decode()}"


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md"], ids=lambda page: page.name)
def test_pages_are_complete(page: Path) -> None:
    """No line is a placeholder, and every page that is linked to is there."""
    text = page.read_text(encoding="utf-8")
    assert not [line for line in text.splitlines() if UNFINISHED.search(line)]
    for link in re.findall(r"\]\(([\w./]+)\)", text):
        assert (page.parent / link).exists(), link


@pytest.mark.parametrize("line", ["TODO", "It takes XXX s.", "Figures: tbd.", "lorem ipsum", "???"])
def test_placeholders_are_recognised(line: str) -> None:
    """Wherever they stand on a line; words that only look like one are let through."""
    assert UNFINISHED.search(line)
    assert not UNFINISHED.search("JSON, UTF-8, MIT and GRU; is it so?")


def test_scripts_for_clusters_are_well_formed() -> None:
    """Slurm's is a shell script; that for Kubernetes has the two objects, and a script in one."""
    docs = ROOT / "docs"
    subprocess.run(["bash", "-n", str(docs / "slurm.sh")], check=True)
    with (docs / "kubernetes.yaml").open(encoding="utf-8") as file:
        service, job = yaml.safe_load_all(file)
    assert (service["kind"], job["kind"]) == ("Service", "Job")
    pod = job["spec"]["template"]["spec"]
    assert pod["subdomain"] == service["metadata"]["name"]
    (container,) = pod["containers"]
    subprocess.run(["bash", "-n"], input=container["args"][0].encode(), check=True)
    assert {one["name"] for one in container["volumeMounts"]} == {
        one["name"] for one in pod["volumes"]
    }


def test_the_readme_is_short() -> None:
    """The rest is in the pages that it leads to."""
    readme = ROOT / "README.md"
    assert len(readme.read_text(encoding="utf-8").splitlines()) <= LONGEST_README
    for page in PAGES:
        assert f"(docs/{page.name})" in readme.read_text(encoding="utf-8")
