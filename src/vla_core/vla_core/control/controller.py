"""The arm controller: mux, guard, executor and gripper gate as one object.

The control node and the in-process rollout both drive this object and nothing else, so what is
measured in one is what moves in the other.
"""

import numpy as np
from vla_core.control.config import ControlConfig
from vla_core.control.executor import ChunkExecutor
from vla_core.control.gripper import GripperGate
from vla_core.control.guard import Guard, Rejection
from vla_core.control.mux import Decision, Mux
from vla_core.control.pacer import Pacer
from vla_core.kinematics import Kinematics
from vla_core.spec import RobotSpec
from vla_core.types import ActionChunk, ControlStatus, is_teleop, JointCommand, Mode, Subtask


class ArmController:
    """From chunks, subtasks and joint states to one set-point a control period.

    `now_ns` is the ROS clock; `steady_s` a steady clock [s] (simulated time in lockstep and in
    process). Starts at the first joint state if `reset` does not come before.
    """

    def __init__(self, spec: RobotSpec, config: ControlConfig | None = None) -> None:
        self.config = config or ControlConfig()
        self.kinematics = Kinematics(spec)
        self._spec = spec
        self._executor = ChunkExecutor(spec, self.config, self.kinematics)
        self._guard = Guard(spec, self.config)
        self._mux = Mux(spec, self.config)
        self._gripper = GripperGate(self.config)
        self._pacer = Pacer(spec.controller.rate_hz)
        self._non_finite = 0
        self._state_ns = 0
        self._before: JointCommand | None = None
        self._status = ControlStatus(0, Mode.HOLD, 'joint states: none yet', '')

    @property
    def ready(self) -> bool:
        """Whether the arm's position is known, so that `tick` may be called."""
        return self._before is not None

    @property
    def tool_target(self) -> np.ndarray:
        """The tool pose (7,) asked for now, which the next delta builds on."""
        return self._executor.target.pose

    def reset(self, q: np.ndarray, stamp_ns: int, steady_s: float) -> None:
        """Rest at `q` (J,) [rad] and forget chunks and subtask; faults and stops stay latched."""
        self._executor.reset(q, stamp_ns)
        self._guard.reset()
        self._mux.reset(steady_s)
        self._gripper.reset()
        self._pacer.reset(stamp_ns)
        self._non_finite = 0
        self._state_ns = stamp_ns
        self._before = self._command(stamp_ns, None)

    def on_joint_state(
        self, q: np.ndarray, dq: np.ndarray, stamp_ns: int, steady_s: float
    ) -> None:
        """Hear measured joints (J,) [rad], [rad/s]; non-finite or repeated ones do not count."""
        if not (np.isfinite(q).all() and np.isfinite(dq).all()):
            return
        if not self.ready:
            self.reset(q, stamp_ns, steady_s)
        elif stamp_ns > self._state_ns:
            self._state_ns = stamp_ns
            self._mux.hear_joint_state(steady_s)

    def on_subtask(self, subtask: Subtask | None, steady_s: float) -> None:
        """Hear the planner; None: nothing is wanted any more."""
        self._mux.hear_subtask(subtask, steady_s)

    def on_chunk(self, chunk: ActionChunk, now_ns: int, steady_s: float) -> Rejection | None:
        """Start playing `chunk`, or return why not; a bad chunk brings the arm to hold."""
        refusal = self._mux.refusal(chunk.source, steady_s)
        if refusal or not self.ready:
            return Rejection(refusal or 'joint states: none yet')
        episode_id = None if is_teleop(chunk.source) else self._mux.episode_id
        rejection = self._guard.check(chunk, episode_id, now_ns)
        rejection = rejection or self._start(chunk, now_ns)
        if rejection is None:
            self._non_finite = 0
            self._mux.hear_chunk(chunk.source, steady_s)
        else:
            self._mux.hear_rejection(chunk.source, rejection.reason)
            self._count_non_finite(rejection)
        return rejection

    def tick(self, now_ns: int, steady_s: float) -> JointCommand:
        """Return the set-point for the end of the control period that starts at `now_ns`."""
        decision = self._mux.decide(steady_s, self._executor.running)
        latched = decision.mode in (Mode.FAULT, Mode.ESTOP)
        if latched or (self._executor.running and not decision.moves):
            self._executor.hold()
        paced_ns = self._pacer.tick(now_ns)
        goal = self._gripper.update(self._executor.gripper_at(paced_ns))
        self._executor.step(paced_ns)
        command = self._checked(self._command(now_ns, goal))
        self._before = command
        self._note(decision, now_ns)
        return command

    def status(self) -> ControlStatus:
        """Return mode, reason and source of the control period last begun."""
        return self._status

    def stop(self, reason: str) -> None:
        """Latch an emergency stop."""
        self._mux.stop(reason)

    def release_stop(self) -> None:
        """End the emergency stop; the arm holds until a fresh chunk comes."""
        self._mux.release_stop()

    def hand_back(self) -> str:
        """Let the policy have the arm again that a person took; return whose it was, or ''."""
        return self._mux.hand_back()

    def clear_fault(self) -> None:
        """End a fault; the arm holds until a fresh chunk comes."""
        self._non_finite = 0
        self._mux.clear_fault()

    def _start(self, chunk: ActionChunk, now_ns: int) -> Rejection | None:
        plan = self._executor.resolve(self._guard.playable(chunk, now_ns))
        rejection = self._guard.check_motion(plan, now_ns)
        if rejection is None:
            self._guard.accept(chunk)
            self._executor.start(plan)
        return rejection

    def _count_non_finite(self, rejection: Rejection) -> None:
        self._non_finite = self._non_finite + 1 if rejection.non_finite else 0
        if self._non_finite >= self.config.non_finite_fault:
            self._mux.fault(f'{self._non_finite} non-finite chunks in a row')

    def _command(self, now_ns: int, gripper: float | None) -> JointCommand:
        return JointCommand(
            stamp_ns=now_ns, position=self._executor.position.copy(),
            velocity=self._executor.velocity.copy(), gripper=gripper,
            tool_target=self._executor.target.pose.copy())

    def _checked(self, command: JointCommand) -> JointCommand:
        """Return the command if it is within limits, else latch a fault and stand still."""
        problem = self._guard.check_command(self._before, command)
        if problem is None:
            return command
        self._mux.fault(problem)
        self._executor.reset(self._before.position, command.stamp_ns)
        return self._command(command.stamp_ns, None)

    def _note(self, decision: Decision, now_ns: int) -> None:
        self._status = ControlStatus(now_ns, decision.mode, decision.reason, decision.source)
