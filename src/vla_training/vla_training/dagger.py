"""The recipe: demonstrate, train, let the learner drive while the expert labels, train on.

DAgger (Ross et al. 2011, arXiv:1011.0686): the learner visits its own mistakes, the expert says
in every state what it would have done, and the next training sees both. How episodes are
collected and checkpoints compared comes in from outside; training knows no simulator. Every
stage is skipped or resumed when its result is there, so the recipe goes on after a kill.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vla_core.spec import RobotSpec
from vla_training.data import build, check_source
from vla_training.learner import Optimisation
from vla_training.train import Report, train, TrainOptions

Collect = Callable[[Path | None, Path, int, int], None]  # learner, folder, scenes, first seed


@dataclass(frozen=True)
class Recipe:
    """How much of everything; the defaults take under 90 minutes on two cores."""

    scenes: int = 1000  # of the demonstrations
    minutes: float = 27.0  # of the first training
    rounds: int = 1
    round_scenes: int = 360
    round_minutes: float = 10.0
    boost: float = 2.0  # how much more often a frame of a learner is drawn
    fine_rate: float = 3e-4  # learning rate after the first training
    seed: int = 0


def run_recipe(
    recipe: Recipe, out: Path, spec: RobotSpec, collect: Collect, report: Report
) -> list[Path]:
    """Carry out the recipe below `out`; return the last training's candidates."""
    folders = [out / 'demonstrations']
    collect(None, folders[0], recipe.scenes, 1_000_000 + recipe.seed)
    options = TrainOptions(minutes=recipe.minutes, seed=recipe.seed)
    candidates = train_stage(folders, {}, out / 'base', options, spec, None, report)
    for number in range(1, recipe.rounds + 1):
        folders.append(out / f'dagger_{number}')
        first_seed = 20_000_000 + 1_000_000 * number + recipe.seed
        collect(candidates[-1], folders[-1], recipe.round_scenes, first_seed)
        boost = dict.fromkeys(folders[1:], recipe.boost)
        candidates = train_stage(
            folders, boost, out / f'round_{number}', fine_options(recipe, options), spec,
            candidates[-1], report)
    return candidates


def fine_options(recipe: Recipe, options: TrainOptions) -> TrainOptions:
    """Return how a round trains: shorter, and gentler."""
    gentle = Optimisation(rate=recipe.fine_rate, warmup_steps=100)
    return replace(options, minutes=recipe.round_minutes, optimisation=gentle)


def train_stage(
    folders: Sequence[Path], boost: dict[Path, float], out: Path, options: TrainOptions,
    spec: RobotSpec, init: Path | None, report: Report,
) -> list[Path]:
    """Train below `out`, or go on with it, or return what is there already.

    Raises InvalidDataError when what is there was made of other episodes.
    """
    last, frames = out / 'candidates' / 'at_100', out / 'frames'
    if frames.is_dir():
        check_source(frames, folders, boost)
    else:
        build(folders, frames, boost=boost)
    if (last / 'config.json').is_file():
        return sorted(last.parent.iterdir())
    resume = (out / 'state.safetensors').is_file()
    return train(frames, out, options, spec, init=init, resume=resume, report=report)
