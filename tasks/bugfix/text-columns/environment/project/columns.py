"""Lay out lists of short texts in columns, as `ls` does."""


def _split(items, rows):
    """Return the columns: lists of at most `rows` items, top to bottom."""
    return [items[i:i + rows] for i in range(0, len(items), rows)]


def _widths(columns):
    return [max(len(item) for item in column) for column in columns]


def _fits(widths, gap, width):
    """Tell whether columns of these widths fit, with gaps between them."""
    return sum(widths) + gap * (len(widths) - 1) <= width


def layout(items, width, gap=2):
    """Return the columns for the smallest number of rows that fits.

    The columns are lists of items.  If an item is wider than `width` there
    is nothing better than one column.
    """
    for rows in range(1, len(items)):
        columns = _split(items, rows)
        if _fits(_widths(columns), gap, width):
            return columns
    return [items] if items else []


def columnize(items, width=80, gap=2):
    """Return the lines of a listing, without white space at their ends."""
    columns = layout([str(item) for item in items], width, gap)
    widths = _widths(columns)
    lines = []
    for row in range(len(columns[0]) if columns else 0):
        cells = [
            column[row].ljust(column_width)
            for column, column_width in zip(columns, widths)
            if row < len(column)
        ]
        lines.append((" " * gap).join(cells).rstrip())
    return lines


def definitions(pairs, gap=2, max_term=20):
    """Return lines with terms on the left and descriptions on the right.

    Terms longer than `max_term` get a line of their own.
    """
    pairs = list(pairs)
    lengths = [len(term) for term, _ in pairs if len(term) <= max_term]
    left = min(lengths, default=0)
    lines = []
    for term, description in pairs:
        if len(term) > max_term:
            lines.append(term)
            term = ""
        lines.append((term.ljust(left + gap) + description).rstrip())
    return lines
