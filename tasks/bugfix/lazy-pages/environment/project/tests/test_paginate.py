import unittest

from pages import ListService, Page
from paginate import CursorLoop, iter_items, iter_pages


class PaginateTest(unittest.TestCase):
    def test_items_of_all_pages(self):
        service = ListService("ab", "cd", "e")
        self.assertEqual("".join(iter_items(service.fetch)), "abcde")
        self.assertEqual(service.calls, [None, 1, 2])

    def test_empty_page_between(self):
        service = ListService("a", "", "b")
        self.assertEqual(list(iter_items(service.fetch)), ["a", "b"])

    def test_limit(self):
        service = ListService("ab", "cd", "ef")
        self.assertEqual(list(iter_items(service.fetch, limit=3)), ["a", "b", "c"])
        self.assertEqual(service.calls, [None, 1])

    def test_no_results(self):
        self.assertEqual(list(iter_items(ListService("").fetch)), [])

    def test_pages(self):
        self.assertEqual(list(iter_pages(ListService("a", "b").fetch)), [Page(("a",), 1), Page(("b",))])

    def test_loop(self):
        with self.assertRaises(CursorLoop):
            list(iter_items(lambda cursor: Page(("x",), "again")))
