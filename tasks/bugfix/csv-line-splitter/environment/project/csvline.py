"""Split and join single lines of CSV."""


def split_line(line, delimiter=",", quote='"'):
    """Return the fields of a CSV line as a list of strings.

    A field may be quoted; inside quotes a doubled quote stands for one quote.
    There is always one field more than there are unquoted delimiters.
    """
    fields = []
    field = []
    quoted = False
    i = 0
    while i < len(line):
        ch = line[i]
        if quoted:
            if ch != quote:
                field.append(ch)
            elif line[i + 1:i + 2] == quote:
                field.append(quote)
                i += 1
            else:
                quoted = False
        elif ch == quote and not field:
            quoted = True
        elif ch == delimiter:
            fields.append("".join(field))
            field = []
        else:
            field.append(ch)
        i += 1
    if quoted:
        raise ValueError("unterminated quote")
    fields.append("".join(field))
    return fields


def join_line(fields, delimiter=",", quote='"'):
    """Join fields to a CSV line, quoting only those that need it."""
    out = []
    for field in fields:
        if delimiter in field and quote in field:
            field = quote + field.replace(quote, quote * 2) + quote
        out.append(field)
    return delimiter.join(out)
