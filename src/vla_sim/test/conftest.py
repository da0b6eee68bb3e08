"""One physics client for all tests of the package: building it anew shows nothing more."""

from collections.abc import Iterator

import pytest
from vla_sim.environment import TableEnvironment


@pytest.fixture(scope='session')
def environment() -> Iterator[TableEnvironment]:
    table = TableEnvironment()
    yield table
    table.close()
