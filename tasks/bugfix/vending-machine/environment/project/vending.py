"""A vending machine; all amounts are in cents."""

COINS = (200, 100, 50, 20, 10)


class NotEnoughMoney(Exception):
    """The credit does not cover the price; ``missing`` tells by how much."""

    def __init__(self, missing):
        super().__init__(f"{missing} cents missing")
        self.missing = missing


class VendingMachine:
    """Sells products from ``stock``, a mapping of name to (price, number)."""

    def __init__(self, stock):
        self._stock = dict(stock)
        self.credit = 0
        self.takings = 0

    def insert(self, coin):
        if coin not in COINS:
            raise ValueError(f"unknown coin {coin}")
        self.credit += coin

    def left(self, name):
        return self._stock[name][1]

    def select(self, name):
        """Buy a product; return the coins of the change, largest first."""
        price, number = self._stock[name]
        if number == 0:
            raise LookupError(f"{name} is sold out")
        if self.credit <= price:
            raise NotEnoughMoney(price - self.credit)
        self._stock[name] = (price, number - 1)
        self.credit -= price
        self.takings += price
        return self.refund()

    def refund(self):
        """Give back the whole credit as coins, largest first."""
        coins = []
        for coin in COINS:
            count, self.credit = divmod(self.credit, coin)
            coins += [coin] * count
        return coins
