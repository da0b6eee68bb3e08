"""`vla COMMAND`: one file of `vla_bringup.commands` each, imported only when asked for."""

import importlib
import inspect
import sys
import typing

from vla_core.errors import UnknownNameError, VlaError

COMMANDS = {
    'sim': 'run instructions in the simulated graph and report success',
    'teleop': 'drive the arm by keyboard, gamepad, SpaceMouse, leader arm or hand pose',
    'record': 'record episodes that a person drives, or corrects a policy in',
    'collect': 'record expert episodes as training data',
    'train': 'train the policy and choose its checkpoint by closed-loop success',
    'eval': 'examine a policy: suites of tasks, chains, perturbed variants, with a report',
    'compare': 'decide between two policies on paired episodes, simulated or blind on an arm',
    'screen': 'rank checkpoints by a quick exam, and say how well that foretells the full one',
    'convert': 'write a data set in another format: lerobot, hdf5, aloha, rlds, mcap, calvin',
    'replay': 'replay a bag as a regression test, or cut an episode out of one',
    'bench': 'measure latency, rate and jitter of the loop and the cameras',
    'check': 'look for what would spoil training: stamps, cameras, action against motion',
    'view': 'show episodes as pictures and plots, or export them for Rerun',
    'test': 'run the tests',
    'doctor': 'report what this machine offers and what is wrong with it',
}
EXAMPLES = """\
examples:
  ./vla sim                                        a few random tasks
  ./vla sim --instruction "put the red block in the bowl, then close the drawer"
  ./vla sim --episodes 8 --seed 100 --json out.json
  ./vla sim --scene table_d --policy expert
  ./vla teleop                                     drive it yourself, with the keyboard
  ./vla record --task "open the drawer" --episodes 20 --out data/mine
  ./vla eval --policy default --episodes 100
  ./vla eval --policy expert --suite table34 --perturb all
  ./vla compare default runs/mine --episodes 50
  ./vla collect --episodes 100 --out data/expert
  ./vla replay test/bags/red_block
  ./vla COMMAND --help                             the options of a command

./vla setup only sets up; ./vla exec PROGRAM ... runs a program in the environment."""


def main(arguments: list[str] | None = None) -> int:
    """Run one sub-command; return its exit code, 2 for an error its user can mend."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if not arguments or arguments[0] in ('-h', '--help'):
        print(_help())
        return 0
    try:
        return _run(arguments[0], arguments[1:])
    except VlaError as error:
        print(f'vla: {error}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print('vla: interrupted', file=sys.stderr)
        return 130


def _run(name: str, arguments: list[str]) -> int:
    if name not in COMMANDS:
        raise UnknownNameError('command', name, COMMANDS)
    command = importlib.import_module(f'vla_bringup.commands.{name}')
    if hasattr(command, 'run'):  # takes its arguments as they are
        return command.run(arguments)
    import tyro
    kind = next(iter(typing.get_type_hints(command.main).values()))
    options = tyro.cli(
        kind, prog=f'vla {name}', args=arguments, description=inspect.getdoc(kind))
    return command.main(options)


def _help() -> str:
    rows = '\n'.join(f'  {name:<10}{summary}' for name, summary in COMMANDS.items())
    return f'usage: ./vla COMMAND [OPTIONS]\n\ncommands:\n{rows}\n\n{EXAMPLES}'


if __name__ == '__main__':
    sys.exit(main())
