import unittest

from pages import ListService, Page
from paginate import CursorLoop, iter_items, iter_pages


class EmptyPageTest(unittest.TestCase):
    def test_first_page_empty(self):
        self.assertEqual(list(iter_items(ListService("", "ab").fetch)), ["a", "b"])

    def test_several_in_a_row(self):
        service = ListService("a", "", "", "", "b", "", "c")
        self.assertEqual("".join(iter_items(service.fetch)), "abc")
        self.assertEqual(service.calls, [None, 1, 2, 3, 4, 5, 6])

    def test_last_page_empty(self):
        service = ListService("ab", "")
        self.assertEqual("".join(iter_items(service.fetch)), "ab")
        self.assertEqual(service.calls, [None, 1])

    def test_all_empty(self):
        service = ListService("", "", "")
        self.assertEqual(list(iter_items(service.fetch)), [])
        self.assertEqual(service.calls, [None, 1, 2])

    def test_pages_include_empty_ones(self):
        found = list(iter_pages(ListService("a", "", "b").fetch))
        self.assertEqual([(page.items, page.next_cursor) for page in found], [(("a",), 1), ((), 2), (("b",), None)])

    def test_with_limit(self):
        service = ListService("a", "", "bc", "d")
        self.assertEqual(list(iter_items(service.fetch, limit=2)), ["a", "b"])
        self.assertEqual(service.calls, [None, 1, 2])

    def test_loop_of_empty_pages(self):
        with self.assertRaises(CursorLoop):
            list(iter_items(lambda cursor: Page((), "again")))


class OrdinaryTest(unittest.TestCase):
    def test_one_page(self):
        service = ListService("abc")
        self.assertEqual("".join(iter_items(service.fetch)), "abc")
        self.assertEqual(service.calls, [None])

    def test_lazy(self):
        service = ListService("ab", "cd")
        items = iter_items(service.fetch)
        self.assertEqual(service.calls, [])
        self.assertEqual([next(items), next(items)], ["a", "b"])
        self.assertEqual(service.calls, [None])
        self.assertEqual(next(items), "c")
        self.assertEqual(service.calls, [None, 1])

    def test_limit_at_end_of_page(self):
        service = ListService("ab", "cd")
        self.assertEqual(list(iter_items(service.fetch, limit=2)), ["a", "b"])
        self.assertEqual(service.calls, [None])

    def test_limit_beyond_the_end(self):
        self.assertEqual("".join(iter_items(ListService("ab", "c").fetch, limit=9)), "abc")

    def test_limit_zero(self):
        service = ListService("ab")
        for limit in (0, -1):
            self.assertEqual(list(iter_items(service.fetch, limit=limit)), [])
        self.assertEqual(service.calls, [])

    def test_start_cursor(self):
        service = ListService("ab", "cd", "ef")
        self.assertEqual("".join(iter_items(service.fetch, cursor=1)), "cdef")

    def test_falsy_cursor(self):
        table = {None: Page(("a",), ""), "": Page(("b",), 0), 0: Page(("c",))}
        self.assertEqual("".join(iter_items(table.__getitem__)), "abc")

    def test_loop_back(self):
        table = {None: Page((1,), "x"), "x": Page((2,), "y"), "y": Page((3,), "x")}
        found = []
        with self.assertRaises(CursorLoop) as caught:
            for item in iter_items(table.__getitem__):
                found.append(item)
        self.assertEqual(found, [1, 2, 3])
        self.assertEqual(str(caught.exception), "cursor 'x' came twice")
