"""A person at the arm: devices say what is wanted, the teleoperator makes chunks of it.

Everything passes the control node's mux and guard; nothing here moves the arm by itself.
"""
