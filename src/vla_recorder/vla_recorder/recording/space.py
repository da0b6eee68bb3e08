"""The space a recorder must leave on its disk, and what it says when that is gone."""

from collections.abc import Callable


class SpaceFloor:
    """Watches the free space; says once when there is too little and once when all is well."""

    def __init__(
        self, free_bytes: Callable[[], int], least_bytes: int, say: Callable[[str], None],
    ) -> None:
        self.problem = ''  # why nothing may be recorded now
        self._free_bytes, self._least_bytes, self._say = free_bytes, least_bytes, say

    @property
    def free_bytes(self) -> int:
        """What is free now."""
        return self._free_bytes()

    def look(self) -> bool:
        """Look at the disk; return whether it has the space to record."""
        free, least, before = self._free_bytes(), self._least_bytes, self.problem
        self.problem = '' if free >= least else (
            f'disk: got {free / 1e9:.2f} GB free, allowed {least / 1e9:.2f} GB or more')
        if bool(before) != bool(self.problem):
            self._say(f'recording stopped: {self.problem}' if self.problem
                      else 'recording again: the disk has space')
        return not self.problem
