"""The sub-commands of `vla`: each file has a dataclass of options and `main(options)`."""
