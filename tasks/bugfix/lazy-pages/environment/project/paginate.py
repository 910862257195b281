"""Lazy iteration over the results of a paged service."""


class CursorLoop(RuntimeError):
    """The service returned a cursor that it had returned before."""


def iter_pages(fetch, cursor=None):
    """Yield the pages from ``cursor`` on, fetching each when it is needed.

    ``fetch`` takes a cursor and returns a page.
    """
    seen = {cursor}
    while True:
        page = fetch(cursor)
        yield page
        cursor = page.next_cursor
        if cursor is None:
            return
        if cursor in seen:
            raise CursorLoop(f"cursor {cursor!r} came twice")
        seen.add(cursor)


def iter_items(fetch, limit=None, cursor=None):
    """Yield the single results, at most ``limit`` of them.

    No page is fetched any more once the limit is reached.
    """
    if limit is not None and limit <= 0:
        return
    count = 0
    for page in iter_pages(fetch, cursor):
        for item in page.items:
            yield item
            count += 1
            if count == limit:
                break
