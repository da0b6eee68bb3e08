"""Replay a bag through perception, planner and policy, and compare with golden actions."""

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
import shlex
import sys
from typing import Annotated

from rich.console import Console
from rich.live import Live
from rich.text import Text
import tyro
from vla_bringup.commands.sim import new_run_folder
from vla_bringup.replay import golden as files
from vla_bringup.replay.compare import compare, Comparison, TOLERANCE
from vla_bringup.replay.conduct import play_graph, play_in_process, ReplayBrokenError
from vla_bringup.replay.golden import Recording
from vla_bringup.replay.identity import Identity
from vla_bringup.replay.report import results_of, speed_line, tell_difference, tell_success
from vla_bringup.replay.run import prepare, ReplayConfig
from vla_bringup.replay.script import Script
from vla_bringup.report import write_json
from vla_bringup.supervisor import log_path
from vla_core.errors import InvalidDataError


@dataclass(frozen=True)
class ReplayOptions:
    """Replay a bag as a regression test of perception, planner and policy.

    The nodes run on the bag's time, step by step and as fast as they answer. Every step is
    compared with the golden ones: instants, pictures, joints, tool, subtask, actions. Exit code
    0: the same; 1: something differs (the first line says what) or a node died; 2: bad input.

    Examples:
        ./vla replay test/bags/red_block
        ./vla replay runs/bags/episode_000000 --policy runs/mine --update
        ./vla replay their_bag --map map.yaml --robot panda --instruction "open the drawer"
        ./vla replay long_bag --scrub "open the drawer" --out test/bags/drawer

    """

    bag: tyro.conf.Positional[Path]
    """A bag of ours (./vla sim --record-raw --record-format mcap), or any rosbag2 bag."""
    policy: str = 'default'
    """'default' or the folder of a checkpoint."""
    head: str = ''
    """Action head of the policy: flow or l1 (the checkpoint's own choice without it)."""
    planner: str = ''
    """embedded or verbatim (embedded where its grammar knows the instruction, without it)."""
    golden: Path | None = None
    """File of the golden steps (BAG.golden.npz beside the bag without it)."""
    update: bool = False
    """Write the golden steps instead of comparing with them."""
    tolerance: float = TOLERANCE
    """Allowed difference of an action [m, rad, opening]."""
    in_process: bool = False
    """Without the ROS graph: the same Observations and actions, bit for bit."""
    threads: int = 1
    """Threads of an inference; the actions are the same with any number."""
    robot: str = ''
    """Robot of a bag that does not tell: a shipped name or the path of a YAML file."""
    instruction: str = ''
    """What to ask for (what the bag tells, without it)."""
    episode: int | None = None
    """Which bag of a data set, or which episode of a bag that a map parts."""
    map: Path | None = None
    """YAML that maps topics of somebody else's bag to streams (see docs/topic_map.yaml)."""
    scrub: str = ''
    """Cut the span of this subtask out of the bag into --out, and replay nothing."""
    index: int | None = None
    """Which span, where the subtask was pursued more than once: 0 is the first."""
    live: bool = False
    """Only listen: somebody else plays the bag in real time (ros2 bag play BAG --clock)."""
    out: Annotated[Path | None, tyro.conf.arg()] = None
    """Folder for the log and the plot (runs/TIME without it); with --scrub, for the bag."""
    json: Path | None = None
    """File for the results."""


def main(options: ReplayOptions) -> int:
    """Check everything, replay, compare, and say what came of it."""
    console = Console(highlight=False)
    config = _config(options)
    if options.scrub:
        return _scrub(options, config, console)
    golden = _golden(options)
    script, identity = prepare(config)
    with closing(script.source):
        if golden is not None:
            identity.check(golden.identity, _golden_path(options))
        out = options.out or new_run_folder(Path('runs'))
        out.mkdir(parents=True, exist_ok=True)
        _tell_script(script, identity, console)
        try:
            recording = _play(options, config, script, identity, out, console)
        except ReplayBrokenError as error:
            console.print(f'{error} (see {log_path(out)})', style='red', soft_wrap=True)
            return 1
    return _judge(options, script, recording, golden, out, console)


