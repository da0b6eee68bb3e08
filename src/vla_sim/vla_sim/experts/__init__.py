"""Scripted experts: closed-loop functions of the privileged state, one for each task."""
