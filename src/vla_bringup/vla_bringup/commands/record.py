"""Record episodes that a person drives, or in which a person takes over from a policy."""

from dataclasses import dataclass
from pathlib import Path
import secrets

from rich.console import Console
from vla_bringup.commands.sim import new_run_folder
from vla_bringup.operator_graph import OperatorOptions, SCRIPTED
from vla_bringup.operator_run import drive_domain, named_policy, run_session
from vla_bringup.recordings import check_data_set, recordings, summary
from vla_bringup.report import write_json
from vla_sim.catalogue import BOWL


@dataclass(frozen=True)
class RecordOptions:
    """Record your own data: drive the arm, keep what is good, go on where you stopped.

    Examples:
        ./vla record --task "open the drawer" --episodes 20 --out data/mine
        ./vla record --task "open the drawer" --device gamepad --episodes 20 --out data/mine
        ./vla record --policy default --device gamepad --episodes 20 --out data/corrections
        ./vla record --task "fold the towel" --device leader --real --robot ur5e --episodes 50 \\
            --out data/towels
        ./vla record --device expert --episodes 9 --lockstep --out data/scripted

    """

    out: Path
    """Folder of the data set; an existing one grows up to --episodes."""
    task: str = ''
    """What is to be done: a sentence or a task's name (the scene's tasks in turn without it)."""
    device: str = 'keyboard'
    """What you hold: keyboard, gamepad, spacemouse, leader, pose, or expert (scripted)."""
    episodes: int = 20
    """Episodes the data set shall have."""
    policy: str = ''
    """A policy that drives until you take over: 'default' or the folder of a checkpoint."""
    format: str = 'lerobot'
    """Format of the data set: lerobot or mcap."""
    robot: str = 'panda'
    """Robot: a shipped name or the path of a YAML file."""
    scene: str = BOWL
    """What stands on the table: bowl, table_a to table_d, touch."""
    real: bool = False
    """The arm's drivers are running: no simulation."""
    hands_free: bool = False
    """Begin, judge and keep by the simulator's verdict; always so with the device expert."""
    lockstep: bool = False
    """As fast as the nodes answer, the same every time (device expert only)."""
    tremor: float = 0.0
    """How unsteady the scripted hand is, 0 to 1."""
    speed: float = 0.5
    """Share of full speed to begin with."""
    seed: int | None = None
    """Seed of the first scene (random without it)."""
    joystick: str = ''
    """The gamepad's path (the first of this machine without it)."""
    domain: int | None = None
    """ROS domain in which drivers run (with --real that of the environment)."""
    look: bool = True
    """Show the cameras in the terminal."""
    gui: bool = False
    """Show the simulator's window."""
    json: Path | None = None
    """File for the summary."""
    verbose: bool = False
    """Show every node's log lines."""


def main(options: RecordOptions) -> int:
    """Record up to the number of episodes asked for, and tell what the data set holds."""
    console = Console(highlight=False)
    kept, code = check_data_set(options.out, options.episodes, options.format), 0
    if kept:
        console.print(f'{options.out} holds {kept} of {options.episodes} episodes')
    if kept < options.episodes:
        code = run_session(
            _graph_options(options), new_run_folder(Path('runs')),
            drive_domain(options.real, options.domain),
            verbose=options.verbose, look=options.look)
    found = summary(recordings(options.out))
    _tell(found, options.out, console)
    if options.json is not None:
        write_json(options.json, found)
    return code


def _graph_options(options: RecordOptions) -> OperatorOptions:
    seed = secrets.randbelow(100_000) if options.seed is None else options.seed
    return OperatorOptions(
        device=options.device, robot=options.robot, scene=options.scene, real=options.real,
        policy=named_policy(options.policy), instruction=options.task, episodes=options.episodes,
        seed=seed, record=str(options.out.resolve()), record_format=options.format,
        hands_free=options.hands_free or options.device == SCRIPTED, lockstep=options.lockstep,
        joystick=options.joystick, drivers=options.domain is not None or options.real,
        gui=options.gui, tremor=options.tremor, speed=options.speed)


def _tell(found: dict, out: Path, console: Console) -> None:
    """Print what the data set holds."""
    console.print(
        f'{out}: {found["count"]} episodes, {found["seconds"]:.0f} s, '
        f'{found["successes"]} of {found["judged"]} judged a success', style='bold')
    help_ = found['interventions']
    if help_['episodes_with_policy']:
        console.print(
            f'interventions: {help_["count"]} in {help_["episodes_with_intervention"]} of '
            f'{help_["episodes_with_policy"]} episodes, {help_["per_minute"]:.2f} a minute, '
            f'{100 * help_["share_of_time"]:.1f} % of the time')
