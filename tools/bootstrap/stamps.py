"""Stamps: what a finished step was made from, so that it is done once and only once."""

import hashlib
import json
import os


def digest(root, paths, words):
    """Return a hash of the words and of the files' names (relative to root) and contents."""
    whole = hashlib.sha256('\0'.join(words).encode())
    for path in sorted(paths):
        whole.update(str(path.relative_to(root)).encode() + b'\0')
        whole.update(path.read_bytes() + b'\0')
    return whole.hexdigest()


def read_stamp(path):
    """Return a stamp's contents; a missing or damaged stamp is empty."""
    try:
        return json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError):
        return {}


def write_stamp(path, contents):
    """Write a stamp, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix('.draft')
    draft.write_text(json.dumps(contents, indent=1), encoding='utf-8')
    os.replace(draft, path)
