"""What a step is."""

import base64
from dataclasses import dataclass
from typing import Callable


@dataclass(frozen=True)
class Step:
    """A named function of a `Walk`."""

    name: str
    run: Callable


def collector():
    """A list of steps, and the decorator that adds to it."""
    steps = []

    def step(name):
        def add(function):
            steps.append(Step(name, function))
            return function
        return add

    return steps, step


def encoded(data):
    """A blob as clients are told it."""
    return base64.b64encode(data).decode()


def decoded(text):
    return base64.b64decode(text)
