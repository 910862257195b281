"""Expand the fields of cron expressions."""

MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
WEEKDAYS = "sun mon tue wed thu fri sat".split()


class Field:
    """The kind of a field: its name, its lowest and highest value, its words."""

    def __init__(self, name, low, high, words=()):
        self.name, self.low, self.high = name, low, high
        self.words = {word: number for number, word in enumerate(words, low)}

    def number(self, text):
        text = text.lower()
        value = self.words.get(text, int(text) if text.isdecimal() else -1)
        if not self.low <= value <= self.high:
            raise ValueError(f"bad {self.name}: {text!r}")
        return value

    def expand(self, text):
        """Return the set of the values of a field.

        Items are separated by commas: '*', '5' or '1-5', each with an
        optional step ('*/2', '1-9/4'; '5/10' goes on to the highest value).
        """
        values = set()
        for item in text.split(","):
            span, slash, step = item.partition("/")
            if slash and (not step.isdecimal() or int(step) == 0):
                raise ValueError(f"bad step in {self.name}: {item!r}")
            first, dash, last = span.partition("-")
            if span == "*":
                low, high = self.low, self.high
            else:
                low = self.number(first)
                high = self.number(last) if dash else self.high if slash else low
            if high < low:
                raise ValueError(f"bad range in {self.name}: {item!r}")
            values.update(range(low, high + 1, int(step or 1)))
        return values


MINUTE = Field("minute", 0, 59)
HOUR = Field("hour", 0, 23)
DAY = Field("day", 1, 31)
MONTH = Field("month", 1, 12, MONTHS)
WEEKDAY = Field("weekday", 0, 7, WEEKDAYS)
