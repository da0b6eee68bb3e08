"""Set-up behind `./vla`: standard library only, so that any Python 3 can begin it."""
