"""
Answers remembered, for the few questions that the data path asks again and again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Remembered(dict[K, V], Generic[K, V]):
    """
    A function's answers as a dictionary that fills itself: ``answers[question]``.

    A hit costs half of what one of ``functools.lru_cache`` does.  It never holds more than ``limit`` answers: when it
    is full it forgets all of them, which costs less than to know which was used last.
    """

    __slots__ = ("_answer", "_limit")

    def __init__(self, answer: Callable[[K], V], limit: int) -> None:
        super().__init__()
        self._answer = answer
        self._limit = limit

    def __missing__(self, question: K) -> V:
        answer = self._answer(question)
        if len(self) >= self._limit:
            self.clear()
        self[question] = answer
        return answer
