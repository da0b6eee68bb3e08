"""Make ROS 2 wheels build: their CMake files name the interpreter that built the wheels."""

from pathlib import Path
import re

BUILDER = r'/opt/python/cp\d+-cp\d+'
INCLUDE = re.compile(BUILDER + r'/include/python3\.\d+')
PURELIB = re.compile(BUILDER + r'/lib/python3\.\d+/site-packages')


def fix_cmake_files(share, include, purelib):
    """Point every `*.cmake` under `share` at this interpreter; return how many changed.

    Running it again changes nothing.
    """
    changed = 0
    for path in sorted(Path(share).rglob('*.cmake')):
        text = path.read_text(encoding='utf-8')
        fixed = INCLUDE.sub(lambda _: str(include), text)
        fixed = PURELIB.sub(lambda _: str(purelib), fixed)
        if fixed != text:
            path.write_text(fixed, encoding='utf-8')
            changed += 1
    return changed
