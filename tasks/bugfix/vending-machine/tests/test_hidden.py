import unittest

from vending import NotEnoughMoney, VendingMachine


class SelectTest(unittest.TestCase):
    def setUp(self):
        self.machine = VendingMachine({"tea": (150, 2), "water": (100, 5), "gum": (30, 1), "gift": (0, 1)})

    def insert(self, *coins):
        for coin in coins:
            self.machine.insert(coin)

    def test_exact_with_one_coin(self):
        self.insert(100)
        self.assertEqual(self.machine.select("water"), [])
        self.assertEqual((self.machine.credit, self.machine.takings), (0, 100))

    def test_exact_with_several_coins(self):
        self.insert(10, 20)
        self.assertEqual(self.machine.select("gum"), [])
        self.assertEqual(self.machine.left("gum"), 0)

    def test_free_product(self):
        self.assertEqual(self.machine.select("gift"), [])
        self.assertEqual(self.machine.left("gift"), 0)

    def test_exact_twice(self):
        for _ in range(2):
            self.insert(50, 100)
            self.assertEqual(self.machine.select("tea"), [])
        self.assertEqual((self.machine.left("tea"), self.machine.takings), (0, 300))

    def test_overpaid(self):
        self.insert(200, 20)
        self.assertEqual(self.machine.select("tea"), [50, 20])
        self.assertEqual((self.machine.credit, self.machine.takings), (0, 150))

    def test_change_of_ten(self):
        self.insert(20, 20)
        self.assertEqual(self.machine.select("gum"), [10])

    def test_ten_cents_missing(self):
        self.insert(20, 20, 100)
        with self.assertRaises(NotEnoughMoney) as caught:
            self.machine.select("tea")
        self.assertEqual(caught.exception.missing, 10)
        self.assertEqual(str(caught.exception), "10 cents missing")

    def test_failed_sale_changes_nothing(self):
        self.insert(100)
        with self.assertRaises(NotEnoughMoney):
            self.machine.select("tea")
        self.assertEqual((self.machine.credit, self.machine.takings, self.machine.left("tea")), (100, 0, 2))

    def test_pay_the_rest(self):
        self.insert(100)
        with self.assertRaises(NotEnoughMoney):
            self.machine.select("tea")
        self.insert(50)
        self.assertEqual(self.machine.select("tea"), [])

    def test_no_money(self):
        with self.assertRaises(NotEnoughMoney) as caught:
            self.machine.select("gum")
        self.assertEqual(caught.exception.missing, 30)

    def test_sold_out_keeps_credit(self):
        self.insert(50)
        self.machine.select("gum")
        self.insert(50)
        with self.assertRaises(LookupError):
            self.machine.select("gum")
        self.assertEqual(self.machine.credit, 50)

    def test_unknown_product(self):
        with self.assertRaises(KeyError):
            self.machine.select("beer")


class CoinTest(unittest.TestCase):
    def test_unknown_coin(self):
        machine = VendingMachine({})
        with self.assertRaises(ValueError):
            machine.insert(5)
        self.assertEqual(machine.credit, 0)

    def test_refund(self):
        machine = VendingMachine({})
        for coin in (10, 50, 200, 20, 20, 200):
            machine.insert(coin)
        self.assertEqual(machine.refund(), [200, 200, 100])
        self.assertEqual(machine.refund(), [])
