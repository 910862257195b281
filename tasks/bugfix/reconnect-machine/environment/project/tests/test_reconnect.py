import unittest

from reconnect import CONNECTED, GIVEN_UP, IDLE, WAITING, Reconnector


class ReconnectorTest(unittest.TestCase):
    def test_starts_idle(self):
        self.assertEqual(Reconnector().state, IDLE)

    def test_waiting_time_doubles(self):
        machine = Reconnector(base=1)
        self.assertEqual([machine.failed() for _ in range(3)], [1, 2, 4])
        self.assertEqual(machine.state, WAITING)

    def test_cap(self):
        machine = Reconnector(base=10, cap=25)
        self.assertEqual([machine.failed() for _ in range(3)], [10, 20, 25])

    def test_gives_up(self):
        machine = Reconnector(max_failures=2)
        machine.failed()
        self.assertIsNone(machine.failed())
        self.assertEqual(machine.state, GIVEN_UP)

    def test_second_outage_starts_afresh(self):
        machine = Reconnector(base=1)
        machine.failed()
        machine.failed()
        machine.connected()
        self.assertEqual(machine.state, CONNECTED)
        self.assertEqual(machine.failed(), 1)
