"""Incremental state machine for escape sequences."""
from .tokens import Control, Text, Title

ESC, BEL = "\x1b", "\x07"


class Tokenizer:
    """Consumes chunks of output; keeps its state between them.

    Known are ``ESC [ params final`` (control sequences) and
    ``ESC ] text`` ended by BEL or ``ESC \`` (titles). Any other character
    after ESC is a Control of its own. An ESC always begins a new sequence;
    an unfinished one is dropped without a token.
    """

    def __init__(self):
        self._state = self._ground
        self._text = []
        self._buffer = []
        self._tokens = []

    def feed(self, chunk):
        """Return the tokens completed by ``chunk``; text is not held back."""
        for char in chunk:
            self._state = self._state(char)
        self._flush_text()
        tokens, self._tokens = self._tokens, []
        return tokens

    def close(self):
        """End the input; an unfinished sequence is dropped."""
        self._state = self._ground
        self._buffer = []
        return self.feed("")

    def _flush_text(self):
        if self._text:
            self._tokens.append(Text("".join(self._text)))
            self._text = []

    def _emit(self, token):
        self._flush_text()
        self._tokens.append(token)
        return self._ground

    def _begin(self):
        self._buffer = []
        return self._escape

    def _ground(self, char):
        if char == ESC:
            return self._begin()
        self._text.append(char)
        return self._ground

    def _escape(self, char):
        if char == ESC:
            return self._begin()
        if char == "[":
            return self._control
        if char == "]":
            return self._title
        return self._emit(Control(char))

    def _control(self, char):
        if char == ESC:
            return self._begin()
        if char.isdigit() or char == ";":
            self._buffer.append(char)
            return self._control
        params = "".join(self._buffer)
        numbers = tuple(int(p or 0) for p in params.split(";")) if params else ()
        return self._emit(Control(char, numbers))

    def _title(self, char):
        if char == ESC:
            return self._title_escape
        if char == BEL:
            return self._emit(Title("".join(self._buffer)))
        self._buffer.append(char)
        return self._title

    def _title_escape(self, char):
        """After an ESC within a title: its end or another sequence."""
        if char == "\\":
            return self._emit(Title("".join(self._buffer)))
        self._buffer = []
        return self._escape(char)
