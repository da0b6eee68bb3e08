"""The control node around vla_core.control, and the arm back-ends."""
