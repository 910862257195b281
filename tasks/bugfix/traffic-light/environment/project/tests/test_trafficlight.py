import unittest

from trafficlight import TrafficLight


class TrafficLightTest(unittest.TestCase):
    def test_starts_red(self):
        light = TrafficLight()
        self.assertEqual((light.colour, light.remaining), ("red", 30))

    def test_within_a_phase(self):
        light = TrafficLight()
        self.assertEqual(light.advance(29), [])
        self.assertEqual((light.colour, light.remaining), ("red", 1))

    def test_change_on_time(self):
        light = TrafficLight()
        self.assertEqual(light.advance(30), ["red+yellow"])

    def test_second_by_second(self):
        light = TrafficLight()
        for _ in range(60):
            light.advance(1)
        self.assertEqual((light.colour, light.cycles), ("red", 1))

    def test_long_step(self):
        light = TrafficLight()
        light.advance(40)
        self.assertEqual((light.colour, light.remaining), ("green", 17))

    def test_negative_step(self):
        with self.assertRaises(ValueError):
            TrafficLight().advance(-1)
