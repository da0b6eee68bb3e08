"""Every command in a page of the documentation runs as it is written."""

import os
from pathlib import Path
import re
import subprocess

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = ('record.md', 'replay.md')
LIMIT_S = 240.0
BLOCK = re.compile(r'^```bash\n(.*?)^```$', re.MULTILINE | re.DOTALL)
pytestmark = pytest.mark.alone  # pages run the graph


def blocks(page: str) -> list[str]:
    return BLOCK.findall((ROOT / 'docs' / page).read_text())


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return a folder in which `./vla` and the repository's files are at hand."""
    for name in ('vla', 'docs', 'test'):
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


@pytest.mark.parametrize('page', PAGES)
def test_the_commands_of_a_page_run_one_after_another(page: str, place: Path) -> None:
    assert blocks(page)
    for block in blocks(page):
        ended = subprocess.run(
            ['bash', '-euo', 'pipefail', '-c', block], cwd=place, timeout=LIMIT_S,
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
            env={**os.environ, 'VLA_ROOT': str(ROOT)})
        assert ended.returncode == 0, f'{block}\n{ended.stdout}\n{ended.stderr}'
