"""Run the whole suite in simulation: the node graph, episode by episode."""

from collections.abc import Callable
from dataclasses import dataclass
import json
from pathlib import Path
import secrets
import shlex
import sys
import time

from rich.console import Console
from rich.live import Live
from rich.text import Text
from vla_bringup.graph import check_policy, GraphOptions, sim_graph
from vla_bringup.report import Report, write_json
from vla_bringup.session import Row, summarise
from vla_bringup.supervisor import log_path, Supervisor
from vla_core.errors import UnknownNameError
from vla_core.spec import load_robot
from vla_planner.language import parse
from vla_sim.catalogue import BOWL, find_scene

_HEADS = ('', 'flow', 'l1')


@dataclass(frozen=True)
class SimOptions:
    """Run the robot in simulation through the complete ROS 2 graph.

    Examples:
        ./vla sim
        ./vla sim --instruction "put the red block in the bowl, then close the drawer"
        ./vla sim --scene table_d --policy expert --episodes 5
        ./vla sim --record-raw --record-format mcap --record runs/bags
        ./vla sim --episodes 27 --seed 100000 --lockstep --json out.json

    """

    instruction: str = ''
    """What to ask for; without it, tasks are taken in turn."""
    episodes: int | None = None
    """Episodes to run (3 random tasks without it, or 1 with --instruction)."""
    seed: int | None = None
    """Seed of the first episode (random without it; it is printed)."""
    policy: str = 'default'
    """'default', 'expert' (scripted) or the folder of a checkpoint."""
    head: str = ''
    """Action head of the policy: flow or l1 (the checkpoint's own choice without it)."""
    robot: str = 'panda'
    """Robot: a shipped name or the path of a YAML file."""
    scene: str = BOWL
    """What stands on the table: bowl, table_a to table_d, touch."""
    record: Path | None = None
    """Folder of the recorded data set (under the run's folder without it)."""
    record_format: str = 'lerobot'
    """Format of the recording: lerobot, mcap, hdf5, aloha, rlds."""
    record_raw: bool = False
    """Record every topic at its own rate (lerobot or mcap), not a row a policy step."""
    gui: bool = False
    """Show the simulator's window."""
    lockstep: bool = False
    """Step as fast as the nodes answer, the same every time, instead of in real time."""
    json: Path | None = None
    """File for the results."""
    timeout: float = 0.0
    """Simulated seconds an episode may take (20 for each task without it)."""
    verbose: bool = False
    """Show every node's log lines; they are always in the run's log.txt."""


def main(options: SimOptions) -> int:
    """Check the options, run the graph, and tell what came of it."""
    graph = plan(options, sys.argv[1:])
    nodes = sim_graph(graph)
    run = Path(graph.run)
    run.mkdir(parents=True, exist_ok=True)
    console = Console(highlight=False)
    view = RunView(console, graph, options.verbose)
    console.print(f'run {run}, policy {graph.policy}, seed {graph.seed}')
    with log_path(run).open('w') as log, view.live:
        supervisor = Supervisor(nodes, log, view.on_line)
        view.domain = supervisor.domain
        code = supervisor.run()
    results = summarise(view.rows, graph.policy, graph.command)
    view.report.summary(results)
    if options.json is not None:
        write_json(options.json, results)
    for name in ('video.mp4', 'contact_sheet.png'):
        if (run / name).exists():
            console.print(f'{run / name}')
    if supervisor.problem:
        console.print(f'{supervisor.problem} (see {log_path(run)})', style='red')
    return code


def plan(options: SimOptions, arguments: list[str]) -> GraphOptions:
    """Return the graph's options; raise a VlaError for what cannot be run."""
    if options.head not in _HEADS:
        raise UnknownNameError('head', options.head, _HEADS[1:])
    find_scene(options.scene)
    if options.instruction and options.scene == BOWL:
        parse(options.instruction)
    _check_policy(options)
    run = new_run_folder(Path('runs'))
    episodes = options.episodes
    if episodes is None:
        episodes = 1 if options.instruction else 3
    return GraphOptions(
        robot=options.robot, scene=options.scene, policy=options.policy, head=options.head,
        instruction=options.instruction, episodes=episodes,
        seed=secrets.randbelow(100_000) if options.seed is None else options.seed,
        rotate=options.episodes is not None, timeout_s=options.timeout,
        record=str((options.record or run / 'dataset').resolve()), run=str(run.resolve()),
        record_format=options.record_format, record_raw=options.record_raw,
        command=shlex.join(['./vla', *arguments]), gui=options.gui, lockstep=options.lockstep)


def _check_policy(options: SimOptions) -> None:
    """Refuse before anything starts; a user's checkpoint is read whole, which takes seconds."""
    check_policy(options.policy)
    if options.policy not in ('default', 'expert'):
        from vla_policy.policy import load_policy  # imports torch, which takes as long again
        load_policy(options.policy, load_robot(options.robot), options.head or None)


def new_run_folder(parent: Path) -> Path:
    """Return a folder name under `parent` that no other run has."""
    stamp = time.strftime('%Y%m%d-%H%M%S')
    names = (parent / (stamp if i == 0 else f'{stamp}-{i}') for i in range(1000))
    return next(path for path in names if not path.exists())


class RunView:
    """What the terminal shows of a run: rows that stay, and one live line."""

    def __init__(self, console: Console, graph: GraphOptions, verbose: bool) -> None:
        self.report = Report(console)
        self.rows: list[Row] = []
        self.domain = 0
        self._console, self._verbose = console, verbose
        self._began_s = time.monotonic()
        self._doing, self._mode = 'starting', ''
        self.live = Live(
            console=console, refresh_per_second=4, transient=True, get_renderable=self._line)
        self._handlers: dict[str, Callable[[dict], None]] = {
            'waiting': lambda event: self._do(event['text']),
            'episode': lambda event: self._do(
                f'{event["number"]}/{event["count"]} {event["instruction"]}'),
            'mode': lambda event: self._show_mode(event['mode'], event['reason']),
            'row': self._on_row,
        }

    def on_line(self, name: str, line: str) -> None:
        """Take one log line of a node."""
        if name == 'session' and line.startswith('{"event"'):
            event = json.loads(line)
            self._handlers[event['event']](event)
        elif self._verbose:
            self._console.print(Text(f'{name:>10} | {line}'))

    def _on_row(self, event: dict) -> None:
        row = Row(**{key: value for key, value in event.items() if key != 'event'})
        self.rows.append(row)
        self.report.row(row)

    def _do(self, text: str) -> None:
        self._doing = text

    def _show_mode(self, mode: str, reason: str) -> None:
        self._mode = f'{mode} {reason}'.strip()

    def _line(self) -> Text:
        elapsed = time.monotonic() - self._began_s
        line = f'{elapsed:5.0f} s  {self._doing}  {self._mode}  (ROS_DOMAIN_ID={self.domain})'
        return Text(line, style='cyan', no_wrap=True, overflow='ellipsis')
