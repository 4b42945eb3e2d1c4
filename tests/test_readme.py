"""The README's code runs as it stands there."""

import re
from pathlib import Path

import numpy as np

README = Path(__file__).parent.parent / "README.md"


def test_the_code_of_the_readme_runs(capsys):
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) >= 2
    names: dict = {}
    for block in blocks:
        exec(compile(block, str(README), "exec"), names)
    assert re.search(r"Learning rate was 0\.001, now 0\.\d+\.", capsys.readouterr().out)
    assert names["finder"].result.restored
    np.testing.assert_allclose(names["monitor"].lrs, names["schedule"](np.arange(114)), rtol=1e-5)
    names["widget"].close()


def test_the_files_that_the_readme_links_to_are_there():
    text = README.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#:]+)\)|(?:src|srcset)=\"([^\"]+)\"", text)
    missing = [
        link for pair in links for link in pair if link and not (README.parent / link).exists()
    ]
    assert not missing
