import unittest

from semver import Version, satisfies
from semver.ranges import caret_limit, tilde_limit


def fields(version):
    return (version.major, version.minor, version.patch, version.pre)


class CaretTest(unittest.TestCase):
    def test_zero_zero_patch(self):
        self.assertTrue(satisfies("0.0.1", "^0.0.1"))
        self.assertFalse(satisfies("0.0.2", "^0.0.1"))
        self.assertFalse(satisfies("0.0.0", "^0.0.1"))
        self.assertFalse(satisfies("0.1.0", "^0.0.1"))

    def test_limit_zero_zero(self):
        self.assertEqual(fields(caret_limit(Version(0, 0, 7))), (0, 0, 8, ""))
        self.assertEqual(fields(caret_limit(Version(0, 0, 0))), (0, 0, 1, ""))

    def test_limit_zero_minor(self):
        self.assertEqual(fields(caret_limit(Version(0, 4, 7))), (0, 5, 0, ""))
        self.assertEqual(fields(caret_limit(Version(0, 1, 0))), (0, 2, 0, ""))

    def test_limit_major(self):
        self.assertEqual(fields(caret_limit(Version(1, 0, 0))), (2, 0, 0, ""))
        self.assertEqual(fields(caret_limit(Version(3, 0, 5))), (4, 0, 0, ""))
        self.assertEqual(fields(caret_limit(Version(3, 2, 5))), (4, 0, 0, ""))

    def test_caret_with_other_condition(self):
        self.assertFalse(satisfies("0.0.5", "^0.0.4 <1.0.0"))
        self.assertTrue(satisfies("0.0.4", "^0.0.4 <1.0.0"))

    def test_caret_minor_range(self):
        self.assertTrue(satisfies("0.2.3", "^0.2.3"))
        self.assertTrue(satisfies("0.2.10", "^0.2.3"))
        self.assertFalse(satisfies("0.2.2", "^0.2.3"))
        self.assertFalse(satisfies("1.0.0", "^0.2.3"))

    def test_caret_major_range(self):
        self.assertTrue(satisfies("1.10.0", "^1.0.5"))
        self.assertFalse(satisfies("1.0.4", "^1.0.5"))

    def test_caret_prerelease(self):
        self.assertTrue(satisfies("0.0.3", "^0.0.3-beta"))
        self.assertFalse(satisfies("0.0.4", "^0.0.3-beta"))


class OtherRangesTest(unittest.TestCase):
    def test_tilde(self):
        self.assertEqual(fields(tilde_limit(Version(0, 0, 3))), (0, 1, 0, ""))
        self.assertTrue(satisfies("0.0.9", "~0.0.3"))
        self.assertFalse(satisfies("0.1.0", "~0.0.3"))

    def test_equal(self):
        self.assertTrue(satisfies("1.2", "=1.2.0"))
        self.assertTrue(satisfies("1.2.0+build5", "1.2.0"))
        self.assertFalse(satisfies("1.2.1", "1.2.0"))

    def test_bounds(self):
        self.assertTrue(satisfies("1.2.0", ">=1.2.0"))
        self.assertFalse(satisfies("1.2.0", ">1.2.0"))
        self.assertTrue(satisfies("1.2.0", "<=1.2.0"))

    def test_empty_requirement(self):
        self.assertTrue(satisfies("0.0.1", ""))


class VersionTest(unittest.TestCase):
    def test_prerelease_order(self):
        texts = ["1.0.0-alpha", "1.0.0-alpha.2", "1.0.0-alpha.10", "1.0.0-beta", "1.0.0", "1.0.1"]
        self.assertEqual([repr(v) for v in sorted(map(Version.parse, reversed(texts)))], texts)

    def test_invalid(self):
        for text in ("", "a.b", "1.2.3.4", "1..2"):
            with self.assertRaises(ValueError):
                Version.parse(text)
