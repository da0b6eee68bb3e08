"""The slow system: from an instruction to one subtask at a time."""
