import unittest
from itertools import product

from change import Drawer, NoChange


def brute(stock, amount):
    coins = sorted(stock, reverse=True)
    numbers = [n for n in product(*(range(stock[c] + 1) for c in coins)) if sum(map(int.__mul__, coins, n)) == amount]
    if not numbers:
        return None
    best = min(numbers, key=lambda n: (sum(n), [-x for x in n]))
    return {c: x for c, x in zip(coins, best) if x}


def plan(stock, amount):
    try:
        return Drawer(stock).plan(amount)
    except NoChange:
        return None


class PlanTest(unittest.TestCase):
    def test_nothing_to_pay(self):
        self.assertEqual((Drawer().plan(0), Drawer({5: 1}).plan(0)), ({}, {}))

    def test_greedy_is_not_best(self):
        self.assertEqual(Drawer({25: 2, 10: 3, 1: 5}).plan(30), {10: 3})

    def test_same_rest_with_other_coins(self):
        self.assertEqual(plan({10: 2, 5: 2, 2: 5}, 16), {10: 1, 2: 3})

    def test_every_amount_of_several_drawers(self):
        drawers = (
            {10: 2, 5: 2, 2: 5},
            {4: 3, 3: 3, 1: 2},
            {6: 2, 4: 2, 3: 2, 2: 1},
            {9: 1, 6: 3, 5: 2, 1: 4},
            {8: 1, 4: 2, 2: 4, 1: 1},
        )
        for stock in drawers:
            for amount in range(sum(c * n for c, n in stock.items()) + 3):
                self.assertEqual(plan(stock, amount), brute(stock, amount), (stock, amount))

    def test_stock_is_respected(self):
        self.assertEqual(Drawer({20: 1, 10: 1, 5: 6}).plan(50), {20: 1, 10: 1, 5: 4})

    def test_more_large_coins_when_equal(self):
        self.assertEqual(Drawer({6: 2, 5: 2, 4: 2}).plan(10), {6: 1, 4: 1})

    def test_empty_coins_are_ignored(self):
        self.assertEqual(Drawer({50: 0, 10: 5}).plan(50), {10: 5})

    def test_plan_takes_nothing(self):
        drawer = Drawer({10: 2})
        drawer.plan(20)
        self.assertEqual(drawer.count(10), 2)

    def test_errors(self):
        with self.assertRaises(ValueError):
            Drawer({5: 1}).plan(-5)
        with self.assertRaises(NoChange) as caught:
            Drawer({5: 1}).plan(6)
        self.assertEqual(str(caught.exception), "cannot pay 6")

    def test_many_coins(self):
        drawer = Drawer({200: 20, 100: 20, 50: 20, 20: 20, 10: 20, 5: 20, 2: 20, 1: 20})
        self.assertEqual(drawer.plan(3988), {200: 19, 100: 1, 50: 1, 20: 1, 10: 1, 5: 1, 2: 1, 1: 1})


class PayTest(unittest.TestCase):
    def test_pay_until_empty(self):
        drawer = Drawer({10: 1, 5: 1, 2: 3})
        self.assertEqual(drawer.pay(11), {5: 1, 2: 3})
        self.assertEqual(drawer.pay(10), {10: 1})
        self.assertEqual((drawer.total(), drawer.count(10)), (0, 0))

    def test_sell_with_coins_given(self):
        drawer = Drawer({20: 1})
        self.assertEqual(drawer.sell(70, {50: 1, 20: 2}), {20: 1})
        self.assertEqual((drawer.count(50), drawer.count(20)), (1, 2))

    def test_sell_without_change_keeps_the_drawer(self):
        drawer = Drawer({20: 1})
        with self.assertRaises(NoChange):
            drawer.sell(90, {100: 1})
        self.assertEqual((drawer.total(), drawer.count(100)), (20, 0))

    def test_too_little(self):
        with self.assertRaises(ValueError):
            Drawer().sell(10, {5: 1})


class WaysTest(unittest.TestCase):
    def test_ways(self):
        drawer = Drawer({10: 2, 5: 2, 2: 5})
        self.assertEqual([drawer.ways(n) for n in (-1, 0, 1, 10, 16, 20)], [0, 1, 0, 3, 2, 4])
