import unittest

from kvline import parse


class KeyValueTest(unittest.TestCase):
    def test_plain(self):
        self.assertEqual(parse("user=ann  id=7"), {"user": "ann", "id": "7"})

    def test_quoted(self):
        self.assertEqual(parse("msg=\"all done\" by='a b'"), {"msg": "all done", "by": "a b"})

    def test_apostrophe(self):
        self.assertEqual(parse('user=ann msg="it\'s done"'), {"user": "ann", "msg": "it's done"})

    def test_escape(self):
        self.assertEqual(parse(r'path="c:\\x \"y\""'), {"path": 'c:\\x "y"'})

    def test_flag(self):
        self.assertEqual(parse("debug level=2"), {"debug": None, "level": "2"})

    def test_missing_quote(self):
        with self.assertRaises(ValueError):
            parse('msg="oops')
