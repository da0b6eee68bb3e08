"""Replay of recorded bags as a regression test of perception, planner and policy."""
