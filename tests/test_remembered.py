"""
Answers remembered.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from logrelay.remembered import Remembered


class RememberedTests(SynchronousTestCase):
    """
    :class:`Remembered`.
    """

    def test_askedOnce(self) -> None:
        """
        The function is asked once for each question.
        """
        asked = []

        def answer(question: int) -> int:
            asked.append(question)
            return -question

        answers = Remembered(answer, 10)
        self.assertEqual([answers[question] for question in (1, 2, 1, 2)], [-1, -2, -1, -2])
        self.assertEqual(asked, [1, 2])

    def test_bounded(self) -> None:
        """
        It never holds more answers than allowed, and answers all the same.
        """
        answers = Remembered(str, 3)
        for question in range(100):
            self.assertEqual(answers[question], str(question))
            self.assertLessEqual(len(answers), 3)