def _config(options: ReplayOptions) -> ReplayConfig:
    for name, given in (('--update', options.update), ('--scrub', bool(options.scrub)),
                        ('--in-process', options.in_process)):
        if options.live and given:
            raise InvalidDataError(f'--live: got {name} too, allowed one of them')
    if options.index is not None and not options.scrub:
        raise InvalidDataError(f'--index: got {options.index} without --scrub, allowed with it')
    if not options.tolerance >= 0.0:
        raise InvalidDataError(f'--tolerance: got {options.tolerance}, allowed 0 or more')
    if options.map is not None and not options.map.is_file():
        raise InvalidDataError(f'--map: got {options.map}, allowed an existing YAML file')
    return ReplayConfig(
        options.bag, options.policy, options.head, options.threads, options.planner,
        options.robot, options.instruction, options.episode, options.map)


def _golden_path(options: ReplayOptions) -> Path:
    return options.golden or files.golden_path(options.bag)


def _golden(options: ReplayOptions) -> Recording | None:
    """Return the golden steps, None where they are to be written."""
    if not options.bag.exists():
        raise InvalidDataError(f'{options.bag}: got no such file or folder, allowed a bag')
    return None if options.update else files.load(_golden_path(options))


def _tell_script(script: Script, identity: Identity, console: Console) -> None:
    console.print(
        f'{script.source.name}: {len(script.steps)} steps of {script.robot.name}, '
        f'{script.source.instruction!r}, planner {identity.planner}, '
        f'policy {identity.policy_name}', soft_wrap=True)
    if script.blind:
        console.print(f'{script.blind} instants have no observation: {script.why}',
                      style='yellow', soft_wrap=True)


def _play(
    options: ReplayOptions, config: ReplayConfig, script: Script, identity: Identity,
    out: Path, console: Console,
) -> Recording:
    if options.in_process:
        return play_in_process(config, script, identity)
    with _Line(console) as line:
        return play_graph(
            config, script, identity, log=log_path(out), on_event=line.on_event,
            live=options.live, domain=_domain() if options.live else None)


def _judge(
    options: ReplayOptions, script: Script, recording: Recording, golden: Recording | None,
    out: Path, console: Console,
) -> int:
    step_s = script.robot.policy.step_s
    result = None
    if golden is None:
        files.save(_golden_path(options), recording)
        console.print(f'golden: {len(recording.moments)} steps in {_golden_path(options)}')
    else:
        result = compare(recording.moments, golden.moments, options.tolerance,
                         whole=not options.live)
        _tell(options, result, recording, golden, out, console)
    if options.live:
        console.print(f'heard {len(recording.moments)} of {len(script.steps)} instants')
    else:
        way = 'in one process' if options.in_process else 'through the graph'
        console.print(speed_line(recording, step_s, way))
    if options.json is not None:
        write_json(options.json, dict(results_of(
            result, recording, step_s, shlex.join(['./vla', *sys.argv[1:]]))))
    if result is not None and not result.compared:
        console.print('no golden instant was heard: is another bag played?', style='red')
        return 1
    return 1 if result is not None and result.differences else 0


def _tell(
    options: ReplayOptions, result: Comparison, recording: Recording, golden: Recording,
    out: Path, console: Console,
) -> None:
    if not result.differences:
        tell_success(result, console)
    else:
        tell_difference(result, console)
    if recording.identity.weights != golden.identity.weights:
        console.print('the policy has other weights than the golden actions were made with')
    if not result.differences:
        return
    from vla_bringup.replay.plot import draw_replay  # imports matplotlib
    picture = out / 'replay.png'
    draw_replay(picture, recording.moments, golden.moments, result, options.tolerance,
                f'{options.bag}, policy {options.policy}')
    console.print(f'{picture}')


class _Line:
    """One live line while the graph runs."""

    def __init__(self, console: Console) -> None:
        self._doing = 'starting'
        self._live = Live(console=console, refresh_per_second=4, transient=True,
                          get_renderable=lambda: Text(self._doing, style='cyan'))

    def __enter__(self) -> '_Line':
        self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._live.stop()

    def on_event(self, event: dict) -> None:
        """Take what the replay node says."""
        if event['event'] == 'step':
            self._doing = f'step {event["number"]} of {event["count"]}'
        elif event['event'] == 'waiting':
            self._doing = event['text']


def _domain() -> int:
    import os
    return int(os.environ.get('ROS_DOMAIN_ID', '0'))


def _scrub(options: ReplayOptions, config: ReplayConfig, console: Console) -> int:
    from vla_bringup.replay.scrub import scrub
    if options.out is None:
        raise InvalidDataError('--scrub: got no --out, allowed a folder for the bag')
    for cut in scrub(config, options.scrub, options.index, options.out):
        console.print(str(cut), soft_wrap=True)
    return 0
