import unittest

from vending import NotEnoughMoney, VendingMachine


class VendingMachineTest(unittest.TestCase):
    def setUp(self):
        self.machine = VendingMachine({"tea": (150, 2), "gum": (30, 0)})

    def test_change(self):
        self.machine.insert(200)
        self.assertEqual(self.machine.select("tea"), [50])

    def test_exact_amount(self):
        self.machine.insert(100)
        self.machine.insert(50)
        self.assertEqual(self.machine.select("tea"), [])

    def test_not_enough(self):
        self.machine.insert(100)
        with self.assertRaises(NotEnoughMoney) as caught:
            self.machine.select("tea")
        self.assertEqual(caught.exception.missing, 50)

    def test_sold_out(self):
        self.machine.insert(100)
        with self.assertRaises(LookupError):
            self.machine.select("gum")

    def test_refund(self):
        self.machine.insert(20)
        self.machine.insert(100)
        self.assertEqual(self.machine.refund(), [100, 20])
