import unittest

from workflow import InvalidEvent, Order


class OrderTest(unittest.TestCase):
    def test_usual_way(self):
        order = Order()
        for event in ("pay", "ship", "deliver"):
            order.handle(event)
        self.assertEqual(order.history, ["new", "paid", "shipped", "delivered"])
        self.assertTrue(order.finished)

    def test_cancel_after_payment(self):
        order = Order()
        order.handle("pay")
        self.assertEqual(order.handle("cancel"), "refunded")

    def test_invalid_event(self):
        order = Order()
        with self.assertRaises(InvalidEvent):
            order.handle("deliver")
        self.assertEqual(order.state, "new")

    def test_additional_transition(self):
        order = Order()
        order.allow("new", "expedite", "shipped")
        self.assertEqual(order.handle("expedite"), "shipped")

    def test_additional_transition_is_private(self):
        special = Order()
        special.allow("paid", "hold", "held")
        order = Order()
        order.handle("pay")
        self.assertEqual(order.events(), ["cancel", "ship"])
