import unittest

import workflow
from workflow import InvalidEvent, Order


class AllowTest(unittest.TestCase):
    def test_later_order(self):
        Order().allow("new", "expedite", "shipped")
        self.assertEqual(Order().events(), ["cancel", "pay"])

    def test_earlier_order(self):
        earlier = Order()
        Order().allow("new", "expedite", "shipped")
        self.assertEqual(earlier.events(), ["cancel", "pay"])
        with self.assertRaises(InvalidEvent):
            earlier.handle("expedite")

    def test_changed_target(self):
        special, order = Order(), Order()
        special.allow("new", "pay", "delivered")
        self.assertEqual(order.handle("pay"), "paid")
        self.assertEqual(special.handle("pay"), "delivered")

    def test_final_state_reopened(self):
        special, order = Order(), Order()
        special.allow("cancelled", "reopen", "new")
        special.handle("cancel")
        order.handle("cancel")
        self.assertFalse(special.finished)
        self.assertTrue(order.finished)
        self.assertEqual(special.handle("reopen"), "new")

    def test_table_is_left_alone(self):
        order = Order()
        for state in ("new", "paid", "shipped", "delivered"):
            order.allow(state, "lose", "lost")
        self.assertEqual(workflow.TRANSITIONS["new"], {"pay": "paid", "cancel": "cancelled"})
        self.assertEqual(workflow.TRANSITIONS["delivered"], {})
        self.assertNotIn("lost", workflow.TRANSITIONS)

    def test_new_state(self):
        order = Order()
        order.allow("paid", "hold", "held")
        order.allow("held", "release", "paid")
        for event in ("pay", "hold", "release", "ship"):
            order.handle(event)
        self.assertEqual(order.history, ["new", "paid", "held", "paid", "shipped"])

    def test_new_state_without_exits_is_final(self):
        order = Order()
        order.allow("new", "lose", "lost")
        order.handle("lose")
        self.assertTrue(order.finished)
        self.assertEqual(order.events(), [])

    def test_own_events(self):
        order = Order()
        order.allow("new", "expedite", "shipped")
        self.assertEqual(order.events(), ["cancel", "expedite", "pay"])


class StandardTest(unittest.TestCase):
    def test_new(self):
        order = Order()
        self.assertEqual((order.state, order.history, order.finished), ("new", ["new"], False))

    def test_all_events(self):
        seen = {}
        for path in ([], ["pay"], ["pay", "ship"], ["pay", "ship", "deliver"], ["cancel"], ["pay", "cancel"]):
            order = Order()
            for event in path:
                order.handle(event)
            seen[order.state] = order.events()
        self.assertEqual(seen, {"new": ["cancel", "pay"], "paid": ["cancel", "ship"], "shipped": ["deliver"],
                                "delivered": [], "cancelled": [], "refunded": []})

    def test_invalid_event_message(self):
        order = Order()
        order.handle("pay")
        with self.assertRaises(InvalidEvent) as caught:
            order.handle("pay")
        self.assertEqual(str(caught.exception), "'pay' is not possible when paid")
        self.assertEqual(order.history, ["new", "paid"])

    def test_histories_are_separate(self):
        one, two = Order(), Order()
        one.handle("pay")
        self.assertEqual(two.history, ["new"])
