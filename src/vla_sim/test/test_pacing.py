"""Laws of pacing: real time never spirals, lockstep never runs ahead."""

from vla_sim.pacing import CommandGate, Pacer


def test_every_period_is_due_exactly_once() -> None:
    pacer = Pacer(0.25)
    pacer.start(10.0)
    assert [pacer.due(10.0 + 0.25 * i) for i in range(1, 5)] == [1, 1, 1, 1]
    assert pacer.due(11.0) == 0


def test_a_short_delay_is_caught_up() -> None:
    pacer = Pacer(0.25, max_burst=4)
    pacer.start(0.0)
    assert pacer.due(0.75) == 3
    assert pacer.dropped == 0


def test_a_long_debt_is_dropped() -> None:
    pacer = Pacer(0.25, max_burst=4)
    pacer.start(0.0)
    assert pacer.due(10.0) == 4
    assert pacer.dropped == 36
    assert pacer.due(10.25) == 1


def test_a_tick_is_complete_when_all_that_was_sent_has_arrived() -> None:
    gate = CommandGate()
    gate.open(5)
    gate.on_command(5)
    assert not gate.ready
    gate.on_ack(5, 2)
    assert not gate.ready
    gate.on_command()
    assert gate.ready


def test_messages_of_another_tick_do_not_count() -> None:
    gate = CommandGate()
    gate.open(5)
    gate.on_ack(4, 0)
    gate.on_command(4)
    gate.on_ack(5, 1)
    assert gate.waiting


def test_a_closed_gate_waits_for_nothing() -> None:
    gate = CommandGate()
    assert not gate.waiting and not gate.ready
    gate.open(5)
    gate.close()
    gate.on_ack(5, 0)
    assert not gate.ready
