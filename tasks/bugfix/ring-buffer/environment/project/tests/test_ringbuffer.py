import unittest

from ringbuffer import RingBuffer


class RingBufferTest(unittest.TestCase):
    def test_append_and_iterate(self):
        self.assertEqual(list(RingBuffer(3, "ab")), ["a", "b"])

    def test_overwrites_oldest(self):
        self.assertEqual(list(RingBuffer(3, "abcde")), ["c", "d", "e"])

    def test_popleft_returns_oldest(self):
        self.assertEqual(RingBuffer(3, "abcd").popleft(), "b")

    def test_popleft_leaves_the_rest(self):
        buf = RingBuffer(4, [1, 2, 3, 4])
        buf.popleft()
        buf.popleft()
        self.assertEqual(list(buf), [3, 4])

    def test_negative_index(self):
        self.assertEqual(RingBuffer(3, "abcd")[-1], "d")

    def test_index_out_of_range(self):
        with self.assertRaises(IndexError):
            RingBuffer(3, "ab")[2]
