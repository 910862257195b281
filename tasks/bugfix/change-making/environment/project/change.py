"""Giving change from a cash drawer with a limited stock of coins."""


class NoChange(ValueError):
    """The amount cannot be paid with the coins in the drawer."""


class Drawer:
    """A cash drawer: coins by their value in cents, with their number."""

    def __init__(self, stock=None):
        self._stock = {}
        for coin, number in (stock or {}).items():
            self.put(coin, number)

    def put(self, coin, number=1):
        """Put coins into the drawer."""
        if coin <= 0 or number < 0:
            raise ValueError(f"cannot put in {number} coins of {coin}")
        self._stock[coin] = self._stock.get(coin, 0) + number

    def count(self, coin):
        """Return how many coins of a value there are."""
        return self._stock.get(coin, 0)

    def total(self):
        """Return the value of all coins together."""
        return sum(coin * number for coin, number in self._stock.items())

    def _coins(self):
        """Return the values that are in stock, the largest first."""
        return sorted((c for c, n in self._stock.items() if n), reverse=True)

    def ways(self, amount):
        """Return in how many ways the amount can be paid from the stock."""
        coins = self._coins()

        def count(index, rest):
            if rest == 0:
                return 1
            if index == len(coins):
                return 0
            coin = coins[index]
            most = min(self._stock[coin], rest // coin)
            return sum(count(index + 1, rest - used * coin) for used in range(most + 1))

        return count(0, amount) if amount >= 0 else 0

    def plan(self, amount):
        """Return the fewest coins with the given sum as {coin: number}.

        Of equally good plans the one with more of the large coins is taken.
        """
        if amount < 0:
            raise ValueError("negative amount")
        coins = self._coins()
        known = {}

        def search(index, rest):
            """Return the numbers of coins from the index on, or None."""
            if rest == 0:
                return ()
            if index == len(coins):
                return None
            if rest in known:
                return known[rest]
            coin = coins[index]
            best = None
            for used in range(min(self._stock[coin], rest // coin) + 1):
                others = search(index + 1, rest - used * coin)
                if others is None:
                    continue
                numbers = (used, *others)
                if best is None or sum(numbers) <= sum(best):
                    best = numbers
            known[rest] = best
            return best

        numbers = search(0, amount)
        if numbers is None:
            raise NoChange(f"cannot pay {amount}")
        return {coin: number for coin, number in zip(coins, numbers) if number}

    def pay(self, amount):
        """Take the fewest coins with the given sum out of the drawer."""
        plan = self.plan(amount)
        for coin, number in plan.items():
            self._stock[coin] -= number
        return plan

    def sell(self, price, given):
        """Take the given coins for the price and return the change.

        The coins given can be used for the change. If there is no change,
        the drawer stays as it was.
        """
        change = sum(coin * number for coin, number in given.items()) - price
        if change < 0:
            raise ValueError(f"{-change} too little")
        before = dict(self._stock)
        for coin, number in given.items():
            self.put(coin, number)
        try:
            return self.pay(change)
        except NoChange:
            self._stock = before
            raise
