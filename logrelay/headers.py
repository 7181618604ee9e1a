"""
Headers: what was made of the beginnings of messages, remembered.

A busy program writes many messages a second that begin alike, up to the colon behind its name, as in
``<13>Oct 11 22:14:15 host app[1]: text``.  What such a beginning becomes in the other format is worked out once, by the
regular expressions, and then looked up, which costs a quarter of that.
"""

from __future__ import annotations

#: What ends the beginning of a message.
END = b": "

#: So many headers are remembered, of so many bytes each at most; then all are forgotten.  That is two MiB at most.
LIMIT, LONGEST = 4096, 128

#: After so many messages it is seen whether at least half of their headers were known.  If not, remembering them costs
#: more than it saves, and as many messages times the other number are left alone before it is tried again.
TRIAL, REST = 1024, 16


class Headers:
    """
    Knows what the beginnings of messages become.
    """

    def __init__(self) -> None:
        self._known: dict[bytes, bytes] = {}
        self._tried = self._missed = self._resting = 0

    @property
    def size(self) -> int:
        """
        How many are remembered.
        """
        return len(self._known)

    def apply(self, messages: list[bytes]) -> tuple[list[bytes], list[bytes]]:
        """
        Convert those messages whose beginning is known.

        :return: them in their places, with nothing in the places of all others; and the others.
        """
        if self.resting:
            self._resting -= len(messages)
            return [b""] * len(messages), messages
        known = self._known.get
        converted, others = [], []
        for message in messages:
            head, end, text = message.partition(END)
            header = known(head)
            if header is None or not end:
                converted.append(b"")
                others.append(message)
            else:
                converted.append(header + text)
        if self._known:
            # Of the first ones, none could be known.
            self._judge(len(messages), len(others))
        return converted, others

    @property
    def resting(self) -> bool:
        """
        Whether it was not worth the while the last time; then nothing need be learnt.
        """
        return self._resting > 0

    def _judge(self, tried: int, missed: int) -> None:
        """
        See whether it is worth the while.
        """
        self._tried += tried
        self._missed += missed
        if self._tried >= TRIAL:
            if self._missed * 2 > self._tried:
                self._resting = REST * self._tried
            self._tried = self._missed = 0

    def learn(self, message: bytes, text: bytes, header: bytes) -> None:
        """
        Remember what became of the beginning of a message.

        What stands before the first :data:`END` must decide about it alone, whatever follows.

        :param text: what was left of the message behind its beginning.
        :param header: what the beginning became.
        """
        size = len(message) - len(text) - len(END)
        if size <= LONGEST and message.find(END) == size:
            if len(self._known) >= LIMIT:
                self._known.clear()
            self._known[message[:size]] = header
