"""Every test process has a ROS domain of its own; tests in real time have the machine alone."""

from collections.abc import Iterator
import fcntl
import os

import pytest

os.environ['ROS_DOMAIN_ID'] = str(1 + os.getpid() % 100)
os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')


@pytest.fixture(autouse=True)
def _alone(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[None]:
    """Run a test that is marked `alone` while the other workers wait.

    A graph in real time that shares its processors with other tests measures these.
    """
    folder = tmp_path_factory.getbasetemp()
    shared = folder.parent if 'PYTEST_XDIST_WORKER' in os.environ else folder
    alone = request.node.get_closest_marker('alone') is not None
    with (shared / 'machine.lock').open('w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield
