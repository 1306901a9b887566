"""What can go wrong on the machine, said in one sentence."""


class LocalError(Exception):
    """A failure that the person at the keyboard can mend; its text is one clear sentence."""
