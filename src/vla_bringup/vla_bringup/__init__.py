"""What brings the parts together: graph, launch files, commands, supervisor."""
