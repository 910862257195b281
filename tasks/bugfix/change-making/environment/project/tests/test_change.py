import unittest

from change import Drawer, NoChange


class DrawerTest(unittest.TestCase):
    def test_plan(self):
        self.assertEqual(Drawer({50: 2, 20: 2, 10: 2}).plan(80), {50: 1, 20: 1, 10: 1})

    def test_fewest_coins(self):
        self.assertEqual(Drawer({4: 5, 3: 5, 1: 5}).plan(6), {3: 2})

    def test_plan_with_small_stock(self):
        self.assertEqual(Drawer({10: 2, 5: 2, 2: 5}).plan(16), {10: 1, 2: 3})

    def test_no_change(self):
        with self.assertRaises(NoChange):
            Drawer({50: 3}).plan(70)

    def test_ways(self):
        self.assertEqual(Drawer({10: 2, 5: 2, 1: 10}).ways(10), 4)

    def test_pay(self):
        drawer = Drawer({20: 3, 5: 1})
        self.assertEqual(drawer.pay(45), {20: 2, 5: 1})
        self.assertEqual(drawer.total(), 20)

    def test_sell(self):
        drawer = Drawer({50: 1, 20: 2})
        self.assertEqual(drawer.sell(130, {200: 1}), {50: 1, 20: 1})
