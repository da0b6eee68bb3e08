"""A bag as a regression test in somebody's own tests.

    from vla_bringup.replay.testing import assert_replays

    def test_the_block_is_placed_as_before():
        assert_replays('test/bags/red_block', policy='runs/mine')
"""

from contextlib import closing
from pathlib import Path

from vla_bringup.replay.compare import compare, Comparison, TOLERANCE
from vla_bringup.replay.conduct import play_graph, play_in_process
from vla_bringup.replay.golden import golden_path, load, Recording
from vla_bringup.replay.run import prepare, ReplayConfig


def assert_replays(
    bag: str | Path,
    policy: str = 'default',
    golden: str | Path | None = None,
    *,
    tolerance: float = TOLERANCE,
    in_process: bool = True,
    head: str = '',
    planner: str = '',
    threads: int = 1,
    robot: str = '',
    instruction: str = '',
    topic_map: str | Path | None = None,
) -> Comparison:
    """Replay a bag and compare it with its golden steps, as `./vla replay` does.

    Raises AssertionError with the first difference, and a VlaError for what cannot be replayed.
    Without `in_process` it runs through the ROS graph, in a domain of its own.
    """
    bag = Path(bag)
    config = ReplayConfig(
        bag, str(policy), head, threads, planner, robot, instruction,
        topic_map=Path(topic_map) if topic_map else None)
    path = Path(golden) if golden else golden_path(bag)
    wanted = load(path)
    recording = replay(config, wanted, path, in_process=in_process)
    result = compare(recording.moments, wanted.moments, tolerance)
    if result.differences:
        raise AssertionError(f'{bag}: {result.line}')
    return result


def replay(
    config: ReplayConfig, golden: Recording | None = None, path: Path | None = None, *,
    in_process: bool = True,
) -> Recording:
    """Return what came of a replay; with `golden` only if it is of the same run."""
    script, identity = prepare(config)
    with closing(script.source):
        if golden is not None:
            identity.check(golden.identity, path or golden_path(config.bag))
        play = play_in_process if in_process else play_graph
        return play(config, script, identity)
