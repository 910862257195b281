import unittest

from reconnect import CONNECTED, GIVEN_UP, IDLE, WAITING, Reconnector


class OutagesTest(unittest.TestCase):
    def test_failures_after_connection(self):
        machine = Reconnector()
        machine.failed()
        machine.connected()
        self.assertEqual((machine.state, machine.failures), (CONNECTED, 0))

    def test_waiting_times_of_two_outages(self):
        machine = Reconnector(base=2)
        first = [machine.failed() for _ in range(3)]
        machine.connected()
        second = [machine.failed() for _ in range(3)]
        self.assertEqual((first, second), ([2, 4, 8], [2, 4, 8]))

    def test_many_short_outages(self):
        machine = Reconnector(base=1, max_failures=3)
        for _ in range(20):
            self.assertEqual(machine.failed(), 1)
            machine.connected()
        self.assertEqual(machine.state, CONNECTED)

    def test_gives_up_only_by_failures_in_a_row(self):
        machine = Reconnector(max_failures=3)
        machine.failed()
        machine.failed()
        machine.connected()
        machine.failed()
        machine.failed()
        self.assertEqual(machine.state, WAITING)
        self.assertIsNone(machine.failed())
        self.assertEqual(machine.state, GIVEN_UP)

    def test_connected_twice(self):
        machine = Reconnector(base=1)
        machine.connected()
        machine.connected()
        self.assertEqual(machine.failed(), 1)
        self.assertEqual(machine.failures, 1)


class SingleOutageTest(unittest.TestCase):
    def test_states_differ(self):
        self.assertEqual(len({CONNECTED, GIVEN_UP, IDLE, WAITING}), 4)

    def test_initial(self):
        machine = Reconnector()
        self.assertEqual((machine.state, machine.failures), (IDLE, 0))

    def test_times(self):
        machine = Reconnector(base=0.5, cap=3, max_failures=6)
        self.assertEqual([machine.failed() for _ in range(6)], [0.5, 1.0, 2.0, 3, 3, None])

    def test_one_failure_allowed(self):
        machine = Reconnector(max_failures=1)
        self.assertIsNone(machine.failed())
        self.assertEqual(machine.state, GIVEN_UP)

    def test_given_up_stays(self):
        machine = Reconnector(max_failures=2)
        for _ in range(4):
            machine.failed()
        self.assertEqual((machine.state, machine.failures), (GIVEN_UP, 2))

    def test_connected_after_giving_up(self):
        machine = Reconnector(max_failures=1)
        machine.failed()
        with self.assertRaises(RuntimeError):
            machine.connected()
        self.assertEqual((machine.state, machine.failures), (GIVEN_UP, 1))

    def test_reset(self):
        machine = Reconnector(base=3, max_failures=2)
        machine.failed()
        machine.failed()
        machine.reset()
        self.assertEqual((machine.state, machine.failures), (IDLE, 0))
        self.assertEqual(machine.failed(), 3)

    def test_connection_at_once(self):
        machine = Reconnector()
        machine.connected()
        self.assertEqual(machine.state, CONNECTED)
