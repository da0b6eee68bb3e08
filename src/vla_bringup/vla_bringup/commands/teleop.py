"""Drive the arm by hand, in simulation or for real."""

from dataclasses import dataclass
from pathlib import Path
import secrets

from vla_bringup.commands.sim import new_run_folder
from vla_bringup.operator_graph import OperatorOptions
from vla_bringup.operator_run import drive_domain, named_policy, run_session
from vla_sim.catalogue import BOWL


@dataclass(frozen=True)
class TeleopOptions:
    """Drive the arm by hand through the control node's mux and guard.

    Examples:
        ./vla teleop                                     keyboard, in simulation, also over SSH
        ./vla teleop --device gamepad --speed 0.8
        ./vla teleop --policy default --task "open the drawer"     take over when it goes wrong
        ./vla teleop --device spacemouse --real --robot ur5e

    """

    device: str = 'keyboard'
    """What you hold: keyboard, gamepad, spacemouse, leader, pose, or expert (scripted)."""
    task: str = ''
    """What is to be done: a sentence or a task's name (the scene's tasks in turn without it)."""
    policy: str = ''
    """A policy that drives until you take over: 'default' or the folder of a checkpoint."""
    robot: str = 'panda'
    """Robot: a shipped name or the path of a YAML file."""
    scene: str = BOWL
    """What stands on the table: bowl, table_a to table_d, touch."""
    real: bool = False
    """The arm's drivers are running: no simulation."""
    speed: float = 0.5
    """Share of full speed to begin with."""
    seed: int | None = None
    """Seed of the scene (random without it)."""
    joystick: str = ''
    """The gamepad's path (the first of this machine without it)."""
    domain: int | None = None
    """ROS domain in which drivers run (with --real that of the environment)."""
    hands_free: bool = False
    """End with the simulator's verdict on the task."""
    look: bool = True
    """Show the cameras in the terminal."""
    gui: bool = False
    """Show the simulator's window."""
    verbose: bool = False
    """Show every node's log lines."""


def main(options: TeleopOptions) -> int:
    """Run the session."""
    seed = secrets.randbelow(100_000) if options.seed is None else options.seed
    run = new_run_folder(Path('runs'))
    return run_session(OperatorOptions(
        device=options.device, robot=options.robot, scene=options.scene, real=options.real,
        policy=named_policy(options.policy), instruction=options.task, seed=seed,
        hands_free=options.hands_free, joystick=options.joystick,
        drivers=options.domain is not None or options.real, gui=options.gui,
        speed=options.speed), run, drive_domain(options.real, options.domain),
        verbose=options.verbose, look=options.look)
