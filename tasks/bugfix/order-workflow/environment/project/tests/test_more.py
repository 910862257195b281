import unittest
import workflow
from workflow import InvalidEvent, Order


class MoreTest(unittest.TestCase):
    def test_new(self):
        order = Order()
        self.assertEqual((order.state, order.history, order.finished), ("new", ["new"], False))
