"""Whether a score can be believed: the leak audit and the controls beside it."""
