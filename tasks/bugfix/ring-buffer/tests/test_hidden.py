import unittest
from collections import deque

from ringbuffer import RingBuffer


class PartlyFilledTest(unittest.TestCase):
    def test_pop_one_of_full(self):
        buf = RingBuffer(3, "abc")
        self.assertEqual(buf.popleft(), "a")
        self.assertEqual([buf[0], buf[1]], ["b", "c"])

    def test_pop_down_to_one(self):
        buf = RingBuffer(5, range(5))
        self.assertEqual([buf.popleft() for _ in range(4)], [0, 1, 2, 3])
        self.assertEqual(list(buf), [4])

    def test_pop_all(self):
        buf = RingBuffer(4, range(6))
        self.assertEqual([buf.popleft() for _ in range(4)], [2, 3, 4, 5])
        self.assertEqual(list(buf), [])

    def test_wrapped_and_partly_filled(self):
        buf = RingBuffer(4, range(6))
        buf.popleft()
        self.assertEqual(list(buf), [3, 4, 5])

    def test_negative_index_after_pop(self):
        buf = RingBuffer(4, "abcd")
        buf.popleft()
        self.assertEqual([buf[-1], buf[-2], buf[-3]], ["d", "c", "b"])

    def test_append_after_pop(self):
        buf = RingBuffer(3, "abc")
        buf.popleft()
        buf.popleft()
        buf.append("d")
        self.assertEqual(list(buf), ["c", "d"])

    def test_agrees_with_deque(self):
        buf, ref = RingBuffer(5), deque(maxlen=5)
        for step in range(60):
            if step % 3 == 2 or step % 7 == 5:
                if ref:
                    self.assertEqual(buf.popleft(), ref.popleft())
            else:
                buf.append(step)
                ref.append(step)
            self.assertEqual(list(buf), list(ref))
            self.assertEqual(len(buf), len(ref))


class BasicsTest(unittest.TestCase):
    def test_empty(self):
        buf = RingBuffer(2)
        self.assertEqual((len(buf), list(buf), buf.capacity), (0, [], 2))

    def test_pop_from_empty(self):
        with self.assertRaises(IndexError):
            RingBuffer(2).popleft()

    def test_index_of_empty(self):
        with self.assertRaises(IndexError):
            RingBuffer(2)[0]

    def test_index_bounds(self):
        buf = RingBuffer(4, "ab")
        self.assertEqual((buf[0], buf[1], buf[-2]), ("a", "b", "a"))
        for bad in (2, 3, -3, 4):
            with self.assertRaises(IndexError):
                buf[bad]

    def test_overwriting_many_times(self):
        buf = RingBuffer(3, range(100))
        self.assertEqual(list(buf), [97, 98, 99])
        self.assertEqual(len(buf), 3)

    def test_capacity_one(self):
        buf = RingBuffer(1, "ab")
        self.assertEqual(list(buf), ["b"])
        self.assertEqual(buf.popleft(), "b")
        buf.append("c")
        self.assertEqual(list(buf), ["c"])

    def test_bad_capacity(self):
        with self.assertRaises(ValueError):
            RingBuffer(0)
