"""Everything that makes an exam this one and no other."""

from dataclasses import dataclass
import shlex

from vla_bringup.episodes import Exam
from vla_bringup.machine import checkpoint_fingerprint, versions
from vla_bringup.reference_policies import REFERENCES
from vla_bringup.suites import find_suite, FIRST_SEED, Trial
from vla_core.errors import InvalidDataError
from vla_policy.shipped import checkpoint_folder


@dataclass(frozen=True)
class ExamPlan:
    """An exam and its trials."""

    exam: Exam
    tasks: tuple[str, ...]
    episodes: int  # a task, or chains
    seed: int  # of the first
    perturbations: tuple[str, ...] = ()
    videos: int = 40  # failures shown

    @classmethod
    def make(
        cls, exam: Exam, tasks: tuple[str, ...], episodes: int, seed: int | None,
        perturbations: tuple[str, ...], videos: int,
    ) -> 'ExamPlan':
        """Return the plan with names checked; without tasks or seed the suite's own.

        Raises UnknownNameError or InvalidDataError for what the suite does not have.
        """
        suite = find_suite(exam.suite)
        suite.find_scene(exam.scene)
        if suite.chained and tasks:
            raise InvalidDataError(f'--tasks: got {tasks[0]}, allowed none with the suite chains')
        first = 0 if suite.chained else FIRST_SEED
        plan = cls(exam, suite.find_tasks(tasks), episodes, first if seed is None else seed,
                   suite.find_perturbations(perturbations), videos)
        plan.trials()
        return plan

    def trials(self) -> list[Trial]:
        """Return the trials in their order."""
        return find_suite(self.exam.suite).trials(
            self.tasks, self.episodes, self.seed, self.perturbations)

    def describe(self) -> dict[str, object]:
        """Return all that the results depend on but the machine, as JSON takes it."""
        exam = self.exam
        shown = exam.policy not in REFERENCES
        return {
            'suite': exam.suite, 'scene': exam.scene, 'policy': exam.policy,
            'checkpoint': checkpoint_fingerprint(checkpoint_folder(exam.policy)) if shown else '',
            'head': exam.head, 'robot': exam.robot, 'dataset': exam.dataset,
            'tasks': list(self.tasks), 'episodes': self.episodes, 'seed': self.seed,
            'perturb': list(self.perturbations), 'replan': exam.replan_steps,
            'delay': exam.delay_steps, 'timeout_s': exam.timeout_s, 'videos': self.videos,
            **versions()}

    def command(self) -> str:
        """Return the command that holds this exam again."""
        exam, suite = self.exam, find_suite(self.exam.suite)
        said = [('suite', exam.suite), ('policy', exam.policy), ('episodes', self.episodes),
                ('seed', self.seed)]
        usual = Exam(exam.policy, timeout_s=suite.timeout_s)
        for option, name in (('head', 'head'), ('robot', 'robot'), ('replan', 'replan_steps'),
                             ('delay', 'delay_steps'), ('timeout', 'timeout_s'),
                             ('dataset', 'dataset')):
            if getattr(exam, name) != getattr(usual, name):
                said.append((option, getattr(exam, name)))
        if len(suite.scenes) > 1:
            said.append(('scene', exam.scene))
        if self.videos != ExamPlan.videos:
            said.append(('videos', self.videos))
        words = [word for option, value in said for word in (f'--{option}', str(value))]
        words += ['--tasks', *self.tasks] if self.tasks != suite.tasks else []
        words += ['--perturb', *self.perturbations] if self.perturbations else []
        return shlex.join(['./vla', 'eval', *words])
