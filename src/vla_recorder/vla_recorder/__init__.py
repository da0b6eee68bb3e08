"""Records episodes, and reads and writes their file formats."""
