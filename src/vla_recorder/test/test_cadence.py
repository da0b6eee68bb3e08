"""Laws of the cadence: regular streams have no blemish, and every blemish is told."""

from hypothesis import given
from hypothesis import strategies as st
from vla_recorder.recording.cadence import Cadence, CadenceMeter, from_json, to_json, to_line

MS = 1_000_000


def measured(stamps_ms: list[float], rate_hz: float | None, end_ms: float,
             regular: bool = True) -> Cadence:
    meter = CadenceMeter(rate_hz, 0, regular)
    for stamp in stamps_ms:
        meter.on_message(round(stamp * MS), round(stamp * MS) + 3 * MS)
    return meter.report(round(end_ms * MS))


@given(st.integers(1, 200), st.sampled_from([12, 30, 100, 1000]), st.booleans())
def test_a_stream_that_comes_by_the_clock_has_its_rate_and_no_gaps(count, rate, declared):
    period = 1000.0 / rate
    cadence = measured([k * period for k in range(count)], rate if declared else None,
                       count * period)
    assert (cadence.count, cadence.gaps, cadence.dropped, cadence.disordered) == (count, 0, 0, 0)
    assert count == 1 or abs(cadence.rate_hz - rate) < 0.01 * rate
    assert cadence.max_age_s == 0.003


@given(st.integers(1, 50), st.integers(52, 100), st.booleans())
def test_each_missing_message_is_a_gap(first, second, declared):
    stamps = [k * 10.0 for k in range(110) if k not in (first, second)]
    cadence = measured(stamps, 100.0 if declared else None, 1100.0)
    assert cadence.gaps == 2
    assert cadence.max_gap_s == 0.02


def test_a_camera_that_dies_has_one_gap_to_the_end():
    cadence = measured([k * 10.0 for k in range(20)], None, 1190.0)
    assert (cadence.gaps, cadence.max_gap_s) == (1, 1.0)


def test_a_promised_camera_that_never_comes_is_a_gap_of_the_whole_episode():
    cadence = measured([], 30.0, 2000.0)
    assert (cadence.count, cadence.gaps, cadence.max_gap_s, cadence.rate_hz) == (0, 1, 2.0, 0.0)


def test_what_comes_when_something_happens_has_no_gaps():
    cadence = measured([0.0, 1.0, 2.0, 900.0], None, 5000.0, regular=False)
    assert (cadence.count, cadence.gaps) == (4, 0)


def test_stamps_that_do_not_grow_are_counted_and_move_nothing():
    cadence = measured([0.0, 20.0, 10.0, 20.0, 40.0], None, 40.0)
    assert (cadence.count, cadence.disordered, cadence.max_gap_s) == (5, 2, 0.02)


def test_messages_of_one_instant_have_no_rate():
    assert measured([5.0, 5.0], None, 10.0).rate_hz == 0.0


def test_a_report_survives_json_and_its_line_names_only_blemishes():
    report = {'static/image': measured([k * 10.0 for k in range(20)], None, 1190.0),
              'joint_states': measured([float(k) for k in range(100)], 1000.0, 100.0),
              'depth': measured([], None, 100.0)}
    assert from_json(to_json(report)) == report
    line = to_line(report, {'static/image', 'joint_states'})
    assert line == 'static/image 100 Hz (1 gaps up to 1 s), joint_states 1000 Hz'
    assert to_line({}, ()) == 'nothing was heard'
